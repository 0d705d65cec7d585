"""The order of names: the comparison has them sorted, not to depend on it; a reader expects that of the study file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff.report.load import AXES, Cell, Results, Row, load
from bakeoff.report.text import Names


def read(folder: Path, spec: Mapping[str, Any]) -> tuple[Results, Names]:
    """What stands in results/{study}/ in the order that `spec`, the settings of the report, has as "order", and what it
    calls things by "labels". Raises Refused when a file of the comparison is missing or was changed by hand.
    """
    return as_named(load(folder), spec.get("order") or {}), Names(spec.get("labels") or {})


def as_named(results: Results, order: Mapping[str, Sequence[str]]) -> Results:
    """The results with cells, and the rows of each comparison, in the order in which `order` has the names of each
    axis; names that it does not have come last, as they were.
    """
    places = {axis: {name: i for i, name in enumerate(names)} for axis, names in order.items()}
    comparisons = list(dict.fromkeys(row.comparison for row in results.rows))

    def place(axis: str, name: str) -> int:
        known = places.get(axis, {})
        return known.get(name, len(known))

    def of_cell(cell: Cell) -> list[int]:
        return [place(axis, getattr(cell, axis)) for axis in AXES]

    def of_row(row: Row) -> list[int]:
        held = [place(axis, row.context[axis]) for axis in AXES if axis in row.context]
        return [comparisons.index(row.comparison), place("dataset", row.dataset), *held]

    return replace(results, cells=sorted(results.cells, key=of_cell), rows=sorted(results.rows, key=of_row))
