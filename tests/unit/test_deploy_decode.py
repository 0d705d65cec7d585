"""Images of anybody's: the study's own pixels for what can be read, one sentence for what cannot."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff.data.decode import fitted, read
from bakeoff.deploy import decode as module
from bakeoff.deploy.decode import decode
from bakeoff.deploy.facts import fit_of, reduces_jpegs
from bakeoff.errors import UserError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (37, 61, 4), dtype=np.uint8)
PICTURES = {
    "RGB": Image.fromarray(COLOUR[..., :3]),
    "RGBA": Image.fromarray(COLOUR),
    "L": Image.fromarray(COLOUR[..., 0]),
    "LA": Image.fromarray(COLOUR[..., :2].copy(), "LA"),
    "1": Image.fromarray(COLOUR[..., 0]).convert("1"),
    "P": Image.fromarray(COLOUR[..., :3]).quantize(16),
    "I;16": Image.fromarray(RNG.integers(0, 2**16, (37, 61)).astype(np.uint16)),
    "CMYK": Image.fromarray(COLOUR[..., :3]).convert("CMYK"),
}
KINDS = [
    *(("PNG", mode) for mode in ("RGB", "RGBA", "L", "LA", "1", "P", "I;16")),
    *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
    ("WEBP", "RGB"),
    ("WEBP", "RGBA"),
    ("BMP", "RGB"),
]


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize(("kind", "mode"), KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_the_study(kind: str, mode: str, channels: int, tmp_path: Path) -> None:
    data = saved(PICTURES[mode], kind)
    (tmp_path / "image").write_bytes(data)
    for size, fit in ((12, "crop"), (50, "squash"), (12, "pad")):
        study = read(tmp_path / "image", size, channels, fit)  # type: ignore[arg-type]
        here = decode(data, size, channels, fit)  # type: ignore[arg-type]
        assert here.shape == (size, size, channels)
        assert (here == study.transpose(1, 2, 0)).all()


def test_large_jpegs_are_decoded_as_the_studys_were(tmp_path: Path) -> None:
    """Of one's own files at a fraction of their size, of torchvision's data sets in full."""
    noise = Image.fromarray(RNG.integers(0, 256, (400, 400, 3), dtype=np.uint8)).resize((400, 400))
    data = saved(noise, "JPEG")
    (tmp_path / "image").write_bytes(data)
    own = read(tmp_path / "image", 20, 3, "crop").transpose(1, 2, 0)
    with Image.open(tmp_path / "image") as whole:
        published = fitted(whole, 20, 3, "crop").transpose(1, 2, 0)
    assert (own != published).any()
    for dataset, expected in (
        ({"source": "folder", "options": {"fit": "crop"}, "content": "0" * 64}, own),
        ({"source": "digits"}, own),
        ({"source": "torchvision/Flowers102", "options": {"fit": "crop"}}, published),
    ):
        assert (decode(data, 20, 3, fit_of(dataset), reduce=reduces_jpegs(dataset)) == expected).all()


def test_a_picture_taken_sideways_is_turned() -> None:
    upright = PICTURES["L"]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    sideways = saved(upright.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)
    assert (decode(sideways, 20, 1, "squash") == decode(saved(upright, "PNG"), 20, 1, "squash")).all()


def test_of_several_frames_the_first_is_taken() -> None:
    black, white = (Image.new("L", (9, 9), value) for value in (0, 255))
    moving = saved(black, "GIF", save_all=True, append_images=[white])
    assert (decode(moving, 4, 3, "crop") == 0).all()


def png(width: int, height: int) -> bytes:
    """A PNG whose header claims such sides, and that has next to nothing behind it."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(100)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def gif(width: int, height: int) -> bytes:
    screen, frame = struct.pack("<HHBBB", width, height, 0, 0, 0), struct.pack("<HHHHB", 0, 0, width, height, 0)
    return b"GIF89a" + screen + b"," + frame + b"\x08\x00;"


@pytest.mark.parametrize("data", [png(50_000, 50_000), png(8_001, 8_000), gif(65_535, 65_535)], ids=len)
def test_too_many_pixels_are_refused_by_the_header_alone(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fitted", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(UserError, match="at most 64,000,000 in all are taken") as error:
        decode(data, 12, 1, "crop")
    assert "\n" not in str(error.value)


WHOLE = saved(PICTURES["RGB"], "PNG")
BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "is no image of a format that is read here"),
    "tiff": (saved(PICTURES["RGB"], "TIFF"), "is no image of a format"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no image of a format"),
    "truncated": (WHOLE[: len(WHOLE) // 2], "is damaged"),
    "only a header": (WHOLE[:40], "is (damaged|no image)"),
    "a flipped bit": (WHOLE[:80] + bytes([WHOLE[80] ^ 255]) + WHOLE[81:], "is damaged"),
    "less than it claims": (png(100, 100), "is damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_image_is_told_in_a_sentence(name: str) -> None:
    data, said = BAD[name]
    with pytest.raises(UserError, match=said) as error:
        decode(data, 12, 3, "crop")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200
