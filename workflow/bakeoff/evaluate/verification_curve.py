"""From the scores of genuine and impostor pairs to the ROC curve and what is read from it.

A pair is accepted when its score is at least the threshold. With TAR = accepted share of the genuine pairs (two images
of one identity) and FAR = accepted share of the impostor pairs:

- AUC: area under TAR over FAR by trapezoids between all distinct scores, which counts ties half (Bamber 1975), as
  sklearn.metrics.roc_auc_score does;
- TAR at FAR f: the largest TAR of a threshold whose FAR is at most f; nothing is interpolated;
- EER: FAR where FAR = 1 - TAR, on the straight line between the two neighbouring thresholds;
- accuracy: share of all pairs that are rightly accepted or rejected.

All functions work along the first axis, so the counts of many bootstrap replicates, [K, B], are read in one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluate.verification_pairs import COARSE, GRID, FloatArray, IntArray, Pairs, over_parts

Counts = NDArray[Any]  # int64 of the pairs themselves, float64 of replicates
MAX_POINTS = 1001


@dataclass(frozen=True, eq=False)
class Curve:
    """Accepted pairs at falling thresholds; the last accepts every pair.

    `levels` [K]; `true_accepts` and `false_accepts` [K], or [K, B] of B replicates.
    """

    levels: IntArray
    true_accepts: Counts
    false_accepts: Counts

    @property
    def genuine(self) -> Any:
        """Number of genuine pairs, of each replicate."""
        return self.true_accepts[-1]

    @property
    def impostor(self) -> Any:
        """Number of impostor pairs, of each replicate."""
        return self.false_accepts[-1]

    @cached_property
    def tar(self) -> FloatArray:
        """[K + 1]; the first is that of accepting none."""
        return _from_zero(self.true_accepts / self.genuine)

    @cached_property
    def far(self) -> FloatArray:
        """[K + 1]; the first is that of accepting none."""
        return _from_zero(self.false_accepts / self.impostor)

    @cached_property
    def accuracy(self) -> FloatArray:
        """[K + 1]; the first is that of accepting none."""
        right = _from_zero(self.true_accepts - self.false_accepts) + self.impostor
        found: FloatArray = right / (self.genuine + self.impostor)
        return found

    def point(self, level: int) -> int:
        """Index, in 0..K, of accepting what lies at this level or above, which must be a point of this curve."""
        return int(np.searchsorted(-self.levels, -level, side="right"))

    def at(self, levels: IntArray) -> Curve:
        """The same pairs at other thresholds [J], falling, the last of which accepts all; this curve must be exact."""
        points = np.searchsorted(-self.levels, -levels, side="right")
        true_accepts, false_accepts = (_from_zero(each)[points] for each in (self.true_accepts, self.false_accepts))
        return Curve(levels, true_accepts, false_accepts)


def _from_zero(values: Counts) -> Counts:
    return np.concatenate([np.zeros_like(values[:1]), values])


def count(pairs: Pairs, pool: Executor) -> Curve:
    """The exact curve of all pairs: one point for each score that occurs."""
    scores = over_parts(pairs, lambda part: (part.genuine, part.impostor), pool)
    levels, genuine, impostor = _of_few(scores) if pairs.step == 1 else _of_many(scores)
    return Curve(levels[::-1], genuine[::-1].cumsum(), impostor[::-1].cumsum())


def _of_few(scores: Iterable[tuple[IntArray, IntArray]]) -> tuple[IntArray, IntArray, IntArray]:
    """The levels that occur, rising, and how many genuine and impostor pairs are at each."""
    genuine, impostor = (np.concatenate(found) for found in zip(*scores, strict=True))
    every = np.sort(np.concatenate([genuine, impostor]))
    starts = np.concatenate([[0], np.flatnonzero(every[1:] != every[:-1]) + 1])
    levels = every[starts]
    mine = np.bincount(np.searchsorted(levels, genuine), minlength=len(levels))
    return levels.astype(np.int64), mine, np.diff(starts, append=len(every)) - mine


def _of_many(scores: Iterable[tuple[IntArray, IntArray]]) -> tuple[IntArray, IntArray, IntArray]:
    """The same with a counter for each level that there can be, so that no scores are kept."""
    totals = np.zeros((2, 2 * GRID // COARSE + 1), dtype=np.int64)
    for both in scores:
        for total, levels in zip(totals, both, strict=True):
            if len(levels):
                low = int(levels.min()) // COARSE
                counts = np.bincount(levels // COARSE - low)
                total[low + GRID // COARSE :][: len(counts)] += counts
    occupied = np.flatnonzero(totals.any(axis=0))
    return (occupied - GRID // COARSE) * COARSE, totals[0, occupied], totals[1, occupied]


# --- what is read from it -----------------------------------------------------------------------------------------


def auc(curve: Curve) -> FloatArray:
    """Area under the curve."""
    return np.asarray(np.trapezoid(curve.tar, curve.far, axis=0))


def tar_at_far(curve: Curve, target: float) -> FloatArray:
    """The largest TAR whose FAR is at most the target."""
    return np.asarray(np.where(curve.far <= target, curve.tar, 0.0).max(axis=0))


def eer(curve: Curve) -> FloatArray:
    """The equal error rate."""
    far = curve.far
    surplus = far + curve.tar - 1  # FAR - FRR rises from -1 to 1
    after = (surplus >= 0).argmax(axis=0)[None]
    (far_0, far_1), (s_0, s_1) = (
        [np.take_along_axis(values, index, axis=0)[0] for index in (after - 1, after)] for values in (far, surplus)
    )
    return np.asarray(far_0 - s_0 / (s_1 - s_0) * (far_1 - far_0))


def eer_level(curve: Curve) -> int:
    """The highest threshold at which FAR is at least 1 - TAR."""
    return int(curve.levels[(curve.far + curve.tar >= 1).argmax() - 1])


def point_of_far(curve: Curve, target: float) -> int:
    """Index, in 0..K, of the highest threshold that has the TAR at this FAR; 0 is accepting none."""
    allowed = int(np.searchsorted(curve.far, target, side="right"))  # points with a FAR of at most the target
    return int(np.searchsorted(curve.tar[:allowed], curve.tar[allowed - 1]))


def best_level(curve: Curve) -> IntArray:
    """The threshold of the highest accuracy, [] or [B]; chosen as evaluate.thresholds.best_threshold does.

    It lies halfway between two neighbouring scores; of equally accurate ones it is that in the widest gap, then the
    lowest. Where accepting none is best, it is just above the highest score.
    """
    levels, accuracy = curve.levels, curve.accuracy
    gaps = np.concatenate([[0], levels[:-1] - levels[1:], [0]])
    candidates = np.concatenate([levels[:1] + 1, (levels[:-1] + levels[1:] + 1) // 2, levels[-1:]])
    width = np.where((accuracy == accuracy.max(axis=0)).T, gaps, -1)[..., ::-1]
    return np.asarray(candidates[::-1][width.argmax(axis=-1)])


# --- fewer points -------------------------------------------------------------------------------------------------


def thinned(curve: Curve, targets: Sequence[float]) -> Curve:
    """At most 1001 points, with accepting none, that still show the curve: all of them where there are no more.

    They lie at even steps of TAR, of FAR and of log FAR, and where TAR at a target, the EER and the best accuracy are
    read. So they are dense where pairs are, however narrow the range of the scores is.
    """
    if len(curve.levels) < MAX_POINTS:
        return curve
    far, tar = curve.far[1:], curve.tar[1:]
    lowest = max(1 / curve.impostor, 1e-6)
    kept = [
        tar.searchsorted(np.linspace(0, 1, 400)),
        far.searchsorted(np.linspace(0, 1, 150)),
        far.searchsorted(np.geomspace(lowest, 1, 350)),
        _read_at(curve, targets[:40]),
        np.array([len(far) - 1]),
    ]
    index = np.unique(np.clip(np.concatenate(kept), 0, len(far) - 1))
    return Curve(curve.levels[index], curve.true_accepts[index], curve.false_accepts[index])


def _read_at(curve: Curve, targets: Iterable[float]) -> IntArray:
    equal = int((curve.far + curve.tar >= 1).argmax()) - 1
    best = int(curve.accuracy.argmax()) - 1
    return np.array([equal - 1, equal, best, best + 1, *(point_of_far(curve, target) - 1 for target in targets)])
