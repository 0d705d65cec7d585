"""The rows of the grid itself: what each cell scored and cost, what is there of it, and each of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from bakeoff.compare import paired, seeds
from bakeoff.compare.costs import common, cost_of
from bakeoff.compare.grid import scores
from bakeoff.compare.load import Loaded, Metric
from bakeoff.compare.spec import AXES, Cell, CompareInput, Place, Questions
from bakeoff.errors import UserError
from bakeoff.provenance import Json


def metrics(inputs: Questions, loaded: Loaded) -> dict[str, Metric]:
    """All metrics of the runs with unit and direction, the primary one first.

    Raises UserError when the runs lack the primary one.
    """
    found: dict[str, Metric] = {}
    for _, run in sorted(loaded.runs.items(), key=lambda item: item[0]):
        found = {**run.metrics, **found}
    if inputs.metric not in found:
        raise UserError(f"metric: the runs have no {inputs.metric!r}; choose from {', '.join(sorted(found))}")
    return {name: found[name] for name in sorted(found, key=lambda name: (name != inputs.metric, name))}


def cells(inputs: Questions, loaded: Loaded) -> list[Json]:
    """The cells of comparison.json: coverage, cost, and each metric's mean with its 95 % t interval over seeds."""
    known = metrics(inputs, loaded)
    return [
        {
            **_place(cell),
            **counts(cell, loaded),
            **cost_of([cell], loaded),
            "train_seconds": train_seconds([cell], loaded),
            **_seed_spread(cell, loaded),
            **{name: common(getattr(run, name) for run in loaded.of(cell)) for name in ("n_train", "amount_series")},
            "device": ", ".join(sorted({run.device for run in loaded.of(cell) if run.device})) or None,
            "metrics": {name: _cell_metric(cell, name, metric, loaded) for name, metric in known.items()},
        }
        for cell in inputs.cells
    ]


def _place(cell: Place) -> Json:
    return {**dict(zip(AXES, cell.key, strict=True)), "spec": cell.spec if isinstance(cell, Cell) else None}


def counts(cell: Place, loaded: Loaded) -> dict[str, int]:
    """How many runs of a cell were wanted, and what became of them; of one that failed there is nothing."""
    ends = [run.status for run in loaded.of(cell)]
    found = {status: ends.count(status) for status in ("done", "diverged", "oom")}
    return {"expected": len(cell.seeds), **found, "missing": len(cell.seeds) - sum(found.values())}


def _seed_spread(cell: Place, loaded: Loaded) -> Json:
    """The spread of accuracy that chance alone would give, and how many times that there is."""
    spread = seeds.spread(cell, loaded)
    return {
        "seed_std_expected": spread.expected if spread else None,
        "seed_std_ratio": spread.ratio if spread else None,
    }


def _cell_metric(cell: Place, name: str, metric: Metric, loaded: Loaded) -> Json:
    values = np.array(list(scores([cell], loaded, name).values()))
    return {
        **asdict(paired.summary(values)),
        **ends("lo", "hi", paired.t_interval(values)),
        "unit": metric.unit,
        "direction": metric.direction,
    }


def coverage(inputs: CompareInput, loaded: Loaded) -> list[Json]:
    """The rows of coverage.csv."""
    found = []
    for cell in inputs.cells:
        missing = [seed for seed in cell.seeds if (cell.key, seed) not in loaded.runs]
        found.append({**_place(cell), **counts(cell, loaded), "missing_seeds": missing})
    return found


def runs(inputs: CompareInput, loaded: Loaded) -> list[Json]:
    """The rows of runs.csv: each run that exists, each metric."""
    return [
        {
            **_place(cell),
            "seed": run.seed,
            "status": run.status,
            "metric": name,
            "value": metric.value,
            "unit": metric.unit,
            "direction": metric.direction,
            "lo": metric.lo,
            "hi": metric.hi,
            "why_null": metric.why_null,
            "train_seconds": run.train_seconds,
        }
        for cell in inputs.cells
        for run in loaded.of(cell)
        for name, metric in sorted(run.metrics.items())
    ]


def ends(lo: str, hi: str, interval: tuple[float, float] | None) -> Json:
    """An interval as two columns, both None where there is none."""
    return {lo: interval[0] if interval else None, hi: interval[1] if interval else None}


def train_seconds(cells: Sequence[Place], loaded: Loaded) -> float | None:
    """Mean time that the runs of these cells trained, of those that ended well."""
    seconds = [run.train_seconds for cell in cells for run in loaded.done(cell) if run.train_seconds is not None]
    return float(np.mean(seconds)) if seconds else None
