"""Which models are worth what they cost: dominance, the frontier and its attainment curves, over draws of all noise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from bakeoff.compare.paired import ROUNDING, FloatArray

LEVELS = (0.25, 0.5, 0.75)
"""Shares of draws whose attainment curves are kept."""
# Who dominates in fewer draws than this is not named.
_NAMED = 0.05
# Where a cost that varies may raise an attainment curve: these quantiles of its draws.
_STEPS = (0.05, 0.25, 0.5, 0.75, 0.95)

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Objective:
    """What is to be small: `values` [K, B] of K models in B draws, or [K, 1] of what has no error.

    Two values are equal when they differ by no more than the larger of `absolute` and the share `relative` of the
    larger of them. NaN: the model has none in that draw.
    """

    values: FloatArray
    relative: float = 0.0
    absolute: float = 0.0

    def less(self, k: int) -> BoolArray:
        """Where each model is better than model `k`: [K, B or 1]."""
        return _exceeds(self.values[k], self.values, self)

    def more(self, k: int) -> BoolArray:
        """Where each model is worse than model `k`: [K, B or 1]."""
        return _exceeds(self.values, self.values[k], self)


def _exceeds(larger: FloatArray, smaller: FloatArray, of: Objective) -> BoolArray:
    slack: FloatArray | float = of.absolute
    if of.relative:
        slack = np.maximum(slack, of.relative * np.maximum(np.abs(larger), np.abs(smaller)))
    exceeds: BoolArray = larger - smaller > slack
    return exceeds


@dataclass(frozen=True)
class Place:
    """The share of draws in which no model dominates this one, and in which each of the others does, most sure first.

    A model dominates where it is as good in every objective, and better in one. Both are over the draws in which the
    model has a score. Others that do in less than 5 % of the draws are not named.
    """

    p_frontier: float
    dominated_by: Mapping[str, float]


def places(names: Sequence[str], objectives: Sequence[Objective]) -> dict[str, Place]:
    """The place of each of `names` [K]. Equal models do not dominate each other and share the frontier.

    With two objectives some model is on the frontier in every draw. With three, tolerances can in contrived cases make
    three models dominate each other in a circle.
    """
    there = _all(np.isfinite(objective.values) for objective in objectives)
    found = {}
    for k, name in enumerate(names):
        worse = ~_all(~objective.more(k) for objective in objectives)
        better = ~_all(~objective.less(k) for objective in objectives)
        dominates = np.broadcast_to(there & better & ~worse, np.broadcast_shapes(there.shape, better.shape))
        dominates = dominates[:, np.broadcast_to(there[k], dominates.shape[1:])]
        if not dominates.shape[1]:
            continue
        shares = dominates.mean(axis=1)
        order = sorted((-share, other) for share, other in zip(shares.tolist(), names, strict=True) if share >= _NAMED)
        found[name] = Place(float((~dominates.any(axis=0)).mean()), {other: -share for share, other in order})
    return found


def _all(parts: Iterable[BoolArray]) -> BoolArray:
    """Where all of some arrays [K, B or 1] are true."""
    return reduce(np.logical_and, parts)


def attainment(costs: FloatArray, scores: FloatArray, share: float) -> list[tuple[float, float]]:
    """The steps (cost, score) of what at least `share` of the draws attain: [K, B or 1] each; much score is good.

    The empirical attainment function (Grunert da Fonseca, Fonseca & Hall 2001, doi:10.1007/3-540-44719-9_15): at each
    cost, the score that in so many of the draws some model has at no more cost. Exact at the costs returned.
    """
    draws = np.broadcast_shapes(costs.shape, scores.shape)
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    rank = draws[1] - math.ceil(share * draws[1] - 1e-9)
    steps: list[tuple[float, float]] = []
    grid = costs if costs.shape[1] == 1 else np.quantile(costs, _STEPS, axis=1, method="inverted_cdf")
    for cost in np.unique(grid[np.isfinite(grid)]).tolist():
        best = np.broadcast_to(np.where(costs <= cost, scores, -np.inf), draws).max(axis=0)
        attained = float(np.partition(best, rank)[rank])
        if math.isfinite(attained) and (not steps or attained - steps[-1][1] > ROUNDING * abs(attained)):
            steps.append((cost, attained))
    return steps
