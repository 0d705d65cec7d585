"""The ledger of fairness: what each cell was trained with, and in which of it the candidates of a question are equal.

All of it stands in the records of the runs; here it is put side by side. A fact is the list of its distinct values over
the runs that it is known of, so that one value means that all of them agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bakeoff import layout
from bakeoff.compare.grid import Group, groups
from bakeoff.compare.load import CellKey, Loaded, Run
from bakeoff.compare.spec import AXES, Cell, CompareInput, Place
from bakeoff.provenance import Json, canonical, finite, spec_digest

_OF_RECIPE = (
    "batch_size", "accumulate", "optimizer", "lr", "weight_decay", "schedule", "label_smoothing", "train_images",
    "precision", "deterministic",
)  # fmt: skip
_OF_RECORD = ("epochs", "epochs_done", "images_trained", "n_train", "n_val", "device", "threads", "data_digest")
Facts = dict[str, list[Any]]


def ledger(inputs: CompareInput, loaded: Loaded) -> Json:
    """`cells`: facts, runs and provenance of each cell. `questions`: for each comparison, data set and context the
    facts in which all candidates are `equal`, those in which one `differs`, and those that are `unknown` of some.
    """
    facts = {cell.key: _facts(cell, loaded) for cell in inputs.cells}
    return {
        "cells": [_cell(cell, facts[cell.key], inputs.metric, loaded) for cell in inputs.cells],
        "questions": [
            _question(group, facts)
            for comparison in inputs.comparisons
            for group in groups(comparison, inputs.cells)
            if len(group.sides) > 1
        ],
    }


# --- a cell -------------------------------------------------------------------------------------------------------


def _cell(cell: Cell, facts: Facts, metric: str, loaded: Loaded) -> Json:
    records = _records(cell, loaded)
    seconds = [(run.train_seconds, run.device) for run in loaded.of(cell) if run.train_seconds is not None]
    environments = [record["environment"] for record in records]
    return {
        **dict(zip(AXES, cell.key, strict=True)),
        "spec": cell.spec,
        "code": cell.train_code,
        "folder": layout.run_dir(*cell.key, cell.spec, cell.seeds[0]).parent.as_posix(),
        "settings": records[0]["spec"] if records else None,
        "facts": facts,
        "train_seconds": sum(value for value, _ in seconds) if seconds else None,
        "gpu_seconds": sum(value for value, device in seconds if _on_gpu(device)) if seconds else None,
        "tuning": next((record["tuned"] for record in records if record.get("tuned")), None),
        "versions": _distinct(
            {"python": found["python"], **found["packages"]} for found in environments if "packages" in found
        ),
        "commits": _distinct(found.get("commit") for found in environments),
        "uncommitted_changes": any(found.get("uncommitted_changes") for found in environments),
        "runs": [_run(run, metric) for run in loaded.of(cell)],
    }


def _run(run: Run, metric: str) -> Json:
    record, score = run.record or {}, run.metrics.get(metric)
    return {
        "seed": run.seed,
        "status": run.status,
        "reason": record.get("reason"),
        "score": None if score is None else score.value,
        "train_seconds": finite(run.train_seconds),
        **{name: record.get(name) for name in ("epochs_done", "best_epoch", "stopped_early")},
    }


def _records(cell: Place, loaded: Loaded) -> list[Json]:
    return [run.record for run in loaded.of(cell) if run.record is not None]


def _on_gpu(device: str | None) -> bool:
    return device is not None and device.startswith("cuda")


def _facts(cell: Place, loaded: Loaded) -> Facts:
    records = _records(cell, loaded)
    found: dict[str, Iterable[Any]] = {
        "seeds": [" ".join(map(str, cell.seeds))],
        **{name: [record.get(name) for record in records] for name in _OF_RECORD},
        **{name: [recipe.get(name) for recipe in _recipes(records)] for name in _OF_RECIPE},
        "recipe_digest": (spec_digest(recipe) for recipe in _recipes(records)),
        "weights": ((record.get("weights") or {}).get("source") for record in records),
        "tuning_trials": ((record.get("tuned") or {}).get("trials", 0) for record in records if "tuned" in record),
        "hardware": (run.hardware for run in loaded.of(cell)),
        "method": (record.get("method") for record in records),
    }
    return {name: _distinct(value for value in values if value is not None) for name, values in found.items()}


def _recipes(records: Iterable[Json]) -> Iterator[Json]:
    """The settings of training; runs made from others have none of their own."""
    for record in records:
        if recipe := record["spec"].get("recipe"):
            tuned = record.get("tuned") or {}
            yield {**recipe, **{name: tuned[name] for name in ("lr", "weight_decay") if name in tuned}}


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, in the order in which they come; numbers ascend."""
    found = list({canonical(value): value for value in values if value is not None}.values())
    return sorted(found) if all(isinstance(value, int | float) for value in found) else found


# --- a question ---------------------------------------------------------------------------------------------------


def _question(group: Group, facts: Mapping[CellKey, Facts]) -> Json:
    elsewhere = {value: any(cell.external for cell in side.values()) for value, side in group.sides.items()}
    sides = {
        value: [facts[cell.key] for cell in side.values()]
        for value, side in group.sides.items()
        if not elsewhere[value]  # nobody knows how: that hides nothing of the others
    }
    names = _names(facts) if len(sides) > 1 else []
    known = {name: {side: _together(of_side, name) for side, of_side in sides.items()} for name in names}
    equal, differs, unknown = {}, [], []
    if any(elsewhere.values()):
        values = {value: ["elsewhere" if away else "here"] for value, away in elsewhere.items()}
        differs.append({"fact": "trained", "values": values})
    for name, by_side in known.items():
        of_sides = list(by_side.values())
        if not any(of_sides):
            continue
        if not all(of_sides):
            unknown.append({"fact": name, "values": by_side})
        elif all(value == of_sides[0] for value in of_sides):
            equal[name] = of_sides[0]
        else:
            differs.append({"fact": name, "values": by_side})
    return {
        "comparison": group.comparison.name,
        "factor": group.comparison.factor,
        "dataset": group.dataset,
        "context": dict(group.context),
        "equal": equal,
        "differs": differs,
        "unknown": unknown,
    }


def _names(facts: Mapping[CellKey, Facts]) -> list[str]:
    return list(next(iter(facts.values())))


def _together(of_side: Sequence[Facts], name: str) -> list[Any]:
    return _distinct(value for facts in of_side for value in facts[name])
