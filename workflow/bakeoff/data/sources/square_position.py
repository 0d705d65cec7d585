"""Where is the square? x and y of the middle of a square of 6x6 pixels are to be predicted: a regression.

The squares are those of `nine_cells`, white or black on 32x32 pixels of grey noise, but anywhere in the image. x is
counted from the left edge and y from the top edge, in pixels, so that both are whole numbers from 3 to 29.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.source import Images, Info, Raw, Target
from bakeoff.data.sources._square import SIDE, SIZE, facts, paint, parts, stacked

PLACES = SIZE - SIDE + 1
"""Rows, or columns, in which a square can begin."""
TARGETS = (Target("x", "px"), Target("y", "px"))


def info(data_root: Path, *, images: int, val_images: int, test_images: int, channels: int, **_: Any) -> Info:
    """The facts. Raises UserError for numbers out of range; `data_root` is not looked at."""
    numbers = {"images": images, "val_images": val_images, "test_images": test_images}
    return facts("Position of a square", channels, numbers, targets=TARGETS)


def load(
    data_root: Path,
    *,
    images: int = 5000,
    val_images: int = 1000,
    test_images: int = 1000,
    channels: Literal[1, 3] = 1,
    seed: int = 0,
) -> Raw:
    """The images, drawn anew."""
    return parts(partial(_part, channels=channels, seed=seed), images, val_images, test_images)


def _part(part: str, n: int, channels: int, seed: int) -> Images:
    drawn = [draw(f"bakeoff square position {seed} {part} {i}") for i in range(n)]
    middles = np.array([middle for _, middle in drawn], dtype=np.float32)
    return Images(stacked([image for image, _ in drawn], channels), middles)


def draw(key: str) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """One image [32, 32] and (x, y) of the middle of its square; what is random is the key's."""
    stream = hashlib.shake_256(key.encode()).digest(5 + SIZE * SIZE)
    # Two bytes each: of 65,536 values, no place gets one in 2,400 more than another.
    row, column = (int.from_bytes(stream[at : at + 2], "big") * PLACES // 2**16 for at in (0, 2))
    return paint(stream[4:], row, column), (column + SIDE / 2, row + SIDE / 2)
