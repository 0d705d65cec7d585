"""The server: answers, refusals, limits, and its OpenAPI document."""

from __future__ import annotations

import base64
import io
import pickle
import re
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from PIL import Image
from serve_fixture import FORM, LABELS, ask, brightness, classes, form, png, predictor, serving, upload

from bakeoff.deploy.limits import Limits
from bakeoff.deploy.session import Floats, Pixels

LIMITS = Limits(bytes=100_000, images=3, pixels=1_000_000, seconds=5)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(predictor(), LIMITS) as port:
        yield port


@pytest.fixture(scope="module")
def explaining() -> Iterator[int]:
    with serving(predictor(explains=True), LIMITS) as port:
        yield port


def saved(kind: str, size: int = 64) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def png_of(width: int, height: int, data: bytes = b"", extra: bytes = b"") -> bytes:
    """A grey PNG with a header that may lie."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


GIF_BOMB = (
    b"GIF89a"
    + struct.pack("<HHBBB", 60_000, 60_000, 0x80, 0, 0)
    + b"\0" * 6
    + b"\x21\xf9\4\0\0\0\0\0"
    + (b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\2\2\x44\1\0;")
)
BAD: dict[str, tuple[int, str, bytes, str]] = {
    "text": (422, "is no image of a format", form(b"hello, I am text\n" * 9), FORM),
    "script": (422, "is no image of a format", form(b"<svg onload=alert(1)></svg>"), FORM),
    "pickle": (422, "is no image of a format", form(pickle.dumps({"a": 1})), FORM),
    "tiff": (422, "is no image of a format", form(saved("TIFF")), FORM),
    "cut png": (422, "is damaged", form(saved("PNG")[:3000]), FORM),
    "cut jpeg": (422, "is damaged", form(saved("JPEG")[:900]), FORM),
    "cut webp": (422, "is ", form(saved("WEBP")[:500]), FORM),
    "50,000 x 50,000": (422, "has too many pixels; at most 1,000,000", form(png_of(50_000, 50_000)), FORM),
    "1,200 x 1,200": (422, "is 1,200 x 1,200 pixels large", form(png_of(1200, 1200)), FORM),
    "gif bomb": (422, "pixels", form(GIF_BOMB), FORM),
    "no pixels": (422, "is damaged", form(png_of(8, 8)), FORM),
    "second is bad": (422, "image 2 of 2 '1.png' is no image", form(png(0), b"no"), FORM),
    "zero bytes": (422, "is empty", form(b""), FORM),
    "zero bytes, raw": (422, "the image is empty", b"", "image/png"),
    "wrong field": (
        400,
        "has a field 'photo'; images are sent as the field 'image'",
        form(png(0), field="photo"),
        FORM,
    ),
    "no field": (400, "closing boundary", b"", FORM),
    "empty form": (400, "the form is empty", b"--xyz--\r\n", FORM),
    "cut form": (400, "closing boundary is missing", form(png(0), end=b""), FORM),
    "no boundary": (400, "must name its boundary", form(png(0)), "multipart/form-data"),
    "part without head": (400, "no proper headers", b"--xyz\r\n" + png(0) + b"\r\n--xyz--\r\n", FORM),
    "json": (415, "not 'application/json'", b'{"image": 1}', "application/json"),
    "no type": (415, "and the request names none", png(0), ""),
    "too many": (413, "more than 3 images", form(*[png(0)] * 4), FORM),
    "too large": (413, "at most 100,000 bytes", form(b"x" * 100_001), FORM),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_upload_is_refused_in_a_sentence(name: str, port: int) -> None:
    status, said, body, kind = BAD[name]
    answer = ask(port, "/predict", body, Content_Type=kind)
    assert answer.status == status, answer.body
    assert list(answer.json) == ["error"]
    assert said in answer.json["error"]
    assert "\n" not in answer.json["error"]
    assert len(answer.json["error"]) < 250
    assert classes(upload(port, png(128))) == ["grey"]


@pytest.mark.parametrize(
    ("options", "said"),
    [("top=0", "top: "), ("top=two", "top: "), ("top=101", "top: "), ("maps=true", "--backend torch"), ("x=1", "x: ")],
)
def test_an_option_that_is_wrong_is_named(options: str, said: str, port: int) -> None:
    answer = upload(port, png(0), path=f"/predict?{options}")
    assert answer.status == 422
    assert said in answer.json["error"]


def test_a_body_without_a_length_is_counted_as_it_comes(port: int) -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            sent.append(1)
            yield b"x" * 10_000

    assert ask(port, "/predict", endless(), Content_Type="image/png").status == 413
    good = form(png(255))
    answer = ask(port, "/predict", iter([good[:50], good[50:]]), Content_Type=FORM)
    assert classes(answer) == [LABELS[2]]


def test_who_sends_all_before_reading_finds_the_answer(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(10)
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(200):
            client.sendall(b"x" * 100_000)
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_images_are_answered_in_order_however_they_are_sent(port: int) -> None:
    answer = upload(port, png(255), png(0, 30), png(120), path="/predict?top=2")
    assert classes(answer) == [LABELS[2], "dark", "grey"]
    assert [image["file"] for image in answer.json["images"]] == ["0.png", "1.png", "2.png"]
    assert [len(image["top"]) for image in answer.json["images"]] == [2, 2, 2]
    for kind in ("image/png", "application/octet-stream"):
        assert classes(ask(port, "/predict", png(255), Content_Type=kind)) == [LABELS[2]]
    line_breaks = np.frombuffer(b"\r\n--" * 16, np.uint8).reshape(8, 8)
    file = io.BytesIO()
    Image.fromarray(line_breaks).save(file, "BMP")
    alone = brightness(line_breaks[None, ..., None])[0]
    assert upload(port, file.getvalue()).json["images"][0]["top"][0]["probability"] == pytest.approx(alone.max())


def test_maps_are_pictures_of_where_the_class_was_seen(explaining: int) -> None:
    half = np.zeros((8, 8), np.uint8)
    half[:, 4:] = 255
    file = io.BytesIO()
    Image.fromarray(half).save(file, "PNG")
    answer = upload(explaining, file.getvalue(), path="/predict?maps=true")
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer.json["images"][0]["map"]))))
    assert (seen[..., 3] == half).all()
    assert "map" not in upload(explaining, file.getvalue()).json["images"][0]


def test_what_else_it_says(port: int) -> None:
    assert ask(port, "/healthz").json == {"status": "ok"}
    info = ask(port, "/info").json
    assert info["labels"] == LABELS
    assert info["limits"]["images"] == 3
    assert info["explains"] is False
    upload(port, png(0), png(0))
    text = ask(port, "/metrics").body.decode()
    assert re.search(r'^bakeoff_requests_total\{path="/predict",status="200"\} [1-9]', text, re.MULTILINE)
    assert re.search(r"^bakeoff_waiting_images 0.0$", text, re.MULTILINE)
    assert re.search(r"^bakeoff_held_bytes 0.0$", text, re.MULTILINE)
    missing = ask(port, "/etc/passwd")
    assert (missing.status, missing.json) == (404, {"error": "Not Found"})
    assert ask(port, "/predict").headers["allow"] == "POST"
    assert 'path="other",status="404"' in ask(port, "/metrics").body.decode()


def test_pages_of_other_sites_are_refused(port: int) -> None:
    assert upload(port, png(0), Host="evil.example").status == 403
    assert upload(port, png(0), Host="localhost:1").status == 200
    assert upload(port, png(0), Sec_Fetch_Site="cross-site").status == 403
    assert upload(port, png(0), Sec_Fetch_Site="same-origin").status == 200
    page = ask(port, "/")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in page.headers["content-security-policy"]


def test_who_keeps_it_waiting_is_let_go() -> None:
    with serving(predictor(), Limits(seconds=0.3, head=2000)) as port:

        def said(data: bytes) -> bytes:
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.settimeout(10)
                client.sendall(data)
                found = b""
                while part := client.recv(4096):
                    found += part
                return found

        begun = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
        assert said(begun) == b""
        assert said(b"") == b""
        assert said(begun + b"X: y\r\n" * 1000).startswith(b"HTTP/1.1 400 ")
        body = said(begun + b"Connection: close\r\nContent-Length: 9\r\n\r\nxyz")
        assert body.startswith(b"HTTP/1.1 408 ")
        assert b"did not arrive within 0.3 seconds" in body


def test_when_too_much_is_waiting_more_is_refused() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def held(batch: Pixels) -> Floats:
        begun.set()
        go_on.wait(10)
        return brightness(batch)

    with serving(predictor(held), Limits(waiting=2, seconds=0.5)) as port, ThreadPoolExecutor(2) as pool:
        first = pool.submit(upload, port, png(0))
        assert begun.wait(10)
        second = pool.submit(upload, port, png(0))
        while b"bakeoff_waiting_images 2.0" not in ask(port, "/metrics").body:
            time.sleep(0.01)
        refused = upload(port, png(0))
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.json == {"error": "the server is busy; ask again in a second"}
        assert first.result().json["error"].startswith("no answer was ready within 0.5 seconds")
        assert second.result().status == 503
        go_on.set()
        assert classes(upload(port, png(0))) == ["dark"]


def test_a_fault_of_ours_is_no_traceback_and_not_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    def broken(batch: Pixels) -> Floats:
        if batch.mean() > 250:
            raise RuntimeError("a secret")
        return brightness(batch)

    with serving(predictor(broken)) as port:
        answer = upload(port, png(255))
        assert (answer.status, answer.json) == (500, {"error": "the server failed; its log says why"})
        assert classes(upload(port, png(0))) == ["dark"]
    assert "a secret" in capfd.readouterr().err


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_it_does_what_its_openapi_document_says(mode: schemathesis.GenerationMode, explaining: int) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{explaining}/openapi.json")
    checks: list[Any] = [
        schemathesis.checks.not_a_server_error,
        schemathesis.checks.status_code_conformance,
        schemathesis.checks.content_type_conformance,
        schemathesis.checks.response_schema_conformance,
    ]
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=checks)
            asked.add(case.path)

        try:
            check()
        except hypothesis.errors.Unsatisfiable:  # there is no wrong way to ask for /healthz
            assert mode is schemathesis.GenerationMode.NEGATIVE
    assert "/predict" in asked
