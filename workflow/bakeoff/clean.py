"""What in results/ no study asks for any more, and what is left over from work that was cut off."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.errors import Refused, UserError
from bakeoff.layout import RESULTS, epoch_weights
from bakeoff.provenance import read_record

if TYPE_CHECKING:
    from bakeoff.grid import Grid

_SPEC = r"-[0-9a-f]{12}"
# What is ours to remove, by its place below results/: nothing of another name is touched.
_PLACES = {
    "run": ("runs/*/*/*/*/seed*", re.compile(rf".*{_SPEC}/seed[0-9]+")),
    "search": ("tuning/*/*/*/*", re.compile(rf".*{_SPEC}")),
    "profile": ("profiles/*.json", re.compile(rf".*{_SPEC}\.json")),
    "data set": ("data/*", re.compile(rf".*{_SPEC}")),
}
_CHECKPOINT = "checkpoint.pt"
_LEFT_OVER = re.compile(r"\..+\.\d+\.part(\..+)?|\.(prepare|store|export)-.+")
_SECONDS = 3600.0
"""What is younger may be somebody's work."""


@dataclass(frozen=True)
class Waste:
    """A file or folder to remove: its kind, its bytes."""

    kind: str
    path: Path
    bytes: int

    @property
    def name(self) -> str:
        """Of a run or search the data set; of data and a profile the name before the digest."""
        place = self.path.relative_to(RESULTS).parts
        return place[1] if self.kind in ("run", "search", "epoch") else re.sub(rf"{_SPEC}(\.json)?$", "", place[1])


def unused(grids: Iterable[Grid], results: Path = RESULTS) -> list[Waste]:
    """Runs, searches, profiles and data sets that none of these studies asks for; of runs, the weights after each epoch
    that none asks for (`train.keep: all`).
    """
    grids = list(grids)
    wanted = {path for grid in grids for path in _asked(grid)}
    whole = {path for grid in grids if grid.study.train.keep == "all" for path in _asked(grid)}
    found = []
    for kind, (pattern, name) in _PLACES.items():
        for path in sorted(results.glob(pattern)):
            place = path.relative_to(results)
            if not name.fullmatch(place.as_posix()) or not _ours(path, results):
                continue
            if place not in wanted:
                found.append(Waste(kind, path, _size(path)))
            elif kind == "run" and place not in whole:
                epochs = (file for file in epoch_weights(path).values() if _ours(file, results))
                found += [Waste("epoch", file, _size(file)) for file in epochs]
    return found


def _asked(grid: Grid) -> Iterator[Path]:
    """The places below results/ of all that a study asks for."""
    for cell in grid.every_cell:
        for seed in cell.seeds:
            yield cell.run_dir(seed).relative_to(RESULTS)
    for cell in grid.cells:
        yield from (path.parent.relative_to(RESULTS) for path in grid.tuning_files(cell))
    for path in (*grid.profiles(), *grid.data_dirs()):
        yield path.relative_to(RESULTS)


def left_over(results: Path = RESULTS, now: float | None = None) -> list[Waste]:
    """Half files and folders of processes that were killed, and checkpoints of runs that have ended since."""
    now = time.time() if now is None else now
    found = []
    for path in sorted(results.rglob("*")):
        half = _LEFT_OVER.fullmatch(path.name) and now - path.lstat().st_mtime > _SECONDS
        kind = "half" if half else "checkpoint" if path.name == _CHECKPOINT and _ended(path.parent) else None
        if kind and _ours(path, results):
            found.append(Waste(kind, path, _size(path)))
    return found


def _ended(folder: Path) -> bool:
    """Whether the run, or search, of this folder has its record: then it takes up no checkpoint any more."""
    for name, kind in (("run.json", "run"), ("tuning.json", "tuning")):
        with suppress(Refused):
            read_record(folder / name, kind)
            return True
    return False


def _ours(path: Path, results: Path) -> bool:
    """Whether a path is really below results/: no link, nor behind one."""
    return path.exists() and path.resolve() == results.resolve() / path.relative_to(results)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def remove(waste: Iterable[Waste], results: Path = RESULTS) -> int:
    """Remove these, and folders that are empty then; returns the bytes. Raises UserError for what leads elsewhere."""
    freed = 0
    for each in waste:
        if not each.path.exists():  # it stood in a folder that is gone
            continue
        if not _ours(each.path, results):
            raise UserError(f"clean: {each.path}: leads out of {results}; nothing there is removed")
        try:
            shutil.rmtree(each.path) if each.path.is_dir() else each.path.unlink()
        except OSError as error:
            raise UserError(f"clean: {each.path}: cannot be removed ({error.strerror})") from None
        freed += each.bytes
        for parent in each.path.parents:
            if parent == results or any(parent.iterdir()):
                break
            parent.rmdir()
    return freed
