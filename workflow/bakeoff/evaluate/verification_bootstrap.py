"""How far verification's numbers would move with other people: a bootstrap over identities.

Pairs are no independent observations: N images make N(N-1)/2 pairs, one bad image spoils N-1 of them, and one identity
that looks like another brings a whole block of impostor pairs close. Drawing pairs would give intervals that are too
narrow by a large factor. So identities are drawn, with replacement, and come with all their images (the subsets
bootstrap of Bolle, Ratha & Pankanti 2004, Computer Vision and Image Understanding 93; for both identities of an
impostor pair it is the pigeonhole bootstrap of Owen 2007, Annals of Applied Statistics 1). An identity drawn m times
counts its genuine pairs m times, and its impostor pairs with an identity drawn k times m x k times; it is no impostor
to itself.

All replicates are worked out from exact counts at up to about a thousand thresholds, chosen by rank on the curve.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bakeoff.evaluate.verification_curve import Curve
from bakeoff.evaluate.verification_pairs import FloatArray, IntArray, Pairs, Part, Strip, over_parts

FEWEST = 5  # identities; with fewer, replicates say little about other people
_AT_ONCE = 250  # replicates: their sums stay in the cache
_UNDEFINED = 0.01  # share of replicates without a genuine or an impostor pair that is put up with


@dataclass(frozen=True)
class Interval:
    """95 % percentile interval; without one, why."""

    lo: float | None
    hi: float | None
    why_null: str | None = None


class Bootstrap:
    """Replicates of a curve at `levels`."""

    def __init__(self, at_levels: Curve, replicates: Curve, why_null: str | None) -> None:
        self.curve, self.replicates, self.why_null = at_levels, replicates, why_null

    def interval(
        self, statistic: Callable[[Curve], FloatArray | IntArray], value: float, bounds: tuple[float, float] = (0, 1)
    ) -> Interval:
        """Of a statistic whose value on all points is `value`; what thinning did to it is taken off the ends."""
        if self.why_null is not None:
            return Interval(None, None, self.why_null)
        lo, hi = np.percentile(statistic(self.replicates), [2.5, 97.5]) + (value - float(statistic(self.curve)))
        return Interval(float(np.clip(lo, *bounds)), float(np.clip(hi, *bounds)))


def bootstrap(pairs: Pairs, at_levels: Curve, resamples: int, seed: int, pool: Executor) -> Bootstrap:
    """Draw `resamples` sets of identities, and count their pairs at the levels of a curve of these pairs."""
    identities = pairs.identities
    if identities < FEWEST:
        return Bootstrap(at_levels, at_levels, f"{identities} identities are too few to draw from")
    drawn = np.random.default_rng(seed).multinomial(identities, np.full(identities, 1 / identities), resamples)
    weights = drawn.T.astype(np.float32)
    blocks = [np.ascontiguousarray(some) for some in np.split(weights, range(_AT_ONCE, resamples, _AT_ONCE), axis=1)]
    rising = at_levels.levels[:-1][::-1].astype(np.int32)  # the last level has no pair below it
    shape = (2, len(at_levels.levels), resamples)
    counts = np.zeros(shape)
    for found in over_parts(pairs, lambda part: _counted(part, rising, shape, blocks), pool):
        counts += found
    true_accepts, false_accepts = counts.cumsum(axis=1, out=counts)
    defined = (true_accepts[-1] > 0) & (false_accepts[-1] > 0)
    missing = resamples - int(defined.sum())
    why = f"{missing} of {resamples} draws of identities have no genuine or no impostor pair"
    replicates = Curve(at_levels.levels, true_accepts[:, defined], false_accepts[:, defined])
    return Bootstrap(at_levels, replicates, why if missing > _UNDEFINED * resamples else None)


def _counted(
    part: Part, rising: IntArray, shape: tuple[int, ...], blocks: list[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Weighted pairs of a part in each segment, genuine and impostor, of all replicates: [2, n, B].

    All are whole numbers, below 2^24 where they are float32, so that the order of the sums changes nothing.
    """
    counts = np.zeros(shape)
    n, identities = shape[1], len(blocks[0])
    genuine = (_segments(part.genuine, rising), part.genuine_identity)
    owned = sparse.csr_matrix((np.ones(len(part.genuine), np.float32), genuine), shape=(n, identities))
    strips = [(strip.identity, _by_segment(strip, rising, n)) for strip in part.strips if strip.table.size]
    begin = 0
    for weights in blocks:
        columns = slice(begin, begin + weights.shape[1])
        counts[0, :, columns] = owned @ weights
        for identity, others in strips:
            counts[1, :, columns] += (others @ weights) * weights[identity]
        begin = columns.stop
    return counts


def _segments(levels: IntArray, rising: IntArray) -> IntArray:
    """How many of the thresholds, but for the lowest, lie above each level."""
    return len(rising) - np.searchsorted(rising, levels, side="right")


def _by_segment(strip: Strip, rising: IntArray, n: int) -> NDArray[np.float32] | sparse.csc_matrix:
    """How many pairs of a strip lie in each segment, by the other identity [n, G]."""
    segment = _segments(strip.levels, rising)
    identities = len(strip.bounds) - 1
    if len(segment) > identities * n // 8:  # many pairs of the same two identities: a full table is worth it
        cells = np.bincount(segment * identities + strip.others, minlength=n * identities)
        return cells.reshape(n, identities).astype(np.float32)
    ones = np.ones(len(segment), dtype=np.float32)
    return sparse.csc_matrix((ones, segment, strip.bounds.astype(np.int32)), shape=(n, identities))
