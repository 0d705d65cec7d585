"""What follows from the order of scores: ROC and precision-recall curves and the areas under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

GRID: Float64Array = np.arange(101) / 100
"""Where curves are read off: hundredths, each the float next to it, as k/n is."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """What is taken for positive as the threshold falls past each distinct score: counts [T], both rising to all."""

    true_positives: IntArray
    false_positives: IntArray

    @classmethod
    def of(cls, scores: NDArray[np.floating], positive: BoolArray) -> Ranking:
        """Rank examples by score [N], high first; equal scores pass the threshold together. N at least 1."""
        order = np.argsort(scores)[::-1]
        ordered = scores[order]
        last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)  # of each distinct score
        true_positives = np.cumsum(positive[order], dtype=np.int64)[last]
        return cls(true_positives, last + 1 - true_positives)

    @property
    def positives(self) -> int:
        """Examples that are positive."""
        return int(self.true_positives[-1])

    @property
    def negatives(self) -> int:
        """Examples that are not."""
        return int(self.false_positives[-1])

    def auroc(self) -> float:
        """Area under the ROC curve (Hanley and McNeil 1982); NaN without positives or without negatives.

        The probability that a positive is scored above a negative, half of it for equal scores.
        """
        if not self.positives or not self.negatives:
            return float("nan")
        gained = np.diff(self.false_positives, prepend=0)
        before = self.true_positives - np.diff(self.true_positives, prepend=0)
        return int(gained @ (before + self.true_positives)) / (2 * self.positives * self.negatives)

    def average_precision(self) -> float:
        """Mean of the precision at which each positive is found (scikit-learn's); NaN without positives."""
        if not self.positives:
            return float("nan")
        return float(np.diff(self.true_positives, prepend=0) @ self._precision() / self.positives)

    def true_positive_rate(self) -> Float64Array:
        """The ROC curve read off at the false positive rates of GRID [101]; NaN where the area is.

        Between two thresholds the line that joins them; where the curve rises straight up, its upper end (vertical
        averaging, Fawcett 2006, algorithm 3).
        """
        if not self.positives or not self.negatives:
            return np.full(len(GRID), np.nan)
        fpr = np.append(0, self.false_positives) / self.negatives
        tpr = np.append(0, self.true_positives) / self.positives
        # Of several points at one x, interp takes the last for x itself and for what follows, the first for what
        # leads there: as the curve runs.
        return np.interp(GRID, fpr, tpr)

    def precision_at_recall(self) -> Float64Array:
        """The precision at the highest threshold that reaches each recall of GRID [101]; NaN without positives.

        Nothing is interpolated, since the line between two points of a precision-recall curve cannot be reached
        (Davis and Goadrich 2006); so its mean over the recalls is the average precision.
        """
        if not self.positives:
            return np.full(len(GRID), np.nan)
        reached = np.searchsorted(self.true_positives / self.positives, GRID, side="left")
        return self._precision()[reached]

    def _precision(self) -> Float64Array:
        found: Float64Array = self.true_positives / (self.true_positives + self.false_positives)
        return found


@dataclass(frozen=True, eq=False)
class OneVsRest:
    """Each class against all others: areas [C] and curves [C, 101]; NaN where a class or the rest has no image."""

    auroc: Float64Array
    average_precision: Float64Array
    true_positive_rate: Float64Array
    precision: Float64Array


def one_vs_rest(scores: Float64Array, y_true: IntArray) -> OneVsRest:
    """Rank all images by the score of each class in turn; scores [N, C], true classes [N]."""
    rankings = [Ranking.of(scores[:, c], y_true == c) for c in range(scores.shape[1])]
    return OneVsRest(
        np.array([each.auroc() for each in rankings]),
        np.array([each.average_precision() for each in rankings]),
        np.array([each.true_positive_rate() for each in rankings]),
        np.array([each.precision_at_recall() for each in rankings]),
    )


def one_vs_one(scores: Float64Array, y_true: IntArray) -> Float64Array:
    """Area under the ROC curve of each pair of classes [C, C]: at row i, column j images of i and j by the score of i.

    Each class must have an image; the diagonal is NaN. Scores are [N, C], true classes [N]. One pass a class, so that
    a thousand classes are no million curves.
    """
    classes = scores.shape[1]
    support = np.bincount(y_true, minlength=classes)
    areas = np.full((classes, classes), np.nan)
    for i in range(classes):
        score, own = scores[:, i], np.sort(scores[y_true == i, i])
        at_most, below = np.searchsorted(own, score, side="right"), np.searchsorted(own, score, side="left")
        won = len(own) - (at_most + below) / 2  # images of i that outrank this one, half of those that equal it
        areas[i] = np.bincount(y_true, weights=won, minlength=classes) / (len(own) * support)
        areas[i, i] = np.nan
    return areas
