"""Whether an exported network is still the one that was trained: its answers for the study's own test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.arrays import Split
from bakeoff.errors import UserError
from bakeoff.provenance import Json

CHECKED = 256
"""Test images on which an exported network must give torch's classes."""
MEASURED = 10_000
"""Test images, at most, on which its accuracy is measured."""
MOST = 1e-3
"""Difference of a logit from torch's, as a share of the largest, that rounding can explain."""
_BATCH = 256
Floats = NDArray[np.float32]
Answers = Callable[[NDArray[np.uint8]], Floats]
"""From images [B, S, S, C] to logits [B, classes]."""


@dataclass(frozen=True)
class Judge:
    """Holds networks against torch's answers [N, classes] for some rows of the test images, and against the logits that
    the study has for all of them.
    """

    test: Split
    study: Floats
    by_torch: Floats

    @classmethod
    def of(cls, test: Split, study: Floats, torch: Answers) -> Judge:
        """With torch's answers for CHECKED of the images."""
        return cls(test, study, _ask(torch, test, _spread(len(test), CHECKED)))

    def checked(self, answers: Answers) -> Json:
        """How far a network is from torch, on CHECKED images."""
        found = _ask(answers, self.test, _spread(len(self.test), CHECKED))
        return {
            "n_checked": len(found),
            "same_class_as_torch": _same(found, self.by_torch),
            "max_difference": float(np.abs(found - self.by_torch).max()),
            "largest_logit": float(np.abs(self.by_torch).max()),
        }

    def measured(self, answers: Answers) -> Json:
        """How often a network is right, and says what the study says, on at most MEASURED images."""
        rows = _spread(len(self.test), MEASURED)
        found = _ask(answers, self.test, rows)
        right = int((found.argmax(axis=1) == self.test.labels[rows]).sum())
        return {
            "n_test": len(rows),
            "same_class_as_study": _same(found, self.study[rows]),
            "right": right,
            "accuracy": right / len(rows),
        }


def _spread(n: int, most: int) -> NDArray[np.int64]:
    """At most so many of n rows, evenly spread: official test sets may stand in the order of their classes."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def _ask(answers: Answers, test: Split, rows: NDArray[np.int64]) -> Floats:
    batches = (rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH))
    return np.concatenate(
        [answers(np.ascontiguousarray(test.pixels[batch].transpose(0, 2, 3, 1))) for batch in batches]
    )


def _same(one: Floats, other: Floats) -> int:
    return int((one.argmax(axis=1) == other.argmax(axis=1)).sum())


def must_agree(run_dir: Path, networks: Mapping[str, Json]) -> None:
    """Raise UserError where one of these networks, by what Judge.checked says of it, is not torch's."""
    for name, found in networks.items():
        other = found["n_checked"] - found["same_class_as_torch"]
        # Not `>`: of what is no number, it would be false.
        if other or not found["max_difference"] <= MOST * max(1.0, found["largest_logit"]):
            raise UserError(
                f"{run_dir}: not exported: {name} gives another class than torch for {other} of {found['n_checked']} "
                f"test images (largest difference of a logit {found['max_difference']:.2g})"
            )
