"""What a comparison sets against what: the cells of each value of its factor, and their scores by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import FloatArray
from bakeoff.compare.spec import AXES, Comparison, Place

SAME = 0.006
"""What a score may differ from the mean over images: scores made elsewhere may be rounded to two decimals.
Above 1 it is a share: the squared error of salaries is not exact to a hundredth."""

# The axes that a side is averaged over, as one cell has them: () when there are none.
Stratum = tuple[str, ...]
Side = Mapping[Stratum, Place]


@dataclass(frozen=True)
class Group:
    """The cells that one comparison sets against each other: one data set, the axes in `within` held fixed."""

    comparison: Comparison
    dataset: str
    context: Mapping[str, str]
    sides: Mapping[str, Side]

    def shared(self, *values: str) -> list[Stratum]:
        """The strata that all these values of the factor have: what a difference between them is averaged over."""
        strata = [set(self.sides.get(value, {})) for value in values]
        return sorted(set.intersection(*strata))

    def cells(self, value: str, strata: Sequence[Stratum]) -> list[Place]:
        """The cells of one value of the factor in these strata (none when it is not part of the group)."""
        side = self.sides.get(value, {})
        return [side[stratum] for stratum in strata if stratum in side]


def groups(comparison: Comparison, cells: Sequence[Place]) -> Iterator[Group]:
    """The groups of a comparison, sorted by data set and context; each has at least one cell."""
    found: dict[tuple[str, ...], dict[str, dict[Stratum, Place]]] = {}
    averaged = [axis for axis in AXES if axis not in comparison.within and axis != comparison.factor]
    for cell in cells:
        if cell.external and comparison.factor != "model":
            continue
        fixed = tuple(getattr(cell, axis) for axis in comparison.within)
        side = found.setdefault(fixed, {}).setdefault(getattr(cell, comparison.factor), {})
        side[tuple(getattr(cell, axis) for axis in averaged)] = cell
    for fixed, sides in sorted(found.items()):
        context: dict[str, str] = dict(zip(comparison.within, fixed, strict=True))
        dataset = context.pop("dataset")
        yield Group(comparison, dataset, context, dict(sorted(sides.items())))


def scores(cells: Sequence[Place], loaded: Loaded, metric: str) -> dict[int, float]:
    """The metric by seed, averaged over `cells`; only seeds at which every cell has a value."""
    values: list[dict[int, float]] = []
    for cell in cells:
        measured = {run.seed: run.metrics[metric].value for run in loaded.done(cell) if metric in run.metrics}
        values.append({seed: value for seed, value in measured.items() if value is not None})
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in values))) if values else []
    if len(values) == 1:
        return {seed: values[0][seed] for seed in seeds}
    return {seed: float(np.mean([by_seed[seed] for by_seed in values])) for seed in seeds}


def correctness(cells: Sequence[Place], loaded: Loaded, seeds: Sequence[int]) -> FloatArray | None:
    """Share of `cells` that classify each test image rightly: [S seeds, N images]. All runs must be done.

    None where the predictions of any of them are not known.
    """
    by_cell = [loaded.outcomes(cell) for cell in cells]
    shares = []
    for seed in seeds:
        correct = [by_seed[seed].correct for by_seed in by_cell]
        known = [row for row in correct if row is not None]
        if len(known) < len(correct):
            return None
        shares.append(np.mean(known, axis=0))
    return np.array(shares)


def contributions(cells: Sequence[Place], loaded: Loaded, seeds: Sequence[int], metric: str) -> FloatArray | None:
    """What each test image does to the metric, averaged over `cells`: [S seeds, N images]; their mean is the score.

    Correctness, of accuracy; of other metrics jackknife pseudo-values (`bakeoff.compare.jackknife`). None where they
    are not known, and where they are not those of the scores: then the metric is another of the same name.
    """
    if not cells or not seeds:
        return None
    if metric == "accuracy":
        return correctness(cells, loaded, seeds)
    rows = []
    for seed in seeds:
        runs = [loaded.runs[cell.key, seed] for cell in cells]
        values = [run.outcome.per_image.get(metric) for run in runs if run.outcome is not None]
        known = [value for value in values if value is not None]
        if len(known) < len(runs):
            return None
        row = known[0].astype(np.float64) if len(known) == 1 else np.mean(known, axis=0, dtype=np.float64)
        score = fmean(run.metrics[metric].value or 0.0 for run in runs)
        if abs(float(row.mean()) - score) > SAME * max(1.0, abs(score)):
            return None
        rows.append(row)
    return np.array(rows)
