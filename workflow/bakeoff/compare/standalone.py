"""The comparison of scores made elsewhere: the files that one of a study has, as far as scores alone can tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bakeoff.compare import caveats, cells, table
from bakeoff.compare.datasets import across
from bakeoff.compare.factorial import factorial
from bakeoff.compare.gates import marked
from bakeoff.compare.outside import Assembled
from bakeoff.compare.step import as_frame
from bakeoff.provenance import Json, whole, write_record


def compared(made: Assembled, name: str) -> Json:
    """The body of comparison.json. What only a study knows (costs, machines, data) is empty in it."""
    questions, loaded = made.questions, made.loaded
    rows = marked(table.rows(questions, loaded), [])
    return {
        "study": name,
        "partial": False,
        "primary_metric": {"name": questions.metric, "unit": made.scale.unit, "direction": made.scale.direction},
        "alpha": list(questions.alpha),
        "correction": questions.correction,
        "rows": rows,
        "gates": [],
        "recommendation": [],
        "frontiers": [],
        "across": across(questions, loaded),
        "factorial": factorial(questions, loaded),
        "references": [],
        "cells": cells.cells(questions, loaded),
        "costs": [],
        "test_sets": [],
        "data": [],
        "ledger": {"cells": [], "questions": []},
        "hardware": {},
        "warnings": [*caveats.of_scores(questions, loaded, rows), *made.warnings],
    }


def write(body: Json, folder: Path, spec: Json, code: str) -> Sequence[Path]:
    """Write comparison.csv and, last, comparison.json into `folder`; returns both."""
    listed, record = folder / "comparison.csv", folder / "comparison.json"
    with whole(listed) as part:
        as_frame(body["rows"]).to_csv(part, index=False, lineterminator="\n")
    write_record(record, "comparison", spec, code, body)
    return listed, record
