"""The primary metric against each cost, as comparison.json has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bakeoff.report.diagnosed import take


@dataclass(frozen=True)
class FrontierPoint:
    """One candidate: score and cost with 95 % intervals, the probability to be on the frontier, who dominates it."""

    candidate: str
    score: float
    score_lo: float | None
    score_hi: float | None
    cost: float
    cost_lo: float | None
    cost_hi: float | None
    p_frontier: float | None
    dominated_by: Mapping[str, float]


@dataclass(frozen=True)
class Frontier:
    """The primary metric against one cost, for one comparison, data set and context.

    `attainment` has, for shares of the draws ("0.25", "0.5", "0.75"), the steps (cost, score) of what so many attain.
    """

    comparison: str
    factor: str
    dataset: str
    context: Mapping[str, str]
    cost: str
    points: list[FrontierPoint]
    attainment: Mapping[str, list[tuple[float, float]]]


def read(raw: Iterable[Mapping[str, Any]]) -> list[Frontier]:
    """The frontiers of comparison.json. Raises KeyError when one lacks a key."""
    return [
        take(Frontier, {**entry, "points": [take(FrontierPoint, point) for point in entry["points"]]}) for entry in raw
    ]
