"""Which run of which system a file holds, and all runs with the same rows in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np
import pandas as pd

from bakeoff.compare.csvfile import shown
from bakeoff.compare.scores import one_name, whole_number
from bakeoff.errors import UserError
from bakeoff.score.columns import Columns, read
from bakeoff.score.task import Task

ID, SYSTEM, SEED = "example_id", ("system", "model"), "seed"
FACTS = (*SYSTEM, SEED, "made_by")
_SEEDED = re.compile(r"(?P<system>.*?)[-_. ]*seed[-_ ]?(?P<seed>\d{1,9})", re.IGNORECASE)
_OWN = re.compile(r"(?:.*/)?runs/[^/]+/(?P<system>[^/]+/[^/]+/[^/]+)-[0-9a-f]{12}/seed(?P<seed>\d+)/predictions\.npz")
_OF_A_RUN = "predictions"
"""What a study's own file of a run is called; the folders above it are named by seed and system."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run of one system."""

    system: str
    seed: int
    columns: Columns

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{shown(self.system)} at seed {self.seed}"


def runs(files: Sequence[tuple[str, bytes]], task: Task) -> list[Run]:
    """The runs in the bytes of files, each with its path, in their order; with the same rows, if the task wants that.

    System and seed are those of the columns `system` (or `model`) and `seed`, of single values of these names in an
    npz, or of the file's name, as in resnet18_seed3.csv (without a seed: 0). Raises UserError, naming file and row, for
    files that are none, a run that is there twice, and runs that are not of the same rows.
    """
    found = [run for path, data in files for run in _of_file(path, data, task)]
    first: dict[tuple[str, int], Run] = {}
    for run in found:
        other = first.setdefault((run.system, run.seed), run)
        if other is not run:
            raise UserError(
                f"{run.columns.source}: is {run.label}, as {other.columns.source} is; "
                "name runs by file (SYSTEM_seed1.csv) or by columns system and seed"
            )
    return _aligned(found, task) if task.aligned else found


def _of_file(path: str, data: bytes, task: Task) -> Iterator[Run]:
    columns = read(data, path, (ID, *SYSTEM, SEED, *task.plain), task.wide, FACTS)
    system, seed = named(path)
    of_system = next((name for name in SYSTEM if name in columns or name in columns.facts), None)
    systems = _spread(columns, of_system, system)
    seeds = _spread(columns, SEED if SEED in columns or SEED in columns.facts else None, str(seed))
    codes, keys = pd.factorize(pd.MultiIndex.from_arrays([systems, seeds]))
    for code, (name, number) in enumerate(keys):
        index = np.flatnonzero(codes == code)
        where = f"{path}: row {columns.rows[index[0]]:,}"
        part = columns if len(index) == len(columns) else columns.take(index)
        yield Run(one_name(name, of_system or "system", where), whole_number(number, SEED, where), part)


def _spread(columns: Columns, name: str | None, otherwise: str) -> list[str]:
    """A value a row: of the column, of the file's single value, or that of its name."""
    if name is not None and name in columns:
        return [str(text) for text in columns.texts(name)]
    return [columns.facts[name] if name is not None else otherwise] * len(columns)


def named(path: str) -> tuple[str, int]:
    """System and seed of a path: a/resnet18_seed3.csv, a/resnet18/seed3.npz and resnet18/seed3/predictions.npz.

    Of a study's own run, below results/runs/, the system is model/augmentation/recipe.
    """
    pure = PurePath(path)
    if own := _OWN.fullmatch(pure.as_posix()):
        return own["system"], int(own["seed"])
    parts = [pure.name.removesuffix(pure.suffix), *(part.name for part in pure.parents)]
    if parts[0] == _OF_A_RUN and len(parts) > 1:
        parts = parts[1:]
    match = _SEEDED.fullmatch(parts[0])
    if match is None:
        return parts[0] or "system", 0
    return match["system"] or next(filter(None, parts[1:]), "system"), int(match["seed"])


# --- the same rows ------------------------------------------------------------------------------------------------


def _aligned(found: list[Run], task: Task) -> list[Run]:
    """All runs in the order of the ids, so that no draw depends on that of a file; without ids, as they are.

    Raises UserError unless they have the same rows and truth.
    """
    first = found[0]
    with_ids = [run for run in found if ID in run.columns]
    if with_ids and len(with_ids) < len(found):
        without = next(run for run in found if ID not in run.columns)
        raise UserError(
            f"{without.columns.source}: has no column {ID}, which {with_ids[0].columns.source} has: "
            "rows without ids can only be matched by their order"
        )
    known = _index(first).sort_values() if with_ids else None
    ordered = [_like(run, first, known) for run in found]
    for run in ordered[1:]:
        _same_truth(run, ordered[0], task)
    return ordered


def _like(run: Run, first: Run, known: pd.Index | None) -> Run:
    if len(run.columns) != len(first.columns):
        raise UserError(
            f"{run.columns.source}: {run.label} has {len(run.columns):,} rows, and {first.label} has "
            f"{len(first.columns):,}: runs on two test sets do not compare"
        )
    if known is None:
        return run
    mine = _index(run)
    if mine.equals(known):
        return run
    order = mine.get_indexer(known)
    if (order < 0).any():
        lost = shown(str(known[int(np.argmax(order < 0))]))
        raise UserError(
            f"{run.columns.source}: {ID}: {run.label} lacks {lost!r}, which {first.columns.source} has: "
            "runs on two test sets do not compare"
        )
    return replace(run, columns=run.columns.take(order))


def _index(run: Run) -> pd.Index:
    ids: pd.Index = pd.Index(run.columns.texts(ID))
    run.columns.refuse(ids.duplicated(), ID, f"{{}} is there already, of {run.label}")
    return ids


def _same_truth(run: Run, first: Run, task: Task) -> None:
    """What is true of a row is so in every file."""
    for name in task.truth:
        if name not in run.columns and name not in first.columns:
            continue
        for each in (run.columns, first.columns):
            each.need(name)
        other = first.columns.arrays[name]
        mine = run.columns.arrays[name]
        same = mine == other if mine.dtype.kind in "biu" and other.dtype.kind in "biu" else _equal(run, first, name)
        run.columns.refuse(~np.asarray(same), name, f"{{}} is not what {first.columns.source} says of this row")


def _equal(run: Run, first: Run, name: str) -> object:
    """By value where both are numbers, as 0.10 and 0.1 are, else by text."""
    if run.columns.arrays[name].ndim > 1:
        return _equal_rows(run, first, name)
    mine, other = (each.columns.texts(name) for each in (run, first))
    numbers = [pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(np.float64) for texts in (mine, other)]
    return (mine == other) | (np.abs(numbers[0] - numbers[1]) <= 1e-6 * np.abs(numbers[1]))


def _equal_rows(run: Run, first: Run, name: str) -> object:
    mine, other = (each.columns.matrix(name) for each in (run, first))
    if mine.shape != other.shape:
        raise UserError(
            f"{run.columns.source}: {name}: has {mine.shape[1]} numbers a row, and {first.columns.source} has "
            f"{other.shape[1]}"
        )
    return (np.abs(mine - other) <= 1e-6 * np.abs(other)).all(axis=1)
