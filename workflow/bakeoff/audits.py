"""The audit of data sets for a terminal: of those of a study, or of one by its name, prepared already or not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bakeoff import study
from bakeoff.data import registry
from bakeoff.grid import Grid
from bakeoff.models.registry import default_name
from bakeoff.provenance import Json, read_record
from bakeoff.studyfile import Document

DEFAULT_SIZE = 64
"""Side to which images that have no size of their own are brought, when none is said."""
_STUDY_FILES = (".yaml", ".yml", ".json")
_NAMES = {"train": "training", "val": "validation", "test": "test"}

Watch = Callable[[str, int, int], None]


def grid_of(target: str, data_root: Path, image_size: int | None) -> Grid:
    """The data sets that are meant by a study file or by a source such as `digits` or `folder:photos`.

    Raises UserError when it is neither.
    """
    if Path(target).suffix.lower() in _STUDY_FILES:
        return Grid(study.load(Path(target)))
    source, _, place = target.partition(":")
    options = registry.complete(source, {registry.PLACE: place} if place else {})
    size = image_size or registry.info(source, options, data_root).size or DEFAULT_SIZE
    entry = {"source": target, "image_size": size} | ({} if place else {"name": default_name(source)})
    data = {"study": "audit", "data_root": str(data_root), "datasets": [entry], "models": ["lenet5"]}
    return Grid(study.check(Document(target, data, {})))


def manifests(grid: Grid, watch: Watch) -> Iterator[tuple[str, Json]]:
    """Name and manifest of each data set, with its audit as `audit`: of what is prepared already, or of arrays that are
    made for this and deleted. Near duplicates are looked for, whatever the study says.
    """
    for dataset in dict.fromkeys(cell.dataset for cell in grid.cells):
        record = grid.audited(dataset)
        manifest = grid.prepared(dataset)
        if manifest is None:
            yield dataset, _prepared_for_this(grid, dataset, watch)
        elif record is None or not record["spec"]["near"]:
            yield dataset, _with_audit(grid.data_dir(dataset), watch)
        else:
            yield dataset, {**manifest, "audit": record["audit"]}


def _prepared_for_this(grid: Grid, dataset: str, watch: Watch) -> Json:
    from bakeoff.data import step

    watch("preparing the images", 0, 1)
    with tempfile.TemporaryDirectory(prefix="bakeoff-audit-") as folder:
        step.run(
            grid.data_spec(dataset),
            Path(folder),
            grid.data_code(dataset),
            Path(grid.study.data_root),
            grid.data_place(dataset),
            min(grid.data_threads(dataset), os.cpu_count() or 1),
        )
        return _with_audit(Path(folder), watch)


def _with_audit(folder: Path, watch: Watch) -> Json:
    from bakeoff.audit.step import of_folder

    return {**read_record(folder / "manifest.json", "data"), "audit": of_folder(folder, near=True, watch=watch)}


def describe(manifest: Json) -> str:
    """What an audit found, as lines for a terminal."""
    return "\n".join(_lines(manifest, manifest["audit"]))


def _lines(manifest: Json, audit: Json) -> Iterator[str]:
    shape = f"{manifest['channels']}x{manifest['size']}x{manifest['size']}"
    names = [each["name"] for each in manifest.get("targets", [])]
    what = ", ".join(names) or f"{len(manifest['class_names'])} classes"
    yield f"{manifest['title']}: {what}, images prepared as {shape}"
    for part, name in _NAMES.items():
        counts, ratio = audit["class_counts"][part], audit["imbalance"][part]
        yield (
            f"  {name:<12}{sum(counts):>9,} images{'' if names else f', {_range(counts)} a class'}"
            f"{'' if ratio is None else f', largest to smallest {ratio:.2f}'}"
        )
    near = audit["near"]["found"]
    yield f"  {'copies of images':<28}{'byte for byte':>14}{'nearly':>10}   (pairs)"
    for relation, exact in audit["exact"].items():
        if "+" not in relation:
            close = "-" if near is None else f"{near[relation]['pairs']:,}"
            yield f"    {_relation(relation):<26}{exact['pairs']:>14,}{close:>10}"
    yield from (f"  warning: {text}" for text in audit["warnings"])
    yield from (f"  note: {text}" for text in audit["notes"])
    if not audit["warnings"]:
        yield "  audit: strict would let it pass"
    elif audit["refused"]:
        yield "  audit: strict would refuse it"


def _range(counts: list[Any]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _relation(relation: str) -> str:
    one, _, other = relation.partition("/")
    return f"{_NAMES[one]} and {_NAMES[other]}" if other else f"within {_NAMES[one]}"
