"""What a study would still have to do, and why: from the records that are there, without starting Snakemake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bakeoff.cells import Cell
from bakeoff.errors import Refused
from bakeoff.grid import Grid
from bakeoff.layout import study_dir, verification_path
from bakeoff.provenance import read_record, sha256, spec_digest

_KEPT = ("code_digest", "spec_digest", "record_digest", "run_digest", "files", "external")
CHANGED_CODE = "code or package versions changed"


@dataclass(frozen=True)
class Item:
    """One result of the study: `reason` is None when it is there and up to date."""

    step: str
    name: str
    reason: str | None
    path: Path
    """Its record."""
    cell: Cell | None = None
    seed: int | None = None


def examine(grid: Grid) -> list[Item]:
    """All results of a study in the order of its steps, each with the reason why it has to be made (again)."""
    items = [*_prepared(grid), *_tuned(grid), *_trained(grid), *_profiled(grid)]
    waiting = {item.path for item in items if item.reason}
    for item in (*_probed(grid, waiting), *_combined(grid, waiting), *_external(grid, waiting)):
        items.append(item)
        waiting |= {item.path} if item.reason else set()
    items += [*_verified(grid, waiting), *_evaluated(grid, waiting)]
    items.append(_compared(grid, any(item.reason for item in items)))
    items.append(_sampled(grid, waiting))
    return [*items, _reported(grid, *items[-2:])]


def _prepared(grid: Grid) -> Iterator[Item]:
    for dataset in {cell.dataset: None for cell in grid.cells}:
        path = grid.data_dir(dataset) / "manifest.json"
        reason = _record(path, "data", grid.data_code(dataset))[1]
        yield Item("prepare", dataset, reason, path)
        path, wanted = grid.audit_path(dataset), spec_digest(grid.audit_spec(dataset))
        audit = _record(path, "audit", grid.audit_code, wanted)[1]
        yield Item("audit", dataset, "its images are to do" if reason else audit, path)


def _tuned(grid: Grid) -> Iterator[Item]:
    for cell in grid.cells:
        for path in grid.tuning_files(cell):
            yield Item("tune", _place(cell), _record(path, "tuning", grid.train_code(cell))[1], path, cell)


def _trained(grid: Grid) -> Iterator[Item]:
    for cell in grid.cells:
        for seed in cell.seeds:
            folder, code = cell.run_dir(seed), grid.train_code(cell)
            unkept = ("model.safetensors",) if grid.study.train.keep == "none" else ()
            _, reason = _record(folder / "run.json", "run", code, unkept=unkept)
            if reason == "new":
                reason = _changed_settings(grid.train_spec(cell), folder) or reason
            yield Item("train", _name(cell, seed), reason, folder / "run.json", cell, seed)


def _profiled(grid: Grid) -> Iterator[Item]:
    seen = set()
    for cell in grid.every_cell:
        for path in grid.profile_paths(cell.model, cell.dataset):
            if path not in seen:
                seen.add(path)
                _, reason = _record(path, "profile", grid.profile_code(cell.model))
                yield Item("profile", path.stem, reason, path, cell)


def _probed(grid: Grid, waiting: set[Path]) -> Iterator[Item]:
    for cell, seed, path, code in grid.probe_jobs():
        reason = _of_run(path, "probe", code, cell.run_dir(seed) / "run.json", waiting)
        yield Item("probe", _name(cell, seed), reason, path, cell, seed)


def _verified(grid: Grid, waiting: set[Path]) -> Iterator[Item]:
    if not grid.study.evaluate.verification:
        return
    for cell, seed, probe, _ in grid.probe_jobs():
        path = verification_path(probe)
        _, reason = _record(path, "verification", grid.verification_code)
        yield Item(
            "verification", _name(cell, seed), "its probe is to do" if probe in waiting else reason, path, cell, seed
        )


def _combined(grid: Grid, waiting: set[Path]) -> Iterator[Item]:
    for made in grid.combined:
        for seed in made.seeds:
            path = made.run_dir(seed) / "run.json"
            _, reason = _record(path, "run", grid.combine_code(made))
            if waiting.intersection(grid.member_files(made, seed)):
                reason = "its runs are to do"
            yield Item("combine", _name(made, seed), reason, path, made, seed)


def _external(grid: Grid, waiting: set[Path]) -> Iterator[Item]:
    for cell in grid.external:
        manifest = grid.data_dir(cell.dataset) / "manifest.json"
        for seed in cell.seeds:
            path = cell.run_dir(seed) / "run.json"
            record, reason = _record(path, "run", grid.run_code(cell))
            if manifest in waiting:
                reason = "its images are to do"
            elif record is not None and reason is None:
                reason = _other_file(record["external"], Path(cell.files[seed]))
            yield Item("external", _name(cell, seed), reason, path, cell, seed)


def _other_file(was: Mapping[str, str], file: Path) -> str | None:
    """Why a run is no longer that of its file."""
    if was["file"] != file.as_posix():
        return f"is of {was['file']}, not of {file}"
    return None if file.is_file() and _sha256(file, file.stat().st_mtime_ns) == was["sha256"] else f"{file} changed"


@lru_cache(maxsize=1000)
def _sha256(file: Path, modified: int) -> str:
    return sha256(file)


def _evaluated(grid: Grid, waiting: set[Path]) -> Iterator[Item]:
    spec = spec_digest(grid.evaluate_spec)
    for cell in grid.every_cell:
        for seed in cell.seeds:
            folder = cell.run_dir(seed)
            path = folder / "metrics.json"
            reason = _of_run(path, "metrics", grid.evaluate_code, folder / "run.json", waiting, spec)
            yield Item("evaluate", _name(cell, seed), reason, path, cell, seed)


def _compared(grid: Grid, waits: bool) -> Item:
    path = study_dir(grid.study.study) / "comparison.json"
    _, reason = _record(path, "comparison", grid.compare_code, spec_digest(grid.compare_spec()))
    return Item("compare", grid.study.study, "what it compares is to do" if waits else reason, path)


def _sampled(grid: Grid, waiting: set[Path]) -> Item:
    path = study_dir(grid.study.study) / "samples.json"
    _, reason = _record(path, "samples", grid.samples_code, spec_digest(grid.samples_spec))
    manifests = {folder / "manifest.json" for folder in grid.data_dirs()}
    return Item("samples", grid.study.study, "its images are to do" if waiting & manifests else reason, path)


def _reported(grid: Grid, comparison: Item, samples: Item) -> Item:
    """The page carries no record; it is as good as it is younger than the comparison. Labels are Snakemake's to see."""
    page = study_dir(grid.study.study) / "report.html"
    reason = "its comparison is to do" if comparison.reason else None
    if reason is None and samples.reason:
        reason = "its samples are to do"
    elif reason is None and not page.is_file():
        reason = "new"
    elif reason is None and page.stat().st_mtime_ns < comparison.path.stat().st_mtime_ns:
        reason = "its comparison was made again"
    return Item("report", grid.study.study, reason, page)


