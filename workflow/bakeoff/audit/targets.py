"""The audit of a regression: images with the same targets are what images of a class are, but nothing counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bakeoff.data.arrays import PARTS, Part, Split
from bakeoff.provenance import Json


def numbered(splits: Mapping[Part, Split], names: Sequence[str]) -> tuple[dict[Part, Split], list[str]]:
    """The parts with targets numbered instead of labels, and what each number stands for, as in "x 3, y 9.5": so copies
    of one image with different targets are found as those of different classes are.
    """
    distinct, numbers = np.unique(np.concatenate([splits[part].labels for part in PARTS]), axis=0, return_inverse=True)
    ends = np.cumsum([len(splits[part]) for part in PARTS])[:-1]
    parts = dict(zip(PARTS, np.split(numbers.reshape(-1).astype(np.int64), ends), strict=True))
    texts = [", ".join(f"{name} {value:g}" for name, value in zip(names, row, strict=True)) for row in distinct]
    return {part: replace(splits[part], labels=parts[part]) for part in PARTS}, texts


def without_classes(splits: Mapping[Part, Split]) -> Json:
    """What an audit counts of classes, of images that have none."""
    return {
        "of": "targets",
        "class_counts": {part: [len(splits[part])] for part in PARTS},
        "imbalance": dict.fromkeys(PARTS),
        "empty_classes": {part: {"count": 0, "listed": []} for part in PARTS},
    }
