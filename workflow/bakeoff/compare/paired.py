"""Two models over seeds: tests, intervals and effect sizes, from arrays to small results.

Differences are candidate minus baseline, in the unit of the metric; whether more is better is the caller's business.
Degenerate input is decided here, not left to NaN: see `Status`. All intervals are 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

FloatArray = npt.NDArray[np.float64]
Interval = tuple[float, float]

LEVEL = 0.95
POWER = 0.8
# Fewer seeds than this earn no p: two seeds can agree by luck, and no exact test of two goes below 0.5.
MIN_SEEDS = 3
# Up to here all 2^n sign flips are enumerated, beyond they are drawn.
MAX_ENUMERATED = 15
# What a score is known to, relative to the largest: float32 rounding and the sums made of it stay below, one image of
# a million stays above. Relative, so that fractions and per cent are decided alike.
RESOLUTION = 1e-6
# What no score is: smaller numbers have squares that are 0.
TINY = 1e-100
# What sums of the same numbers in another order may differ by, relative.
ROUNDING = 1e-12

Status = Literal[
    "ok", "zero_variance", "identical", "identical_seeds", "unpaired", "two_seeds", "one_seed", "one_run", "no_pairs"
]
Method = Literal["paired_t", "nadeau_bengio", "sign_flip", "welch", "identical"]


@dataclass(frozen=True)
class Summary:
    """Number, mean and standard deviation (ddof 1) of scores; null where there are too few."""

    n: int
    mean: float | None
    std: float | None


@dataclass(frozen=True)
class Difference:
    """Candidate minus baseline, and what the tests say of it.

    `p_raw` is the t-test's, `p_exact` that of the sign flips, `p_nb` that of the corrected resampled t-test where
    splits are drawn anew, `p_used` the one that may give stars (null: no test may), `p_method` where it is from. `se`
    and `ci` are those of the t-test that counts. `p_floor` is the smallest p that an exact test could give with so few
    seeds: a star below it rests on normality alone.
    """

    status: Status
    seeds: tuple[int, ...] = ()
    diff: float | None = None
    std: float | None = None
    se: float | None = None
    ci: Interval | None = None
    t: float | None = None
    df: float | None = None
    p_raw: float | None = None
    p_exact: float | None = None
    p_nb: float | None = None
    p_used: float | None = None
    p_method: Method | None = None
    p_floor: float | None = None
    d_z: float | None = None

    def p_tost(self, margin: float) -> float | None:
        """Two one-sided t-tests against ±margin (Schuirmann 1987): the p of "the difference is smaller than that".

        Differences that do not vary have no t. Inside the margin, all n of them on one side of either bound, the
        exact one-sided sign-flip p stands in: 2^-n.
        """
        if self.diff is None:
            return None
        if self.status in ("identical", "zero_variance"):
            return 0.5 ** len(self.seeds) if abs(self.diff) < margin else 1.0
        if self.se is None or self.df is None:
            return None
        return t_beyond((margin - abs(self.diff)) / self.se, self.df)


def t_quantile(p: float, df: float) -> float:
    """What Student's t stays below with probability `p`: stats.t.ppf, without what takes it ten times as long."""
    return float(special.stdtrit(df, p))


def t_beyond(t: float, df: float) -> float:
    """The chance that Student's t is above `t`: stats.t.sf, likewise."""
    return float(special.stdtr(df, -t))


def resolution(*scores: FloatArray) -> float:
    """The difference below which two of these scores are the same number."""
    return max([TINY, *(RESOLUTION * float(np.abs(values).max()) for values in scores if values.size)])


def summary(values: FloatArray) -> Summary:
    """Number, mean and standard deviation of `values` [n]."""
    mean = float(values.mean()) if values.size else None
    return Summary(values.size, mean, float(values.std(ddof=1)) if values.size > 1 else None)


def t_interval(values: FloatArray) -> Interval | None:
    """95 % t interval of the mean of `values` [n]; None below two."""
    if values.size < 2:
        return None
    half = t_quantile((1 + LEVEL) / 2, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size)
    return float(values.mean() - half), float(values.mean() + half)


def bootstrap_interval(
    values: FloatArray, rng: np.random.Generator, n_resamples: int, minus: FloatArray | None = None
) -> Interval | None:
    """95 % percentile bootstrap interval (Efron 1979) of the mean of `values` [n], or of mean(values) - mean(minus).

    It covers too little at few seeds: 75 % at three, 84 % at five. None below two values.
    """
    if values.size < 2 or (minus is not None and minus.size < 2):
        return None
    means = _resampled_means(values, rng, n_resamples)
    if minus is not None:
        means = means - _resampled_means(minus, rng, n_resamples)
    lo, hi = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(lo), float(hi)


def _resampled_means(values: FloatArray, rng: np.random.Generator, n_resamples: int) -> FloatArray:
    means: FloatArray = values.take(rng.integers(values.size, size=(n_resamples, values.size))).mean(axis=1)
    return means


def compare(
    candidate: Mapping[int, float],
    baseline: Mapping[int, float],
    rng: np.random.Generator,
    n_resamples: int,
    overlap: float = 0.0,
) -> Difference:
    """The difference between two models from their scores by seed: paired by seed, Welch's when no seed is shared.

    Scores must be finite. `rng` and `n_resamples` serve the sign flips of more than MAX_ENUMERATED pairs. `overlap` is
    n_test/n_train where each seed has a split of its own into training and test images, else 0.
    """
    shared = tuple(sorted(candidate.keys() & baseline.keys()))
    if shared:
        a, b = (np.array([side[seed] for seed in shared], dtype=float) for side in (candidate, baseline))
        return _paired(a, b, shared, rng, n_resamples, overlap)
    a, b = (np.array([side[seed] for seed in sorted(side)], dtype=float) for side in (candidate, baseline))
    if min(a.size, b.size) < 2:
        return Difference("one_run", diff=float(a.mean() - b.mean())) if a.size and b.size else Difference("no_pairs")
    return welch(a, b)


