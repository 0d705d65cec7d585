"""What follows from the confusion matrix alone: precision, recall, F1 and agreement beyond chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluate.registry import UndefinedError

IntArray = NDArray[np.int64]
Float64Array = NDArray[np.float64]
Share = Literal["precision", "recall", "f1"]
Average = Literal["macro", "micro", "weighted"]


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each class was taken for each: [C, C], rows true, columns answered."""

    confusion: IntArray

    @classmethod
    def of(cls, y_true: IntArray, y_pred: IntArray, classes: int) -> Counts:
        """Count pairs of true class and answer, both [N] in 0..classes-1."""
        pairs = np.bincount(y_true.astype(np.int64) * classes + y_pred, minlength=classes * classes)
        return cls(pairs.reshape(classes, classes))

    @cached_property
    def right(self) -> IntArray:
        """Images of each class that were recognised [C]."""
        return self.confusion.diagonal().astype(np.int64)

    @cached_property
    def support(self) -> IntArray:
        """Images of each class [C]."""
        images: IntArray = self.confusion.sum(axis=1)
        return images

    @cached_property
    def answered(self) -> IntArray:
        """Answers with each class [C]."""
        answers: IntArray = self.confusion.sum(axis=0)
        return answers

    @property
    def n(self) -> int:
        """All images."""
        return int(self.support.sum())

    def per_class(self, share: Share) -> Float64Array:
        """Precision, recall or F1 of each class [C]; NaN where there is nothing to divide by."""
        over = {
            "precision": (self.right, self.answered),
            "recall": (self.right, self.support),
            "f1": (2 * self.right, self.answered + self.support),
        }
        above, below = over[share]
        shares: Float64Array = np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)
        return shares

    def mean(self, share: Share, average: Average) -> float:
        """The mean over classes as scikit-learn has it by default.

        `macro`: each class that has an image or an answer counts once, `weighted`: as often as it has images; nothing
        to divide by counts as 0. `micro`: over all images at once, which with one answer an image is the accuracy.
        """
        if average == "micro":
            return float(self.right.sum() / self.n)
        values = np.nan_to_num(self.per_class(share), nan=0.0)
        if average == "weighted":
            return float((values * self.support).sum() / self.n)
        occurs = (self.support + self.answered) > 0
        return float(values[occurs].mean())

    def matthews(self) -> float:
        """Multiclass Matthews correlation (Gorodkin 2004), -1 to 1; 0 when all answers are one class."""
        self._require_two_true_classes()
        n, truth, answers = self.n, self.support, self.answered
        shared = n * int(self.right.sum()) - int(truth @ answers)
        spread = (n * n - int(truth @ truth)) * (n * n - int(answers @ answers))
        return shared / math.sqrt(spread) if spread else 0.0

    def kappa(self) -> float:
        """Cohen's kappa (1960), -1 to 1: the share of agreement that chance would have left undone."""
        self._require_two_true_classes()
        by_chance = int(self.support @ self.answered)  # times n^2, so that all of it stays in integers
        n = self.n
        return (n * int(self.right.sum()) - by_chance) / (n * n - by_chance)

    def _require_two_true_classes(self) -> None:
        # 0/0 for right answers, and 0 for whatever else one answers: not a score of the model.
        if (self.support > 0).sum() < 2:
            raise UndefinedError("all test images are of one class, so agreement beyond chance has no meaning")
