"""The worst errors of a cell: images that its seeds agree to get wrong, and are sure of."""

from __future__ import annotations

from collections import Counter

import numpy as np

from bakeoff.compare.load import Loaded
from bakeoff.compare.spec import Cell
from bakeoff.provenance import Json, finite

MOST = 24
"""Errors kept of a cell, as many as a sheet of pictures has."""


def worst(cell: Cell, loaded: Loaded) -> list[Json]:
    """Images by the number of seeds that get them wrong, then by the mean confidence of these wrong answers.

    `predicted` is the most frequent wrong answer, among equally frequent ones the most confident. Errors of one seed
    alone are kept only where a cell has no more.
    """
    outcomes = loaded.evaluated(cell)
    if not outcomes:
        return []
    examples, names = loaded.tests[cell.dataset], loaded.done(cell)[0].class_names
    wrong, confidence = np.zeros(len(examples.ids), dtype=int), np.zeros(len(examples.ids))
    for outcome in outcomes.values():
        wrong[outcome.mistakes.index] += 1
        confidence[outcome.mistakes.index] += outcome.mistakes.confidence
    mean = np.divide(confidence, wrong, out=confidence, where=wrong > 0)
    order = np.lexsort((examples.ids, -np.nan_to_num(mean), -wrong))[: min(MOST, int((wrong > 0).sum()))]
    return [
        {
            "example_id": int(examples.ids[i]),
            "true": names[examples.labels[i]],
            "predicted": names[_answer(int(i), cell, loaded)],
            "confidence": finite(float(mean[i])),
            "n_wrong": int(wrong[i]),
            "n_runs": len(outcomes),
        }
        for i in order
    ]


def _answer(image: int, cell: Cell, loaded: Loaded) -> int:
    """What an image is mostly taken for by the seeds that get it wrong."""
    votes: Counter[int] = Counter()
    sure: dict[int, float] = {}
    for outcome in loaded.evaluated(cell).values():
        at = np.searchsorted(outcome.mistakes.index, image)
        if at < outcome.mistakes.index.size and outcome.mistakes.index[at] == image:
            answer = int(outcome.mistakes.predicted[at])
            votes[answer] += 1
            sure[answer] = sure.get(answer, 0.0) + float(np.nan_to_num(outcome.mistakes.confidence[at]))
    return max(votes, key=lambda answer: (votes[answer], sure[answer], -answer))