def _paired(
    a: FloatArray, b: FloatArray, seeds: tuple[int, ...], rng: np.random.Generator, n_resamples: int, overlap: float
) -> Difference:
    d = a - b
    n = d.size
    diff = float(d.mean())
    if n == 1:
        return Difference("one_seed", seeds, diff)
    smallest = resolution(a, b)
    p_floor = 2.0 ** (1 - n)
    if np.abs(d).max() <= smallest:
        return Difference(
            "identical", seeds, 0.0, 0.0, ci=(0.0, 0.0), p_raw=1.0, p_exact=1.0, p_used=1.0, p_method="identical",
            p_floor=p_floor,
        )  # fmt: skip
    p_exact = sign_flip_p(d, rng, n_resamples, smallest)
    enough = n >= MIN_SEEDS
    if np.ptp(d) <= smallest:
        return Difference(
            "zero_variance", seeds, diff, 0.0, ci=(diff, diff), p_exact=p_exact, p_used=p_exact if enough else None,
            p_method="sign_flip" if enough else None, p_floor=p_floor,
        )  # fmt: skip
    std = float(d.std(ddof=1))
    # stats.ttest_rel to the last bit, which takes ten times as long to check so few numbers.
    t = diff / math.sqrt(float(((d - diff) ** 2).mean()) * (n / (n - 1)) / n)
    p_raw = 2 * t_beyond(abs(t), n - 1)
    # Nadeau & Bengio (2003): splits drawn anew overlap, so their differences are no independent ones.
    se = std * math.sqrt(1 / n + overlap)
    half = t_quantile((1 + LEVEL) / 2, n - 1) * se
    p_nb = 2 * t_beyond(abs(diff) / se, n - 1) if overlap else None
    p_counts = p_raw if p_nb is None else p_nb
    return Difference(
        status="ok" if enough else "two_seeds",
        seeds=seeds,
        diff=diff,
        std=std,
        se=se,
        ci=(diff - half, diff + half),
        t=t,
        df=float(n - 1),
        p_raw=p_raw,
        p_exact=p_exact,
        p_nb=p_nb,
        p_used=p_counts if enough else None,
        p_method=("nadeau_bengio" if overlap else "paired_t") if enough else None,
        p_floor=p_floor,
        d_z=diff / std,
    )


def welch(a: FloatArray, b: FloatArray) -> Difference:
    """The difference between the means of `a` and `b`, each of two scores or more that nothing pairs (Welch 1947)."""
    diff = float(a.mean() - b.mean())
    smallest = resolution(a, b)
    if max(np.ptp(a), np.ptp(b)) <= smallest:  # nothing varies on either side, and nothing pairs them: no test is left
        return Difference("no_pairs", diff=diff)
    both = CompareMeans(DescrStatsW(a), DescrStatsW(b))  # scipy's test warns when one side is constant
    t, p, df = both.ttest_ind(usevar="unequal")
    lo, hi = both.tconfint_diff(1 - LEVEL, usevar="unequal")
    enough = min(a.size, b.size) >= MIN_SEEDS
    return Difference(
        status="unpaired",
        diff=diff,
        se=float(both.std_meandiff_separatevar),
        ci=(float(lo), float(hi)),
        t=float(t),
        df=float(df),
        p_raw=float(p),
        p_used=float(p) if enough else None,
        p_method="welch" if enough else None,
        p_floor=2 / math.comb(a.size + b.size, a.size),
    )


def sign_flip_p(d: FloatArray, rng: np.random.Generator, n_resamples: int, smallest: float = 0.0) -> float:
    """Two-sided sign-flip (Fisher's randomisation) p of the differences `d` [n]: exact to n = 15, (k+1)/(B+1) above.

    Sums closer than `smallest` count as equal, so that ties among fractions are ties whatever their rounding.
    """
    enumerated = d.size <= MAX_ENUMERATED
    signs = _all_signs(d.size) if enumerated else 1 - 2 * rng.integers(0, 2, size=(n_resamples, d.size))
    as_extreme = np.abs(signs @ d) >= abs(d.sum()) - max(smallest, ROUNDING * float(np.abs(d).sum()))
    return float(as_extreme.mean() if enumerated else (as_extreme.sum() + 1) / (n_resamples + 1))


@cache
def _all_signs(n: int) -> npt.NDArray[np.int64]:
    """[2^(n-1), n] of ±1: the first sign stays, for the other half mirrors this one."""
    bits = (np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1
    return 1 - 2 * bits[:, ::-1]


@cache
def detectable_effect(n: int, alpha: float) -> float:
    """The d_z that a two-sided paired t-test of `n` >= 2 pairs finds with power 0.8.

    Inverts the noncentral t directly, the far tail (below 1e-6) left out. statsmodels' TTestPower.solve_power says the
    same where it converges; at few pairs and small alpha it returns effects of power 0.01 without a word.
    """
    critical = -t_quantile(alpha / 2, n - 1)
    return float(special.nctdtrinc(n - 1, 1 - POWER, critical)) / math.sqrt(n)
