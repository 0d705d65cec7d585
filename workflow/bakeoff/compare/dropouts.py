"""Runs that failed: how much of a side is left, which seeds fell and why, and what if they had ended badly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bakeoff.compare.load import Loaded
from bakeoff.compare.spec import Place

MANY = 0.2
"""Above this share of lost pairs, the runs that are left may be a selection."""
_FAILED = ("diverged", "ran out of memory", "failed")

Scores = Mapping[int, float]


def completion(cells: Sequence[Place], scores: Scores) -> float | None:
    """The share of the planned seeds at which all `cells` have a score; None without cells."""
    planned = _planned(cells)
    return len(scores.keys() & planned) / len(planned) if planned else None


def lost(cells: Sequence[Place], dropped: Sequence[int]) -> list[int]:
    """Of the `dropped` seeds those that every cell planned.

    Seeds that a side never planned, such as those of an ensemble over seeds, are not lost.
    """
    planned = _planned(cells)
    return [seed for seed in dropped if seed in planned]


def worst_case(
    cells: Sequence[Place],
    base_cells: Sequence[Place],
    mine: Scores,
    base: Scores,
    metric: str,
    direction: str,
    loaded: Loaded,
) -> tuple[Scores, Scores] | None:
    """The scores of both sides, failed runs taken for as bad as the worst run of their side that ended well.

    None when no run failed, and where a side has no score at all. Runs that do not exist yet are not counted as failed.
    """
    planned = _planned((*cells, *base_cells))
    filled, failed = [], 0
    for side, scores in ((cells, mine), (base_cells, base)):
        gone = [seed for seed in planned - scores.keys() if _any_failed(side, seed, metric, loaded)]
        if not scores:
            return None
        worst = min(scores.values()) if direction == "max" else max(scores.values())
        filled.append({**scores, **dict.fromkeys(gone, worst)})
        failed += len(gone)
    return (filled[0], filled[1]) if failed else None


def reasons(sides: Mapping[str, Sequence[Place]], metric: str, dropped: Sequence[int], loaded: Loaded) -> Iterator[str]:
    """Which seeds fell, and through whom: one sentence a side and reason."""
    for value, cells in sides.items():
        by_reason: dict[str, list[int]] = {}
        for seed in dropped:
            for reason in sorted({_lack(cell, seed, metric, loaded) for cell in cells} - {""}):
                by_reason.setdefault(reason, []).append(seed)
        for reason, seeds in sorted(by_reason.items()):
            yield f"{value} {reason} at seed {' '.join(map(str, seeds))}: dropped"


def _planned(cells: Sequence[Place]) -> set[int]:
    return set.intersection(*(set(cell.seeds) for cell in cells)) if cells else set()


def _any_failed(cells: Sequence[Place], seed: int, metric: str, loaded: Loaded) -> bool:
    lacks = {_lack(cell, seed, metric, loaded) for cell in cells}
    return bool(lacks & {*_FAILED, f"has no {metric}"}) and "is missing" not in lacks


def _lack(cell: Place, seed: int, metric: str, loaded: Loaded) -> str:
    """What a cell lacks at a seed: nothing ("") when its run is done and has the metric."""
    if seed not in cell.seeds:
        return "was not run"
    run = loaded.runs.get((cell.key, seed))
    if run is None:
        return "is missing"
    if run.outcome is None:
        return "ran out of memory" if run.status == "oom" else run.status
    return "" if metric in run.metrics and run.metrics[metric].value is not None else f"has no {metric}"
