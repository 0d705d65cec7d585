"""What the data are, and what their audit found, as the comparison holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bakeoff.report import outputs
from bakeoff.report.load import Results
from bakeoff.report.tabular import Column, Table, build
from bakeoff.report.text import NONE, Names

_PARTS = ("train", "val", "test")
_RELATIONS = {
    "train": "within training",
    "val": "within validation",
    "test": "within test",
    "train/val": "training and validation",
    "train+val/test": "test and what training sees",
}


@dataclass(frozen=True)
class Section:
    """One data set: a sentence, what is wrong, what is worth knowing, and a table of copies."""

    title: str
    summary: str
    warnings: list[str]
    notes: list[str]
    copies: Table | None


def sections(results: Results, names: Names) -> list[Section]:
    """One a data set."""
    return [_section(entry, names) for entry in results.data]


def _section(entry: Mapping[str, Any], names: Names) -> Section:
    title = names(entry["dataset"])
    if entry["reason"]:
        return Section(title, f"No audit: {entry['reason']}.", [], [], None)
    audit = entry["audit"]
    summary = f"{entry['title']}: {' '.join(_facts(entry))}"
    return Section(title, summary, audit["warnings"], audit["notes"], _copies(entry["dataset"], audit))


def _facts(entry: Mapping[str, Any]) -> Iterator[str]:
    counts, audit = entry["counts"], entry["audit"]
    sizes = ", ".join(f"{counts[part]:,} {part}" for part in _PARTS)
    shape = f"{entry['channels']}x{entry['size']}x{entry['size']}"
    if targets := entry.get("targets"):
        yield f"Targets: {', '.join(map(outputs.named, targets))}; images of {shape}; {sizes}."
    else:
        yield f"{len(entry['class_names'])} classes, images of {shape}; {sizes}."
    ratio = audit["imbalance"]["train"]
    if ratio is not None:
        yield f"Largest class over smallest in training: {ratio:.3g}."


def _copies(dataset: str, audit: Mapping[str, Any]) -> Table:
    near = audit["near"]["found"]
    columns: list[Column[str]] = [
        Column("Where", lambda relation: _RELATIONS[relation], left=True),
        Column("Copies byte for byte", lambda relation: f"{audit['exact'][relation]['pairs']:,} pairs"),
        Column("Nearly the same", lambda relation: f"{near[relation]['pairs']:,} pairs" if near else NONE),
    ]
    notes = () if near else (f"Nearly the same images were not looked for: {audit['near']['reason']}.",)
    return build(f"copies-{dataset}", "Copies", columns, [("", list(_RELATIONS))], notes)
