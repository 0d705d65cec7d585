"""How large a difference is, in the terms that people ask for. None of these is a test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from bakeoff.compare.paired import LEVEL, RESOLUTION, FloatArray, Interval, resolution

# Of a metric in these units the best value, so that its distance from there is an error.
_BEST = {"fraction": 1.0, "per cent": 100.0}


@dataclass(frozen=True)
class Effects:
    """Sizes of one difference; null where there are too few seeds, or nothing varies.

    `rel_err_reduction` is the share of the baseline's error, or loss, that the candidate takes away. `d_av` is the
    difference in mean standard deviations of the two sides (Cumming 2012) times Hedges' correction, as Lakens (2013)
    has it. `wins`, `ties` and `losses` count seeds. `p_outperform` is the chance that the candidate scores better at a
    seed of both, ties half, with its exact binomial interval; Bouthillier et al. (2021, arXiv:2103.03098) call a
    difference meaningful when it is above 0.75 (their gamma) and its interval above 0.5. `seed_correlation` is
    Pearson's r of the two sides over seeds.
    """

    rel_err_reduction: float | None = None
    d_av: float | None = None
    wins: int | None = None
    ties: int | None = None
    losses: int | None = None
    p_outperform: float | None = None
    outperform_ci: Interval | None = None
    seed_correlation: float | None = None


def effects(candidate: FloatArray, baseline: FloatArray, direction: str, unit: str, shared: bool) -> Effects:
    """Sizes of the difference between scores of two models, each [n] over the same seeds where they are `shared`."""
    if not candidate.size or not baseline.size:
        return Effects()
    smallest = resolution(candidate, baseline)
    reduction = _reduction(float(candidate.mean()), float(baseline.mean()), direction, unit, smallest)
    d_av = _d_av(candidate, baseline, smallest)
    if not shared:
        return Effects(reduction, d_av)
    gained = (candidate - baseline) * (1 if direction == "max" else -1)
    wins, losses = int((gained > smallest).sum()), int((gained < -smallest).sum())
    ties = gained.size - wins - losses
    better = wins + ties / 2
    outperform_ci = _binomial_interval(better, gained.size)
    return Effects(
        rel_err_reduction=reduction,
        d_av=d_av,
        wins=wins,
        ties=ties,
        losses=losses,
        p_outperform=better / gained.size,
        outperform_ci=outperform_ci,
        seed_correlation=_correlation(candidate, baseline, smallest),
    )


@cache
def _binomial_interval(count: float, of: int) -> Interval:
    lo, hi = proportion_confint(count, of, 1 - LEVEL, "beta")
    return float(lo), float(hi)


def at_ceiling(scores: FloatArray, direction: str, unit: str) -> bool:
    """Whether all of the scores [n] are the best value that their metric has."""
    best = _BEST.get(unit) if direction == "max" else 0.0
    return best is not None and bool(np.abs(scores - best).max() <= RESOLUTION * max(best, 1.0))


def _reduction(mine: float, base: float, direction: str, unit: str, smallest: float) -> float | None:
    """Of what is neither an error nor has one, such as a correlation, there is none."""
    if direction == "max" and unit not in _BEST:
        return None
    error = _BEST[unit] - base if direction == "max" else base
    reduced = mine - base if direction == "max" else base - mine
    return reduced / error if error > smallest else None


def _d_av(candidate: FloatArray, baseline: FloatArray, smallest: float) -> float | None:
    if min(candidate.size, baseline.size) < 2:
        return None
    std = (float(candidate.std(ddof=1)) + float(baseline.std(ddof=1))) / 2
    if std <= smallest:
        return None
    hedges = 1 - 3 / (4 * (candidate.size + baseline.size) - 9)
    return hedges * float(candidate.mean() - baseline.mean()) / std


def _correlation(candidate: FloatArray, baseline: FloatArray, smallest: float) -> float | None:
    """None below three seeds, of which any two are in line."""
    if candidate.size < 3 or min(np.ptp(candidate), np.ptp(baseline)) <= smallest:
        return None
    r = float(np.corrcoef(candidate, baseline)[0, 1])
    return max(-1.0, min(1.0, r)) if math.isfinite(r) else None
