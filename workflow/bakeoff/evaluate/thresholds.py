"""What a binary decision is worth at each threshold, and which threshold is the best one.

For classification into two classes and for verification alike: all that is needed are scores [N] and which examples
are positive [N], N at least 1. The rule is one everywhere: an example is taken for positive when score >= threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluate.bootstrap import percentile_interval, resamples

FloatArray = NDArray[np.floating]
Float64Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Decision:
    """What comes of one threshold: counts, and shares that are None where there is nothing to divide by.

    Precision has none without an example taken for positive, recall without a positive example, F1 without either.
    """

    threshold: float
    accuracy: float
    precision: float | None
    recall: float | None
    f1: float | None
    tp: int
    fp: int
    tn: int
    fn: int


@dataclass(frozen=True)
class Chosen:
    """The best threshold on some examples, with its 95 % bootstrap interval over them (percentile)."""

    threshold: float
    lo: float
    hi: float


def decide(scores: FloatArray, positive: BoolArray, threshold: float) -> Decision:
    """Counts and shares at one threshold."""
    taken = scores.astype(np.float64) >= threshold  # in their own type the threshold would be rounded to it
    tp, fp = int((taken & positive).sum()), int((taken & ~positive).sum())
    fn, tn = int((~taken & positive).sum()), int((~taken & ~positive).sum())
    return Decision(
        threshold=float(threshold),
        accuracy=(tp + tn) / len(scores),
        precision=_share(tp, tp + fp),
        recall=_share(tp, tp + fn),
        f1=_share(2 * tp, 2 * tp + fp + fn),
        tp=tp,
        fp=fp,
        tn=tn,
        fn=fn,
    )


def threshold_table(scores: FloatArray, positive: BoolArray, grid: Sequence[float]) -> list[Decision]:
    """One decision a threshold of the grid, in its order."""
    return [decide(scores, positive, threshold) for threshold in grid]


def best_threshold(scores: FloatArray, positive: BoolArray) -> float:
    """The threshold of the highest accuracy on these examples.

    It lies halfway between two neighbouring scores. Of equally accurate ones it is that in the widest gap, then the
    lowest. Where taking all for positive is best it is the lowest score, where none, the float above the highest.
    """
    candidates = Candidates.of(scores, positive)
    return float(candidates.best(np.ones((1, len(scores)), dtype=np.int64))[0])


def choose_threshold(scores: FloatArray, positive: BoolArray) -> Chosen:
    """The best threshold and how far it would move with other examples, which must be independent of each other.

    Each resample chooses among the thresholds of the whole sample. Memory is that of a block of resamples.
    """
    candidates = Candidates.of(scores, positive)
    values = np.concatenate([candidates.best(drawn) for drawn in resamples(len(scores))])
    return Chosen(best_threshold(scores, positive), *percentile_interval(values))


@dataclass(frozen=True, eq=False)
class Candidates:
    """All thresholds that differ on some examples: T of them for T - 1 distinct scores, rising."""

    thresholds: Float64Array  # [T]
    preference: IntArray  # [T]: the candidates, those in the widest gaps first
    order: IntArray  # [N]: the examples, canonical and by rising score
    starts: IntArray  # [T - 1]: where each distinct score begins in that order
    gain: IntArray  # [N], in that order: what an example adds to the right answers by being taken for positive

    @classmethod
    def of(cls, scores: FloatArray, positive: BoolArray) -> Candidates:
        """The thresholds halfway between distinct scores, one below all and one above."""
        order = np.lexsort((positive, scores))  # the same in whatever order the examples come
        distinct, starts = np.unique(scores[order].astype(np.float64), return_index=True)
        middle = (distinct[:-1] + distinct[1:]) / 2
        middle = np.where(middle > distinct[:-1], middle, distinct[1:])  # between neighbouring floats there is none
        thresholds = np.concatenate([distinct[:1], middle, np.nextafter(distinct[-1:], np.inf)])
        gaps = np.concatenate([[0.0], np.diff(distinct), [0.0]])
        preference = np.argsort(-gaps, kind="stable")
        return cls(thresholds, preference, order, starts, np.where(positive[order], 1, -1))

    def best(self, drawn: IntArray) -> Float64Array:
        """The best threshold [B] of samples in which each example occurs so often, [B, N] in `order`."""
        gained = np.add.reduceat(drawn * self.gain, self.starts, axis=1)
        # Right answers, but for a constant: at the lowest threshold all are positive, then score by score fewer.
        lost = np.concatenate([np.zeros((len(drawn), 1), dtype=np.int64), np.cumsum(gained, axis=1)], axis=1)
        winners = (-lost[:, self.preference]).argmax(axis=1)
        chosen: Float64Array = self.thresholds[self.preference[winners]]
        return chosen


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
