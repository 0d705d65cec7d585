"""The same question put to other tests: whether an answer hangs on the choice of the test. None of these gives a star.

The exception is the corrected resampled t-test, which is the one that counts where splits are drawn anew.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bakeoff.compare.paired import LEVEL, FloatArray, Interval, resolution, welch
from bakeoff.compare.signed_rank import signed_rank

# What differences between scores are known to, relative to the largest: sums in another unit round elsewhere.
_DECIMALS = 9


@dataclass(frozen=True)
class Sensitivity:
    """`bca` is Efron's (1987) bias-corrected and accelerated bootstrap interval of the difference, `p_wilcoxon` that of
    the signed-rank test (exact, ties and zeros included), `p_welch` that of the t-test that ignores the pairs.
    """

    bca: Interval | None = None
    p_wilcoxon: float | None = None
    p_welch: float | None = None


def sensitivity(
    candidate: FloatArray, baseline: FloatArray, shared: bool, rng: np.random.Generator, n_resamples: int
) -> Sensitivity:
    """What other tests say of the scores of two models, each [n] over the same seeds where they are `shared`."""
    p_welch = welch(candidate, baseline).p_raw if min(candidate.size, baseline.size) > 1 else None
    if not shared:
        return Sensitivity(bca_interval(candidate, rng, n_resamples, baseline), None, p_welch)
    d, smallest = candidate - baseline, resolution(candidate, baseline)
    p_wilcoxon = signed_rank(_levelled(d, smallest)).p if d.size > 1 else None
    bca = bca_interval(d, rng, n_resamples) if d.size > 1 and np.ptp(d) > smallest else None
    return Sensitivity(bca, p_wilcoxon, p_welch)


def bca_interval(
    values: FloatArray, rng: np.random.Generator, n_resamples: int, minus: FloatArray | None = None
) -> Interval | None:
    """95 % BCa interval of the mean of `values` [n], or of mean(values) - mean(minus); None where it is not defined.

    At few seeds it covers no better than the percentile interval: 84 % at five.
    """
    given = (values,) if minus is None else (values, minus)
    largest = max(float(np.abs(sample).max(initial=0.0)) for sample in given)
    if min(sample.size for sample in given) < 2 or largest == 0:
        return None
    # Ties among resampled means count, so the same numbers in another unit must be the same to the last bit.
    samples = tuple(np.round(sample / largest, _DECIMALS) for sample in given)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what is degenerate comes out as NaN
        found = stats.bootstrap(
            samples,
            np.mean if minus is None else _mean_difference,
            n_resamples=n_resamples,
            confidence_level=LEVEL,
            method="BCa",
            vectorized=True,
            rng=rng,
        ).confidence_interval
    lo, hi = float(found.low) * largest, float(found.high) * largest
    return (lo, hi) if math.isfinite(lo) and math.isfinite(hi) else None


def _mean_difference(a: FloatArray, b: FloatArray, axis: int) -> FloatArray:
    difference: FloatArray = a.mean(axis=axis) - b.mean(axis=axis)
    return difference


def _levelled(d: FloatArray, smallest: float) -> FloatArray:
    """Differences [n] as whole numbers of the same signs and order, those closer than `smallest` one number."""
    order = np.argsort(np.abs(d))
    steps = np.diff(np.abs(d)[order], prepend=0.0) > smallest
    levels = np.empty(d.size)
    levels[order] = np.cumsum(steps)
    return levels * np.sign(d)
