"""A server around a network that says how bright an image is, and a client that can misbehave."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from bakeoff.deploy import server
from bakeoff.deploy.limits import Limits
from bakeoff.deploy.session import Floats, Pixels, Predictor

LABELS = ["dark", "grey", "<b>bright</b>"]
SIZE = 8
INFO = {
    "name": "made up",
    "labels": LABELS,
    "size": SIZE,
    "channels": 1,
    "fit": "crop",
    "reduces_jpegs": False,
    "temperature": 1.0,
    "metrics": {},
    "provenance": {},
}


def brightness(batch: Pixels) -> Floats:
    """Of grey images: the class whose brightness is nearest is the most probable."""
    mean = batch.mean(axis=(1, 2, 3), dtype=np.float64)[:, None] / 255
    logits = np.exp(-20 * np.abs(mean - np.array([0, 0.5, 1])))
    return (logits / logits.sum(axis=1, keepdims=True)).astype(np.float32)


def predictor(predict: Callable[[Pixels], Floats] = brightness, explains: bool = False) -> Predictor:
    maps = (lambda batch: batch[..., 0].astype(np.float32) / 255) if explains else None
    return Predictor(INFO, "torch" if explains else "onnxruntime", predict, maps)


def png(value: int, size: int = SIZE) -> bytes:
    file = io.BytesIO()
    Image.new("L", (size, size), value).save(file, "PNG")
    return file.getvalue()


@contextmanager
def serving(given: Predictor, limits: Limits | None = None, **options: Any) -> Iterator[int]:
    """The port of a server that runs in a thread."""
    limits = limits or Limits()
    listening = socket.create_server(("127.0.0.1", 0))
    running = server.server(server.application(given, limits, **options), limits)
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()
    while not running.started:
        time.sleep(0.005)
    try:
        yield int(running.servers[0].sockets[0].getsockname()[1])
    finally:
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int, path: str, body: bytes | Iterable[bytes] | None = None, method: str | None = None, **headers: str
) -> Answer:
    """One request; a body that is not bytes is sent in chunks. Names of headers are written with _ for -."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method or ("GET" if body is None else "POST"), path, body, named)
    answer = connection.getresponse()
    found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    connection.close()
    return found


def form(*files: bytes, field: str = "image", end: bytes = b"\r\n--xyz--\r\n") -> bytes:
    """A multipart form with the boundary xyz."""
    head = '--xyz\r\nContent-Disposition: form-data; name="{}"; filename="{}.png"\r\n\r\n'
    return b"\r\n".join(head.format(field, i).encode() + file for i, file in enumerate(files)) + end


FORM = "multipart/form-data; boundary=xyz"


def upload(port: int, *files: bytes, path: str = "/predict", **headers: str) -> Answer:
    return ask(port, path, form(*files), Content_Type=FORM, **headers)


def classes(answer: Answer) -> list[str]:
    """The first class of each image."""
    assert answer.status == 200, answer.body
    return [image["top"][0]["label"] for image in answer.json["images"]]
