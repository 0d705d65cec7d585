"""The page of `bakeoff serve` in a browser: drop an image, see classes; nothing of others runs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from serve_fixture import LABELS, png, predictor, serving

from bakeoff.deploy.limits import Limits

DROP = """([data, name]) => {
    const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
    const moved = new DataTransfer();
    moved.items.add(new File([bytes], name, { type: "image/png" }));
    document.getElementById("drop").dispatchEvent(
        new DragEvent("drop", { dataTransfer: moved, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(predictor(explains=True), Limits(pixels=10_000)) as port:
        yield port


@pytest.fixture
def page(chromium: Any, port: int) -> Iterator[Any]:
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(10_000)
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: heard.append(request.url) if f"//127.0.0.1:{port}/" not in request.url else None)
    page.goto(f"http://127.0.0.1:{port}/")
    yield page
    context.close()
    # A refusal by the server is a line in the console of Chromium; blobs are the pictures shown.
    assert [text for text in heard if not text.startswith(("Failed to load resource", "blob:", "data:"))] == []


def test_images_that_are_dropped_or_chosen_are_answered(page: Any) -> None:
    assert "made up: 3 classes" in page.locator("#about").inner_text()
    page.evaluate(DROP, [base64.b64encode(png(255)).decode(), "<img src=x onerror=alert(1)>.png"])
    first = page.locator("article").first
    assert first.locator("h2").inner_text() == "<img src=x onerror=alert(1)>.png"
    assert first.locator("li span").first.inner_text() == LABELS[2]
    assert first.locator("meter").count() == 3
    widths = page.evaluate("""() => Promise.all([...document.images].map(async image => {
        await image.decode();
        return image.naturalWidth;
    }))""")
    assert widths == [8, 8]  # the picture, and where the class was seen

    page.get_by_label("Show where the class was seen").uncheck()
    page.locator("#files").set_input_files(
        [{"name": f"{value}.png", "mimeType": "image/png", "buffer": png(value)} for value in (0, 128)]
    )
    page.locator("article").nth(2).wait_for()
    said = [each.locator("li span").first.inner_text() for each in page.locator("article").all()]
    assert said == ["grey", "dark", LABELS[2]]
    assert page.locator("article").first.locator("img").count() == 1


def test_what_cannot_be_read_is_said(page: Any) -> None:
    page.locator("#files").set_input_files([{"name": "notes.png", "mimeType": "image/png", "buffer": b"no image"}])
    page.get_by_text("notes.png: the image 'notes.png' is no image of a format").wait_for()
    page.locator("#files").set_input_files([{"name": "big.png", "mimeType": "image/png", "buffer": png(0, 200)}])
    page.get_by_text("big.png: the image 'big.png' is 200 x 200 pixels large").wait_for()
    assert page.locator("article").count() == 0
