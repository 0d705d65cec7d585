"""Nine classes by place: a square of 6x6 pixels, white or black on grey noise, in a cell of a 3x3 grid of 32x32 pixels.

Its place within the cell and its shade are drawn from a seed. Convolutions find it at once; a vision transformer has to
learn what the positions of its patches mean, and that both shades are a square. Nothing but integers, and bytes of
SHAKE-256, goes into an image, so it is the same on every machine and with every version of every library.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.source import Images, Info, Raw
from bakeoff.errors import UserError

SIZE, SIDE, CELLS = 32, 6, 3
EDGES = (0, 11, 22, SIZE)
"""Where cells begin and end, in rows as in columns: two of 11 pixels, the last of 10."""
_MOST_IMAGES = 1_000_000


def info(data_root: Path, *, images: int, val_images: int, test_images: int, channels: int, **_: Any) -> Info:
    """The facts. Raises UserError for numbers out of range; `data_root` is not looked at."""
    for name, n in (("images", images), ("val_images", val_images), ("test_images", test_images)):
        if not CELLS**2 <= n <= _MOST_IMAGES:
            raise UserError(f"{name}: {n} must be {CELLS**2} (one a class) to {_MOST_IMAGES:,}")
    return Info(
        title="Nine cells",
        origin="drawn from a seed",
        channels=channels,
        size=SIZE,
        class_names=tuple(
            f"{row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "centre", "right")
        ),
        official_test=True,
        flip=False,
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
    """The images, drawn anew; classes in turn. Training images do not depend on how many others there are."""
    return Raw(
        train=_part("train", images, channels, seed),
        val=_part("val", val_images, channels, seed),
        test=_part("test", test_images, channels, seed),
    )


def _part(part: str, n: int, channels: int, seed: int) -> Images:
    labels = np.arange(n, dtype=np.int64) % CELLS**2
    pixels = [draw(int(label), f"bakeoff nine cells {seed} {part} {i}") for i, label in enumerate(labels)]
    return Images(np.repeat(np.stack(pixels)[:, None], channels, axis=1), labels)


def draw(label: int, key: str) -> NDArray[np.uint8]:
    """One image [32, 32] of a class, its background of bytes that are all as likely; what is random is the key's."""
    stream = hashlib.shake_256(key.encode()).digest(3 + SIZE * SIZE)
    row, column = (_place(cell, byte) for cell, byte in zip(divmod(label, CELLS), stream[:2], strict=True))
    return paint(stream[2:], row, column)


def paint(stream: bytes, row: int, column: int) -> NDArray[np.uint8]:
    """An image [32, 32] with a square that begins in this row and column; its shade is in the first byte of `stream`,
    the background in the others.
    """
    image = np.frombuffer(stream, np.uint8, offset=1).reshape(SIZE, SIZE).copy()
    image[row : row + SIDE, column : column + SIDE] = 255 * (stream[0] % 2)
    return image


def _place(cell: int, byte: int) -> int:
    """First row, or column, of a square that lies in the cell whole."""
    room = EDGES[cell + 1] - EDGES[cell] - SIDE + 1
    return EDGES[cell] + byte * room // 256
