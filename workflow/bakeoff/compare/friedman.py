"""Several models over data sets: Friedman's test on ranks, and which models it cannot tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from bakeoff.compare.paired import FloatArray


@dataclass(frozen=True)
class Friedman:
    """`chi2` is corrected for ties, `chi2_uncorrected` what tables of the paper have; both on `df`.

    `f` is Iman and Davenport's on `df1`, `df2`: less conservative. It is None where all data sets rank alike: then it
    has no bound, and `p_f` is the chance of that.
    """

    chi2: float
    chi2_uncorrected: float
    df: int
    p: float
    f: float | None
    df1: int
    df2: int
    p_f: float


def ranks(scores: FloatArray, direction: str) -> FloatArray:
    """Ranks of each row of `scores` [N data sets, k models], 1 the best; equal scores share the mean of theirs."""
    found: FloatArray = stats.rankdata(-scores if direction == "max" else scores, axis=1)
    return found


def friedman(ranked: FloatArray) -> Friedman | None:
    """Friedman (1937) on `ranked` [N, k], N and k at least two; None where every row is one tie.

    Corrected for ties by Conover (1999), section 5.8, as scipy.stats.friedmanchisquare does.
    """
    n, k = ranked.shape
    spread = float(((ranked.mean(axis=0) - (k + 1) / 2) ** 2).sum())
    uncorrected = 12 * n / (k * (k + 1)) * spread
    counts = [np.unique(row, return_counts=True)[1] for row in ranked]
    tied = sum(float((count**3 - count).sum()) for count in counts)
    share = 1 - tied / (n * k * (k**2 - 1))
    if share <= 0:
        return None
    chi2 = uncorrected / share
    df1, df2 = k - 1, (k - 1) * (n - 1)
    f = iman_davenport(chi2, n, k)
    return Friedman(
        chi2=chi2,
        chi2_uncorrected=uncorrected,
        df=df1,
        p=float(stats.chi2.sf(chi2, df1)),
        f=f,
        df1=df1,
        df2=df2,
        p_f=float(stats.f.sf(f, df1, df2)) if f is not None else math.exp((1 - n) * math.lgamma(k + 1)),
    )


def iman_davenport(chi2: float, n: int, k: int) -> float | None:
    """F_F of a Friedman chi2 of `n` data sets and `k` models (Iman and Davenport 1980; Demsar 2006, section 3.2.2).

    None where the data sets agree on everything, so that nothing is left to divide by.
    """
    rest = n * (k - 1) - chi2
    return (n - 1) * chi2 / rest if rest > 1e-9 * n * (k - 1) else None


def nemenyi_cd(n: int, k: int, alpha: float) -> float:
    """The difference of mean ranks above which two of `k` models over `n` data sets differ (Nemenyi 1963).

    It counts all k models: adding one widens it, so what it says of two models depends on who else is there.
    """
    q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2)  # isf takes a hundred times as long
    return q * math.sqrt(k * (k + 1) / (6 * n))


def cliques(alike: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The longest runs (first, last) of neighbours of which all pairs are `alike` [k, k], in the order of mean ranks.

    Runs of one are none. A run within another is part of it.
    """
    k = len(alike)
    found: list[tuple[int, int]] = []
    for first in range(k):
        last = first
        while last + 1 < k and alike[first : last + 1, last + 1].all():
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def beside(alike: npt.NDArray[np.bool_], runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs that are `alike` and in none of the `runs`: a model between them differs from one of them."""
    pairs = zip(*(index.tolist() for index in np.nonzero(np.triu(alike, 1))), strict=True)
    return [(i, j) for i, j in pairs if not any(first <= i and j <= last for first, last in runs)]
