"""What the audit of each data set found, as its record says, so that a report needs its study's folder alone."""

from __future__ import annotations

from pathlib import Path

from bakeoff.compare.spec import Cell, CompareInput
from bakeoff.errors import Refused
from bakeoff.provenance import Json, read_record

_FACTS = ("title", "origin", "channels", "size", "class_names", "targets", "counts")


def audits(inputs: CompareInput, results: Path) -> list[Json]:
    """One entry a data set, in order: facts of its manifest and its audit; or the `reason` why they are not there.

    Results may be compared where the images are not, so that a missing manifest is no error.
    """
    cells = {cell.dataset: cell for cell in inputs.cells}
    return [{"dataset": dataset, **_read(results, cell)} for dataset, cell in cells.items()]


def _read(results: Path, cell: Cell) -> Json:
    nothing = dict.fromkeys([*_FACTS, "audit"])
    if cell.data is None:
        return {**nothing, "reason": "the study does not say where its images stand"}
    folder = results / "data" / cell.data
    try:
        manifest = read_record(folder / "manifest.json", "data")
        record = read_record(folder / "audit.json", "audit", code=cell.audit_code)
        if record["data_digest"] != manifest["record_digest"]:
            raise Refused(f"{folder / 'audit.json'}: is of other images than those that are prepared now")
    except Refused as error:
        return {**nothing, "reason": str(error)}
    return {**{name: manifest.get(name) for name in _FACTS}, "audit": record["audit"], "reason": None}
