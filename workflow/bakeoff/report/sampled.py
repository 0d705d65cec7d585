"""samples.npz as typed values: training images under each policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff import provenance


@dataclass(frozen=True)
class Sample:
    """Images of a data set under one policy: pixels [N, 1 + draws, C, S, S], the first as they are."""

    dataset: str
    augmentation: str
    pixels: NDArray[np.uint8]


def load(folder: Path) -> list[Sample]:
    """Read samples.json and samples.npz; none where there is no record, as beside a part of the runs.

    Raises Refused when they are not the files that the step wrote.
    """
    path = folder / "samples.json"
    if not path.exists():
        return []
    record = provenance.read_record(path, "samples")
    provenance.check_files(path, record)
    with np.load(folder / "samples.npz", allow_pickle=False) as arrays:
        return [Sample(row["dataset"], row["augmentation"], arrays[row["array"]]) for row in record["samples"]]
