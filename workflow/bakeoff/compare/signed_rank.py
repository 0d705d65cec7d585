"""Wilcoxon's signed-rank test of two models over data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from bakeoff.compare.paired import FloatArray

MAX_EXACT = 100
"""Up to here the null distribution is worked out, beyond it is taken as normal."""


@dataclass(frozen=True)
class SignedRank:
    """`plus` and `minus` are the rank sums of the differences above and below zero; p is two-sided."""

    n: int
    wins: int
    ties: int
    losses: int
    plus: float
    minus: float
    p: float

    @property
    def statistic(self) -> float:
        """T, the smaller of the two sums."""
        return min(self.plus, self.minus)


def p_floor(n: int) -> float:
    """The smallest two-sided p that `n` data sets can give."""
    return 2.0 ** (1 - n)


def signed_rank(differences: FloatArray) -> SignedRank:
    """Wilcoxon (1945) on `differences` [n], n >= 1, of which those that are zero count as ties.

    Zeros are ranked, and their ranks split between both sides (Demsar 2006, section 3.1.3; "zsplit" of scipy). p is
    that of all sign flips of these very ranks, so it is exact with ties and zeros too, of which there are no tables.
    """
    ranks = stats.rankdata(np.abs(differences))
    sign = np.sign(differences)
    plus = float(ranks[sign > 0].sum() + ranks[sign == 0].sum() / 2)
    minus = float(ranks.sum() - plus)
    if not sign.any():
        p = 1.0
    elif differences.size <= MAX_EXACT:
        p = _exact_p(tuple(np.sort(np.rint(2 * ranks[sign != 0]).astype(int)).tolist()), abs(plus - minus))
    else:
        p = float(stats.wilcoxon(differences, zero_method="zsplit", correction=False, method="asymptotic").pvalue)
    wins, ties, losses = (int((sign == way).sum()) for way in (1, 0, -1))
    return SignedRank(differences.size, wins, ties, losses, plus, minus, p)


def _exact_p(doubled: Sequence[int], apart: float) -> float:
    """The share of sign flips in which the two rank sums are as far apart; `doubled` ranks are whole numbers."""
    chance = _null(tuple(doubled))
    total = chance.size - 1
    as_far = np.abs(2 * np.arange(chance.size) - total) >= 2 * apart - 0.5  # of whole numbers, against rounding
    return float(min(1.0, chance[as_far].sum()))


@lru_cache(maxsize=64)
def _null(doubled: tuple[int, ...]) -> FloatArray:
    """The chance of each sum of a random choice of these numbers, all positive: [sum + 1]."""
    chance = np.zeros(sum(doubled) + 1)
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] = chance[rank:] + chance[:-rank]
        chance /= 2
    return chance
