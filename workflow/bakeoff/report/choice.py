"""Which cells stand for their models where there is no room for all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

from bakeoff.report.diagnosed import Diagnosis
from bakeoff.report.load import Confusion, Results
from bakeoff.report.probed import Probed

MOST = 12
"""Panels of a figure, or tables of one kind."""

P = TypeVar("P", bound=Confusion | Diagnosis | Probed)


def best(results: Results, placed: Iterable[P]) -> list[P]:
    """One of each dataset and model, that at the augmentation and recipe with the best mean; by dataset, then the best
    first. Of more than MOST, the best come first whatever their dataset.
    """
    sign = 1 if results.metric.direction == "max" else -1
    means = {
        (cell.dataset, cell.model, *cell.variant): cell.metrics[results.metric.name].mean
        for cell in results.cells
        if results.metric.name in cell.metrics
    }

    def score(item: P) -> float:
        mean = means.get((item.dataset, item.model, item.augmentation, item.recipe))
        return -math.inf if mean is None else sign * mean

    found: dict[tuple[str, str], P] = {}
    for item in sorted(placed, key=score, reverse=True):
        found.setdefault((item.dataset, item.model), item)
    if len(found) > MOST:
        return list(found.values())
    return sorted(found.values(), key=lambda item: item.dataset)
