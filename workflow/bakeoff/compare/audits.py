"""What the audit of each data set found, as its manifest says, so that a report needs its study's folder alone."""

from __future__ import annotations

from pathlib import Path

from bakeoff.compare.spec import CompareInput
from bakeoff.errors import Refused
from bakeoff.provenance import Json, read_record

_FACTS = ("title", "origin", "channels", "size", "class_names", "counts", "audit")


def audits(inputs: CompareInput, results: Path) -> list[Json]:
    """One entry a data set, in order: facts of its manifest and its audit; or the `reason` why they are not there.

    Results may be compared where the images are not, so that a missing manifest is no error.
    """
    folders = {cell.dataset: cell.data for cell in inputs.cells}
    return [{"dataset": dataset, **_read(results, folder)} for dataset, folder in folders.items()]


def _read(results: Path, folder: str | None) -> Json:
    nothing = dict.fromkeys(_FACTS)
    if folder is None:
        return {**nothing, "reason": "the study does not say where its images stand"}
    try:
        manifest = read_record(results / "data" / folder / "manifest.json", "data")
    except Refused as error:
        return {**nothing, "reason": str(error)}
    return {**{name: manifest.get(name) for name in _FACTS}, "reason": None}
