"""Squares drawn from a seed: upright or on a corner, of different size, place and shade. For tests and demonstrations.

The class is the square's size and whether it stands on a corner. Nothing but integers, and bytes of SHAKE-256, goes
into an image, so it is the same on every machine and with every version of every library.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.source import Images, Info, Raw
from bakeoff.errors import UserError

SIZE = 32
_HALF_SIDES = (3, 5, 7, 9, 11)
_MOST_CLASSES = 2 * len(_HALF_SIDES)
_MOST_IMAGES = 1_000_000
# Bytes that decide an image, before those of its noise: row, column, shades of square and background.
_HEAD = 2 + 2 * 3


def info(data_root: Path, *, images: int, classes: int, channels: int, **_: Any) -> Info:
    """The facts. Raises UserError for numbers out of range; `data_root` is not looked at."""
    if not 2 <= classes <= _MOST_CLASSES:
        raise UserError(f"classes: {classes} must be 2 to {_MOST_CLASSES}")
    if not 2 * classes <= images <= _MOST_IMAGES:
        raise UserError(f"images: {images} must be {2 * classes} (two a class) to {_MOST_IMAGES:,}")
    return Info(
        title="Squares",
        origin="drawn from a seed",
        channels=channels,
        size=SIZE,
        class_names=tuple(f"{_stance(k)} {2 * _HALF_SIDES[k // 2] + 1}" for k in range(classes)),
        official_test=False,
        flip=True,
    )


def _stance(label: int) -> str:
    return "corner" if label % 2 else "upright"


def load(data_root: Path, *, images: int = 2000, classes: int = 10, channels: Literal[1, 3] = 3, seed: int = 0) -> Raw:
    """The images, drawn anew; classes in turn."""
    labels = np.arange(images, dtype=np.int64) % classes
    pixels = np.empty((images, channels, SIZE, SIZE), np.uint8)
    for i, label in enumerate(labels):
        pixels[i] = draw(int(label), channels, f"bakeoff squares {seed} {i}")
    return Raw(train=Images(pixels, labels), test=None)


def draw(label: int, channels: int, key: str) -> NDArray[np.uint8]:
    """One image [channels, 32, 32] of a class; what is random in it comes from the key."""
    stream = hashlib.shake_256(key.encode()).digest(_HEAD + channels * SIZE * SIZE)
    head = np.frombuffer(stream, np.uint8, _HEAD).astype(np.int64)
    noise = np.frombuffer(stream, np.uint8, offset=_HEAD).reshape(channels, SIZE, SIZE)
    half = _HALF_SIDES[label // 2]
    # The corners of a square that stands on one are 7/5 of half a side away, near enough to the root of 2.
    reach = 7 * half // 5 if label % 2 else half
    row, column = (reach + position * (SIZE - 2 * reach) // 256 for position in head[:2])
    rows, columns = np.abs(np.arange(SIZE) - row)[:, None], np.abs(np.arange(SIZE) - column)[None]
    inside = (5 * (rows + columns) <= 7 * half) if label % 2 else (rows <= half) & (columns <= half)
    square, ground = 128 + head[2:5] // 2, head[5:8] // 3
    shades = np.where(inside, square[:channels, None, None], ground[:channels, None, None])
    return np.clip(shades + noise // 4 - 32, 0, 255).astype(np.uint8)
