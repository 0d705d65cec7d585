"""Nine classes by place: a square of 6x6 pixels, white or black on grey noise, in a cell of a 3x3 grid of 32x32 pixels.

Its place within the cell and its shade are drawn from a seed. Convolutions find it at once; a vision transformer has to
learn what the positions of its patches mean, and that both shades are a square.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.source import Images, Info, Raw
from bakeoff.data.sources._square import SIDE, SIZE, facts, paint, parts, stacked

CELLS = 3
EDGES = (0, 11, 22, SIZE)
"""Where cells begin and end, in rows as in columns: two of 11 pixels, the last of 10."""


def info(data_root: Path, *, images: int, val_images: int, test_images: int, channels: int, **_: Any) -> Info:
    """The facts. Raises UserError for numbers out of range; `data_root` is not looked at."""
    names = [f"{row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "centre", "right")]
    numbers = {"images": images, "val_images": val_images, "test_images": test_images}
    return facts("Nine cells", channels, numbers, class_names=names)


def load(
    data_root: Path,
    *,
    images: int = 5000,
    val_images: int = 1000,
    test_images: int = 1000,
    channels: Literal[1, 3] = 1,
    seed: int = 0,
) -> Raw:
    """The images, drawn anew; classes in turn."""
    return parts(partial(_part, channels=channels, seed=seed), images, val_images, test_images)


def _part(part: str, n: int, channels: int, seed: int) -> Images:
    labels = np.arange(n, dtype=np.int64) % CELLS**2
    pixels = [draw(int(label), f"bakeoff nine cells {seed} {part} {i}") for i, label in enumerate(labels)]
    return Images(stacked(pixels, channels), labels)


def draw(label: int, key: str) -> NDArray[np.uint8]:
    """One image [32, 32] of a class, its background of bytes that are all as likely; what is random is the key's."""
    stream = hashlib.shake_256(key.encode()).digest(3 + SIZE * SIZE)
    row, column = (_place(cell, byte) for cell, byte in zip(divmod(label, CELLS), stream[:2], strict=True))
    return paint(stream[2:], row, column)


def _place(cell: int, byte: int) -> int:
    """First row, or column, of a square that lies in the cell whole."""
    room = EDGES[cell + 1] - EDGES[cell] - SIDE + 1
    return EDGES[cell] + byte * room // 256
