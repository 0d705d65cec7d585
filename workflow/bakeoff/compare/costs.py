"""What models cost: in the rows of the comparison that of the study's first condition, in costs.csv all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from bakeoff.compare.load import Loaded
from bakeoff.compare.profiles import Profile
from bakeoff.compare.spec import CompareInput, Place
from bakeoff.provenance import Json

# What no condition changes, so that any profile of the model can tell.
_COUNTED = ("params", "trainable_params", "macs", "activations", "size_mb")
_MEASURED = (
    "latency_ms_p50", "latency_ms_p95", "throughput", "peak_memory_mb", "train_memory_mb", "joules_per_image",
    "condition",
)  # fmt: skip


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
    counted = [_counted(cell, loaded) for cell in profiled]
    return {
        **{name: common(getattr(profile, name) for profile in counted) for name in _COUNTED},
        **{name: common(getattr(profile, name) for profile in first) for name in _MEASURED},
        "cost_failure": common(profile.failure for profile in first),
        "cost_reason": common(profile.reason for profile in first),
        "latency_marks": list(dict.fromkeys(mark for profile in first for mark in profile.marks)),
        "macs_note": common(profile.macs_note for profile in counted),
    }


def _counted(cell: Place, loaded: Loaded) -> Profile:
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
    return {**asdict(profile), "marks": list(profile.marks)}
