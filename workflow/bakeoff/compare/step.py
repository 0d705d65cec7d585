"""The compare step: from all records of a study to the files that its report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bakeoff import layout
from bakeoff.compare import audits, balance, caveats, cells, costs, diagnostics, probes, table
from bakeoff.compare.confusion import confusion
from bakeoff.compare.curves import curves
from bakeoff.compare.datasets import across
from bakeoff.compare.factorial import factorial
from bakeoff.compare.frontiers import frontiers
from bakeoff.compare.gates import gates, marked
from bakeoff.compare.ledger import ledger
from bakeoff.compare.load import load
from bakeoff.compare.recommend import recommendations
from bakeoff.compare.reference import references
from bakeoff.compare.spec import CompareInput
from bakeoff.provenance import Json, validated, whole, write_record
from bakeoff.spreadsheet import as_text


def run(spec: Json, code: str, results: Path = layout.RESULTS) -> Path:
    """Compare the runs that `spec` names and write {results}/{study}/, or {results}/{study}/partial/ of a part of them;
    returns comparison.json, which is written last.

    Writes coverage.csv, runs.csv, comparison.csv, comparison.json, costs.csv, curves.csv, confusion.json,
    diagnostics.json, errors.npz and explanations.npz, each whole. Raises UserError for a spec that is none, Refused
    for records that do not match it; then nothing is written.
    """
    inputs = validated(CompareInput, spec)
    loaded = load(inputs, results)
    found_gates = gates(inputs, loaded)
    rows = marked(table.rows(inputs, loaded), found_gates)
    cost_rows = costs.costs(inputs, loaded)
    metrics = cells.metrics(inputs, loaded)
    primary = metrics[inputs.metric]
    body = {
        "study": inputs.study,
        "partial": inputs.partial,
        "task": "regression" if any(run.targets for run in loaded.runs.values()) else "classification",
        "primary_metric": {"name": inputs.metric, "unit": primary.unit, "direction": primary.direction},
        "alpha": list(inputs.alpha),
        "correction": inputs.correction,
        "rows": rows,
        "references": references(inputs, loaded, metrics),
        "gates": found_gates,
        "recommendation": recommendations(inputs, loaded, found_gates),
        "frontiers": frontiers(inputs, loaded),
        "across": across(inputs, loaded),
        "factorial": factorial(inputs, loaded),
        "cells": cells.cells(inputs, loaded),
        "costs": cost_rows,
        "test_sets": balance.test_sets(inputs, loaded),
        "data": audits.audits(inputs, results),
        "ledger": ledger(inputs, loaded),
        "hardware": caveats.hardware(loaded),
        "warnings": caveats.warnings(inputs, loaded, rows, cost_rows),
    }
    tables = {
        "coverage.csv": as_frame(cells.coverage(inputs, loaded)),
        "runs.csv": as_frame(cells.runs(inputs, loaded)),
        "comparison.csv": as_frame(rows),
        "costs.csv": as_frame(cost_rows),
        "curves.csv": curves(inputs, loaded),
    }
    matrices = confusion(inputs, loaded)
    found = diagnostics.diagnostics(inputs, loaded) | {"probes": probes.probes(inputs, loaded, results)}

    folder = results / layout.study_dir(inputs.study, inputs.partial).relative_to(layout.RESULTS)
    for name, frame in tables.items():
        with whole(folder / name) as part:
            frame.to_csv(part, index=False, lineterminator="\n")
    errors = folder / "errors.npz"
    found["pictures"] = diagnostics.save_pictures(errors, found["cells"], inputs, loaded, results / "data")
    looks = folder / "explanations.npz"
    probes.save_pictures(looks, found["probes"], inputs, results)
    write_record(folder / "diagnostics.json", "diagnostics", spec, code, found, [errors, looks])
    write_record(folder / "confusion.json", "confusion", spec, code, {"cells": matrices})
    write_record(folder / "comparison.json", "comparison", spec, code, body)
    return folder / "comparison.json"


def as_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A table of text and numbers as they stand in the records: whole numbers stay whole beside empty fields, and no
    text is a formula.
    """
    return pd.DataFrame([{name: _text(value) for name, value in row.items()} for row in rows], dtype=object)


def _text(value: object) -> object:
    match value:
        case dict():
            return as_text(" ".join(f"{key}={item}" for key, item in value.items()))
        case list():
            return as_text(("; " if any(isinstance(item, str) for item in value) else " ").join(map(str, value)))
        case str():
            return as_text(value)
    return value
