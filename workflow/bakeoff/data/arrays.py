"""The prepared arrays on disk: what `prepare` writes and training reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.provenance import whole

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
_FIELDS = ("pixels", "labels", "ids")


@dataclass(frozen=True)
class Split:
    """The images of one part: pixels [N, C, S, S] uint8, labels [N] int64 (of a regression the d targets [N, d]
    float32), ids [N] int64.

    An id is the image's place in its source; the images of an official validation set, then of a test set, are counted
    on from the last training image. The training part stands in stratified order: its first n images are a stratified
    choice of n.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[Any]
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def files(folder: Path, part: Part) -> list[Path]:
    """The three files of a part."""
    return [folder / f"{part}_{field}.npy" for field in _FIELDS]


def save(
    folder: Path,
    part: Part,
    chunks: Iterable[NDArray[np.uint8]],
    shape: tuple[int, int, int, int],
    labels: NDArray[Any],
    ids: NDArray[np.int64],
) -> list[Path]:
    """Write a part whose pixels, of this shape [N, C, S, S], come in chunks [n, C, S, S]; returns its files."""
    pixels_file, labels_file, ids_file = files(folder, part)
    # Not through a memory map: on a full disk that is a bus error, where a write is an exception.
    with whole(pixels_file) as unfinished, unfinished.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        written = sum(file.write(np.ascontiguousarray(chunk).data) for chunk in chunks)
        if written != np.prod(shape, dtype=np.int64):
            raise ValueError(f"{pixels_file}: {written} bytes of pixels, not those of {shape}")
    for path, values in ((labels_file, labels), (ids_file, ids)):
        with whole(path) as unfinished:
            np.save(unfinished, values, allow_pickle=False)
    return [pixels_file, labels_file, ids_file]


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
