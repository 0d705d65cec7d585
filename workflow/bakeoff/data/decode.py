"""From the bytes of an image file to a square of pixels. Files are not trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Fit = Literal["crop", "squash", "pad"]
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_BILINEAR = Image.Resampling.BILINEAR


def read(path: Path, size: int, channels: int, fit: Fit) -> NDArray[np.uint8]:
    """The image file as [channels, size, size]. Raises whatever Pillow raises for one that is damaged.

    A JPEG is decoded at an eighth, a quarter or half of its size where that is still twice what is wanted.
    """
    with Image.open(path, formats=FORMATS) as image:
        width, height = image.size
        if width * height > (Image.MAX_IMAGE_PIXELS or 0):
            raise ValueError(f"is a decompression bomb: {width} x {height} pixels, at most {Image.MAX_IMAGE_PIXELS:,}")
        image.draft(None, (2 * size, 2 * size))
        return fitted(image, size, channels, fit)


def fitted(image: Image.Image, size: int, channels: int, fit: Fit) -> NDArray[np.uint8]:
    """A picture as [channels, size, size] uint8: turned as its EXIF data say, grey or RGB, resized by Pillow's bilinear
    filter (which averages when it shrinks).

    crop: the largest square in the middle; squash: all of it, its sides made equal; pad: all of it, on black.
    Transparency is dropped; of 16 bits the upper 8 are kept.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"has pixels of 32 bits (mode {image.mode}), of unknown range")
    image = image.convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(_square(image, size, fit))
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _square(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    width, height = image.size
    if fit == "pad":
        longer = max(width, height)
        scaled = image.resize((max(1, round(width * size / longer)), max(1, round(height * size / longer))), _BILINEAR)
        canvas = Image.new(image.mode, (size, size))
        canvas.paste(scaled, ((size - scaled.width) // 2, (size - scaled.height) // 2))
        return canvas
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side) if fit == "crop" else None
    return image.resize((size, size), _BILINEAR, box=box)
