"""What models cost: in the rows of the comparison that of the study's first condition, in costs.csv all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean
from typing import Any

from bakeoff.compare.load import Loaded
from bakeoff.compare.profiles import Profile
from bakeoff.compare.spec import COSTS, CompareInput, Place
from bakeoff.provenance import Json

# What no condition changes, so that any profile of the model can tell.
_COUNTED = ("params", "trainable_params", "macs", "activations", "size_mb")
_MEASURED = (
    "latency_ms_p50", "latency_ms_p95", "throughput", "peak_memory_mb", "train_memory_mb", "joules_per_image",
    "condition",
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """A cost, and what it is uncertain by: medians of stretches of repeated timings, or its values by seed."""

    value: float
    blocks: tuple[float, ...] = ()
    by_seed: Mapping[int, float] = field(default_factory=dict)


def common(values: Iterable[Any]) -> Any:
    """The value that all have, None when they differ or are none."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def cost_of(cells: Sequence[Place], loaded: Loaded) -> Json:
    """What the cells cost under the first condition; a cost in which they differ is None, for no one number would be
    true of all. What speaks against the times of any of them is kept. Without profiles every cost is None.
    """
    profiled = [cell for cell in cells if cell.profiles]
    first = [loaded.profiles[cell.profiles[0].name] for cell in profiled]
    nets = [counted(cell, loaded) for cell in profiled]
    return {
        **{name: common(getattr(profile, name) for profile in nets) for name in _COUNTED},
        **{name: common(getattr(profile, name) for profile in first) for name in _MEASURED},
        "cost_failure": common(profile.failure for profile in first),
        "cost_reason": common(profile.reason for profile in first),
        "latency_marks": list(dict.fromkeys(mark for profile in first for mark in profile.marks)),
        "macs_note": common(profile.macs_note for profile in nets),
    }


def objectives(cells: Sequence[Place], loaded: Loaded) -> dict[str, Cost]:
    """The costs of COSTS that are known of these cells; times that others published compare with none of ours."""
    found = {name: Cost(value) for name, value in cost_of(cells, loaded).items() if name in COSTS and value is not None}
    if any(loaded.profiles[ref.name].published for cell in cells for ref in cell.profiles):
        found.pop("latency_ms_p50", None)
    if "latency_ms_p50" in found:
        blocks = next(loaded.profiles[cell.profiles[0].name].latency_blocks for cell in cells if cell.profiles)
        found["latency_ms_p50"] = Cost(found["latency_ms_p50"].value, blocks=blocks)
    if seconds := _train_seconds(cells, loaded):
        found["train_seconds"] = Cost(fmean(seconds.values()), by_seed=seconds)
    return found


def _train_seconds(cells: Sequence[Place], loaded: Loaded) -> dict[int, float]:
    """How long training took by seed, mean over the cells; only seeds of which all cells know it."""
    each = [{run.seed: run.train_seconds for run in loaded.done(cell)} for cell in cells]
    known = [{seed: value for seed, value in seconds.items() if value is not None} for seconds in each]
    seeds = sorted(set.intersection(*map(set, known))) if known else []
    return {seed: fmean(seconds[seed] for seconds in known) for seed in seeds}


def counted(cell: Place, loaded: Loaded) -> Profile:
    """The first profile of a cell in which the net was counted; the first of all when there is none."""
    profiles = [loaded.profiles[ref.name] for ref in cell.profiles]
    return next((profile for profile in profiles if profile.params is not None), profiles[0])


def costs(inputs: CompareInput, loaded: Loaded) -> list[Json]:
    """The rows of costs.csv: each data set and model, each condition in the order of the study."""
    models = {(cell.dataset, cell.model): cell for cell in inputs.cells}
    return [
        {"dataset": dataset, "model": model, "profile": ref.name, **_columns(loaded.profiles[ref.name])}
        for (dataset, model), cell in models.items()
        for ref in cell.profiles
    ]


def _columns(profile: Profile) -> Json:
    columns = {column.name: getattr(profile, column.name) for column in fields(profile) if column.repr}
    return {**columns, "marks": list(profile.marks)}
