"""Values that others published beside ours: would our own runs give them?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats

from bakeoff.compare import paired
from bakeoff.compare.cells import ends
from bakeoff.compare.grid import scores
from bakeoff.compare.load import Loaded, Metric
from bakeoff.compare.paired import LEVEL, FloatArray, Interval
from bakeoff.compare.spec import AXES, Cell, CompareInput, Reference
from bakeoff.provenance import Json


def references(inputs: CompareInput, loaded: Loaded, known: Mapping[str, Metric]) -> list[Json]:
    """The published values of a study, each beside every cell that it stands for; `known` are the runs' metrics."""
    return [
        _beside(reference, cell, reference.metric or inputs.metric, loaded, known)
        for reference in inputs.references
        for cell in inputs.cells
        if reference.stands_for(cell)
    ]


def _beside(reference: Reference, cell: Cell, metric: str, loaded: Loaded, known: Mapping[str, Metric]) -> Json:
    values = np.array(list(scores([cell], loaded, metric).values()))
    ours = paired.summary(values)
    unit = known[metric].unit if metric in known else None
    expected = expected_interval(values, reference.runs)
    if expected and unit == "fraction":  # of which there is none above 1
        expected = expected[0], min(expected[1], 1.0)
    reason = None if expected else "our runs do not vary" if ours.n > 1 else f"{ours.n or 'no'} run of ours"
    return {
        **dict(zip(AXES, cell.key, strict=True)),
        "metric": metric,
        "unit": unit,
        "value": reference.value,
        "runs": reference.runs,
        "source": reference.source,
        "n": ours.n,
        "mean": ours.mean,
        "std": ours.std,
        **ends("mean_lo", "mean_hi", paired.t_interval(values)),
        **ends("expect_lo", "expect_hi", expected),
        "verdict": verdict(reference.value, expected) if expected else None,
        "reason": reason,
    }


def expected_interval(values: FloatArray, runs: int = 1) -> Interval | None:
    """The 95 % prediction interval for the mean of `runs` new runs, from the scores `values` [n] of ours.

    mean ± t(n-1) s sqrt(1/n + 1/runs): Hahn (1969), "Factors for calculating two-sided prediction intervals for samples
    from a normal distribution". A published value is itself one run, or the mean of some, so it need not lie in the
    interval of our mean, which is narrower by far. None below two runs, and where they do not vary.
    """
    n = values.size
    if n < 2 or np.ptp(values) <= paired.resolution(values):
        return None
    mean, std = float(values.mean()), float(values.std(ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * std * math.sqrt(1 / n + 1 / runs)
    return mean - half, mean + half


def verdict(value: float, expected: Interval) -> str:
    """Where a published value lies: "within" the interval, "above" or "below" it."""
    return "below" if value < expected[0] else "above" if value > expected[1] else "within"