def _of_run(path: Path, kind: str, code: str, run: Path, waiting: set[Path], spec: str | None = None) -> str | None:
    """Why a record made from one run is to do: its own faults, or its run's."""
    record, reason = _record(path, kind, code, spec)
    if run in waiting:
        return "its run is to do"
    if record is not None and reason is None and record["run_digest"] != (_look(run, "run")[0] or {})["record_digest"]:
        return "its run was made again"
    return reason


def _place(cell: Cell) -> str:
    return f"{cell.dataset}/{cell.model}/{cell.augmentation}/{cell.recipe}"


def _name(cell: Cell, seed: int) -> str:
    return f"{_place(cell)} seed {seed}"


def _record(
    path: Path, kind: str, code: str, spec: str | None = None, unkept: tuple[str, ...] = ()
) -> tuple[dict[str, Any] | None, str | None]:
    record, problem = _look(path, kind)
    if record is None:
        return None, problem
    if record["code_digest"] != code:
        return record, CHANGED_CODE
    if spec is not None and record["spec_digest"] != spec:
        return record, "settings changed"
    lost = [name for name in record["files"] if name not in unkept and not (path.parent / name).is_file()]
    return record, f"{', '.join(lost)} is missing" if lost else None


def _look(path: Path, kind: str) -> tuple[dict[str, Any] | None, str]:
    """A record, or None and what is wrong with it."""
    try:
        stat = path.stat()
    except OSError:
        return None, "new"
    return _read(path, kind, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=100_000)
def _read(path: Path, kind: str, modified: int, size: int) -> tuple[dict[str, Any] | None, str]:
    """The same, once for each state of the file: `bakeoff watch` looks again and again. Keeps what plans ask of it."""
    try:
        record = read_record(path, kind)
    except Refused as error:
        return None, str(error).partition(": ")[2]
    return {key: record[key] for key in _KEPT if key in record}, ""


def _changed_settings(spec: Mapping[str, Any], folder: Path) -> str | None:
    """How the settings of the most similar earlier run of this cell and seed differ; None when there is no such run."""
    recipe = folder.parent.name.rpartition("-")[0]
    nearest: list[str] | None = None
    for path in folder.parent.parent.glob(f"{recipe}-{'[0-9a-f]' * 12}/{folder.name}/run.json"):
        try:
            old = read_record(path, "run")["spec"]
        except Refused:
            continue
        changes = list(_differences(old, spec))
        if nearest is None or len(changes) < len(nearest):
            nearest = changes
    return f"settings changed: {', '.join(nearest[:4])}" if nearest else None


def _differences(old: object, new: object, path: str = "") -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif old != new:
        yield f"{path} {old} -> {new}"
