"""Where is the square? x and y of the middle of a square of 6x6 pixels are to be predicted: a regression.

The squares are those of `nine_cells`, white or black on 32x32 pixels of grey noise, but anywhere in the image. x is
counted from the left edge and y from the top edge, in pixels, so that both are whole numbers from 3 to 29.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.source import Images, Info, Raw, Target
from bakeoff.data.sources.nine_cells import SIDE, SIZE, paint
from bakeoff.errors import UserError

PLACES = SIZE - SIDE + 1
"""Rows, or columns, in which a square can begin."""
_MOST_IMAGES = 1_000_000


def info(data_root: Path, *, images: int, val_images: int, test_images: int, channels: int, **_: Any) -> Info:
    """The facts. Raises UserError for numbers out of range; `data_root` is not looked at."""
    for name, n in (("images", images), ("val_images", val_images), ("test_images", test_images)):
        if not 2 <= n <= _MOST_IMAGES:
            raise UserError(f"{name}: {n} must be 2 to {_MOST_IMAGES:,}")
    return Info(
        title="Position of a square",
        origin="drawn from a seed",
        channels=channels,
        size=SIZE,
        class_names=(),
        official_test=True,
        flip=False,
        targets=(Target("x", "px"), Target("y", "px")),
    )


def load(
    data_root: Path,
    *,
    images: int = 5000,
    val_images: int = 1000,
    test_images: int = 1000,
    channels: Literal[1, 3] = 1,
    seed: int = 0,
) -> Raw:
    """The images, drawn anew. Training images do not depend on how many others there are."""
    return Raw(
        train=_part("train", images, channels, seed),
        val=_part("val", val_images, channels, seed),
        test=_part("test", test_images, channels, seed),
    )


def _part(part: str, n: int, channels: int, seed: int) -> Images:
    drawn = [draw(f"bakeoff square position {seed} {part} {i}") for i in range(n)]
    pixels = np.stack([image for image, _ in drawn])[:, None]
    return Images(np.repeat(pixels, channels, axis=1), np.array([middle for _, middle in drawn], dtype=np.float32))


def draw(key: str) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """One image [32, 32] and (x, y) of the middle of its square; what is random is the key's."""
    stream = hashlib.shake_256(key.encode()).digest(5 + SIZE * SIZE)
    # Two bytes each: of 65,536 values, no place gets one in 2,400 more than another.
    row, column = (int.from_bytes(stream[at : at + 2], "big") * PLACES // 2**16 for at in (0, 2))
    return paint(stream[4:], row, column), (column + SIDE / 2, row + SIDE / 2)
