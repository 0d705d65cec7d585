"""Which cells meet the study's requirements: pass, fail or undecided, by the end of an interval and not by its middle.

Of a metric it is the 95 % interval of the mean over new seeds and, where the images are known, new images: what a model
in use meets are new images. Of a latency it is that of the timings. What has no such error is its value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from bakeoff.compare import costs, seeds
from bakeoff.compare.cells import counts, metrics
from bakeoff.compare.contrast import rng_for
from bakeoff.compare.crossed import crossed_test
from bakeoff.compare.grid import contributions, scores
from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import LEVEL, FloatArray, Interval, resolution, t_interval, t_quantile
from bakeoff.compare.profiles import BLOCKS, Profile
from bakeoff.compare.requirement import (
    COST_COLUMNS,
    COUNTED,
    TIMED,
    TRAINING,
    Requirement,
    condition_of,
    is_measured_on,
)
from bakeoff.compare.spec import AXES, Cell, CompareInput
from bakeoff.provenance import Json

# Draws of stretches of timings: an end of the interval then moves by a few hundredths of its width.
_DRAWS = 500


@dataclass(frozen=True)
class Found:
    """What is known of a column: its value and interval, what that is over, and why there is none."""

    value: float | None = None
    interval: Interval | None = None
    scope: str | None = None
    unit: str | None = None
    condition: str | None = None
    reason: str | None = None


def gates(inputs: CompareInput, loaded: Loaded) -> list[Json]:
    """The entries of comparison.json's `gates`: of each data set every cell, requirement by requirement.

    None without requirements. Raises UserError for a metric that the runs do not have.
    """
    if inputs.requirements is None:
        return []
    wanted = [Requirement.read(text) for text in inputs.requirements.must]
    units = {name: metric.unit for name, metric in metrics(inputs, loaded).items()}
    by_dataset: dict[str, list[Json]] = {}
    for cell in inputs.cells:
        checks = [_check(each, cell, units, inputs, loaded) for each in wanted]
        place: Json = dict(zip(AXES[1:], cell.key[1:], strict=True))
        verdict = overall([check["verdict"] for check in checks])
        reason = _lost(cell, loaded) if verdict == "pass" else None
        candidate = {**place, "verdict": "undecided" if reason else verdict, "reason": reason, "checks": checks}
        by_dataset.setdefault(cell.dataset, []).append(candidate)
    return [
        {"dataset": dataset, "requirements": [each.text for each in wanted], "candidates": candidates}
        for dataset, candidates in by_dataset.items()
    ]


def overall(verdicts: Sequence[str]) -> str:
    """Fail where any requirement fails, pass where all pass."""
    return next((verdict for verdict in ("fail", "undecided") if verdict in verdicts), "pass")


def marked(rows: Sequence[Json], found: Sequence[Json]) -> list[Json]:
    """The rows of the comparison with the column `gate`: the verdict on the one cell that a row stands for, or None."""
    verdicts = {
        (entry["dataset"], *(candidate[axis] for axis in AXES[1:])): candidate["verdict"]
        for entry in found
        for candidate in entry["candidates"]
    }
    return [{**row, "gate": verdicts.get(tuple(row[axis] for axis in AXES))} for row in rows]


def _check(
    wanted: Requirement,
    cell: Cell,
    units: Mapping[str, str],
    inputs: CompareInput,
    loaded: Loaded,
) -> Json:
    if wanted.column == TRAINING:
        found = _training(cell, loaded)
    elif wanted.column in COST_COLUMNS:
        found = _cost(wanted, cell, inputs, loaded)
    else:
        found = measured(wanted.column, units.get(wanted.column), cell, loaded)
    verdict = wanted.verdict(found.interval)
    lo, hi = found.interval or (None, None)
    return {
        "requirement": wanted.text,
        "column": wanted.column,
        "condition": found.condition,
        "unit": found.unit,
        "verdict": verdict,
        "value": found.value,
        "lo": lo,
        "hi": hi,
        "scope": found.scope,
        "reason": found.reason,
        "shortfall": None if found.value is None else wanted.shortfall(found.value),
    }


def _lost(cell: Cell, loaded: Loaded) -> str | None:
    """Why a candidate cannot pass: of runs that failed, those that are left may be a selection."""
    ends = counts(cell, loaded)
    failed = ends["diverged"] + ends["oom"]
    if not ends["done"]:
        return "no run finished"
    return f"{failed} of {ends['expected']} runs failed" if failed else None


# --- metrics ------------------------------------------------------------------------------------------------------


def measured(name: str, unit: str | None, cell: Cell, loaded: Loaded) -> Found:
    """A metric of a cell: its mean over seeds, with the interval that the cell is judged by."""
    by_seed = scores([cell], loaded, name)
    if not by_seed:
        return Found(unit=unit, reason="no finished run has a value")
    value = float(np.mean(list(by_seed.values())))
    if seeds.any_failed([cell], loaded):
        return Found(value, unit=unit, reason="several seeds gave the same predictions")
    table = contributions([cell], loaded, sorted(by_seed), name)
    if table is None:
        interval = t_interval(np.array(list(by_seed.values())))
        return Found(value, interval, "seeds", unit, reason=None if interval else "one seed, and no known images")
    interval = _proportion(table) if name == "accuracy" else _mean(table)
    scope = "images" if len(table) == 1 else "seeds+images"
    return Found(value, interval, scope, unit, reason=None if interval else "no spread to estimate an error from")


def _mean(table: FloatArray) -> Interval | None:
    """95 % t interval of the mean of `table` [S, N], what each image does to a metric at each seed."""
    if len(table) == 1:
        return t_interval(table[0]) if np.ptp(table[0]) > 0 else None
    crossed = crossed_test(table, resolution(table.mean(axis=1)))
    return crossed.ci if crossed else None


def _proportion(table: FloatArray) -> Interval:
    """95 % interval of the share of right answers in `table` [S, N] for new seeds and new images.

    The exact binomial interval at the effective number of answers, which has the variance of the crossed model (Korn &
    Graubard 1998, Survey Methodology 24:193-201). The t interval is too short near 1: where the share is 0.99 in truth,
    450 images and 5 seeds put its lower end above that in 4 to 9 % of studies, at 0.998 in 7 to 15 %; nominal: 2.5 %.
    """
    share, interval = float(table.mean()), _mean(table)
    size = float(table.shape[1])
    if interval is not None and len(table) > 1 and interval[0] < interval[1]:
        z = t_quantile((1 + LEVEL) / 2, math.inf)
        half = (interval[1] - interval[0]) / 2
        size = min(share * (1 - share) * (z / half) ** 2, float(table.size)) or size
    right, tail = share * size, (1 - LEVEL) / 2
    lo = float(special.betaincinv(right, size - right + 1, tail)) if share > 0 else 0.0
    hi = float(special.betaincinv(right + 1, size - right, 1 - tail)) if share < 1 else 1.0
    return lo, hi


# --- costs --------------------------------------------------------------------------------------------------------


def _training(cell: Cell, loaded: Loaded) -> Found:
    known = costs.objectives([cell], loaded).get(TRAINING)
    if known is None:
        return Found(reason="no run tells how long it trained")
    interval = t_interval(np.array(list(known.by_seed.values())))
    return Found(known.value, interval, "seeds", reason=None if interval else "one seed")


def _cost(wanted: Requirement, cell: Cell, inputs: CompareInput, loaded: Loaded) -> Found:
    name = wanted.column
    if name in COUNTED:
        profile, condition = costs.counted(cell, loaded), None
    else:
        refs = {ref.condition: ref.name for ref in cell.profiles}
        condition = condition_of(wanted.condition, refs)
        profile = loaded.profiles[refs[condition]]
    value = getattr(profile, name)
    if value is None:
        return Found(condition=condition, reason=profile.failure or profile.reason or f"there is no {name}")
    if condition is not None and profile.published:
        return Found(float(value), condition=condition, reason="published, not measured here")
    if condition is not None and not is_measured_on(wanted.condition, profile.condition):
        return Found(float(value), condition=condition, reason=f"measured under {profile.condition}")
    if name in TIMED and profile.marks:
        return Found(float(value), condition=condition, reason=f"disturbed: {'; '.join(profile.marks)}")
    if name.startswith("latency_ms_") and (interval := _latency(profile, name, inputs.rng_seed)) is not None:
        return Found(float(value), interval, "timings", condition=condition)
    return Found(float(value), _without_seeds(profile, name, float(value)), condition=condition)


def _without_seeds(profile: Profile, name: str, value: float) -> Interval:
    """The interval of a cost that does not come from seeds: where it has none, its value alone.

    Two counters that disagree on the MACs leave both their numbers possible.
    """
    if name == "throughput" and profile.throughput_lo is not None and profile.throughput_hi is not None:
        return profile.throughput_lo, profile.throughput_hi
    if name == "macs" and profile.macs_note is not None and profile.macs_fvcore is not None:
        return min(value, profile.macs_fvcore), max(value, profile.macs_fvcore)
    return value, value


@cache
def _latency(profile: Profile, name: str, rng_seed: int) -> Interval | None:
    """95 % bootstrap interval of a percentile of the timings, drawn in stretches, for requests in a row are alike
    (block bootstrap: Künsch 1989). None where there are too few to make stretches of.
    """
    samples = profile.latency_samples
    length = 0 if samples is None else samples.size // BLOCKS
    if samples is None or length < 2:
        return None
    stretches = samples[: length * BLOCKS].reshape(BLOCKS, length)
    rng = rng_for(rng_seed, "gate", name, getattr(profile, name))
    percent = float(name.removeprefix("latency_ms_p"))
    drawn = [np.percentile(stretches[rng.integers(BLOCKS, size=BLOCKS)], percent) for _ in range(_DRAWS)]
    lo, hi = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(lo), float(hi)
