"""What a study would still have to do, and why: from the records that are there, without starting Snakemake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.cells import Cell
from bakeoff.errors import Refused
from bakeoff.grid import Grid
from bakeoff.provenance import read_record


@dataclass(frozen=True)
class Item:
    """One result of the study: `reason` is None when it is there and up to date."""

    step: str
    name: str
    reason: str | None
    train_seconds: float | None = None


def examine(grid: Grid) -> list[Item]:
    """The runs and profiles of a study, each with the reason why it has to be made (again)."""
    runs = [_run(grid, cell, seed) for cell in grid.cells for seed in cell.seeds]
    seen: dict[Path, Item] = {}
    for cell in grid.cells:
        for path in grid.profile_paths(cell.model, cell.dataset):
            if path not in seen:
                _, reason = _record(path, "profile", grid.profile_code(cell.model))
                seen[path] = Item("profile", path.stem, reason)
    return runs + list(seen.values())


def _run(grid: Grid, cell: Cell, seed: int) -> Item:
    folder = cell.run_dir(seed)
    name = f"{cell.dataset}/{cell.model}/{cell.augmentation}/{cell.recipe} seed {seed}"
    record, reason = _record(folder / "run.json", "run", grid.train_code(cell))
    if reason == "new":
        reason = _changed_settings(grid.train_spec(cell), folder) or reason
    return Item("train", name, reason, (record or {}).get("train_seconds"))


def _record(path: Path, kind: str, code: str) -> tuple[dict[str, Any] | None, str | None]:
    if not path.exists():
        return None, "new"
    try:
        record = read_record(path, kind)
    except Refused as error:
        return None, str(error).partition(": ")[2]
    if record["code_digest"] != code:
        return record, "code or package versions changed"
    lost = [name for name in record["files"] if not (path.parent / name).is_file()]
    return record, f"{', '.join(lost)} is missing" if lost else None


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


def describe(grid: Grid, items: list[Item]) -> str:
    """The plan as text for a terminal."""
    lines = [
        f"Study {grid.study.study}: {grid.n_runs} runs in {len(grid.cells)} cells, {len(grid.profiles())} profiles"
    ]
    for step, what in (("train", "runs"), ("profile", "profiles")):
        of_step = [item for item in items if item.step == step]
        todo = [item for item in of_step if item.reason]
        lines.append(f"{what}: {len(of_step) - len(todo)} cached, {len(todo)} to do")
        lines += [f"  {count:4} because {reason}" for reason, count in Counter(i.reason for i in todo).most_common()]
        lines += [f"    {item.name}: {item.reason}" for item in todo[:20]]
        if len(todo) > 20:
            lines.append(f"    ... and {len(todo) - 20} more")
    return "\n".join(lines)
