"""The pixels of the worst errors, copied from the prepared images so that a report needs its study's folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bakeoff.compare.load import Examples
from bakeoff.provenance import Json

MOST = 240
"""Pictures kept of a data set: ten cells' sheets of 24, or the first six errors of forty cells."""
SIDE = 128
"""Pixels that a picture has at most; in print it is 25 mm wide."""

Pixels = npt.NDArray[np.uint8]


def chosen(errors: Sequence[Sequence[Json]]) -> list[int]:
    """Ids of the images to copy, from the worst errors of each cell: first all cells' worst, then their second, ..."""
    longest = max((len(of_cell) for of_cell in errors), default=0)
    ids = [of_cell[rank]["example_id"] for rank in range(longest) for of_cell in errors if rank < len(of_cell)]
    return list(dict.fromkeys(ids))[:MOST]


def read(folder: Path | None, ids: Sequence[int], examples: Examples) -> tuple[Pixels | None, str | None]:
    """The pixels [K, C, H, W] of these test images, from the prepared arrays in `folder`; or why there are none.

    Pictures are a help to the eye and no result, so that nothing here is an error.
    """
    if folder is None:
        return None, "the study does not say where its images stand"
    try:
        pixels = np.load(folder / "test_pixels.npy", mmap_mode="r", allow_pickle=False)
        known = np.load(folder / "test_ids.npy", allow_pickle=False)
        labels = np.load(folder / "test_labels.npy", allow_pickle=False)
    except FileNotFoundError as error:
        return None, f"{Path(error.filename).name} is not there"
    except (OSError, ValueError, EOFError) as error:
        return None, f"the prepared images cannot be read ({type(error).__name__})"
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or not len(pixels) == len(known) == len(labels):
        return None, "the prepared images are not uint8 [N, C, H, W] with as many ids and labels"
    rows = {int(example): row for row, example in enumerate(known.tolist())}
    of_runs: Mapping[int, int] = dict(zip(examples.ids.tolist(), examples.labels.tolist(), strict=True))
    if any(example not in rows or labels[rows[example]] != of_runs[example] for example in ids):
        return None, "the prepared images are not those that the runs were tested on"
    return shrunk(pixels[[rows[example] for example in ids]]), None


def shrunk(pixels: Pixels) -> Pixels:
    """Pictures [K, C, H, W] of at most SIDE pixels: means of square blocks, the rest of the edge cut off."""
    step = -(-max(pixels.shape[2:]) // SIDE) if pixels.size else 1
    if step == 1:
        return np.ascontiguousarray(pixels)
    k, c, h, w = pixels.shape
    height, width = h // step, w // step
    blocks = pixels[:, :, : height * step, : width * step].reshape(k, c, height, step, width, step)
    small: Pixels = blocks.mean(axis=(3, 5)).round().astype(np.uint8)
    return small
