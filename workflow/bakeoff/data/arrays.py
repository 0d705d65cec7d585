"""The prepared arrays on disk: what `prepare` writes and training reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.provenance import whole

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
_FIELDS = ("pixels", "labels", "ids")


@dataclass(frozen=True)
class Split:
    """The images of one part: pixels [N, C, S, S] uint8, labels [N] int64, ids [N] int64.

    An id is the image's place in its source; the images of an official test set are counted on from the last training
    image. The training part stands in stratified order: its first n images are a stratified choice of n.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def files(folder: Path, part: Part) -> list[Path]:
    """The three files of a part."""
    return [folder / f"{part}_{field}.npy" for field in _FIELDS]


def save(folder: Path, part: Part, split: Split) -> list[Path]:
    """Write a part; returns its files."""
    paths = files(folder, part)
    for path, field in zip(paths, _FIELDS, strict=True):
        with whole(path) as unfinished:
            np.save(unfinished, getattr(split, field), allow_pickle=False)
    return paths


def load(folder: Path, part: Part) -> Split:
    """Read a part; the pixels are mapped, not copied, so that concurrent runs share them.

    Mode "c" (copy on write) is read-only for the file, yet gives the writable array that torch asks for.
    """
    pixels, labels, ids = files(folder, part)
    return Split(
        np.load(pixels, mmap_mode="c", allow_pickle=False),
        np.load(labels, allow_pickle=False),
        np.load(ids, allow_pickle=False),
    )
