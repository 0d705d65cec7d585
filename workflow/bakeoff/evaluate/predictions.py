"""The answers of one run, and what several metrics need of them, worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluate import ranking
from bakeoff.evaluate.counts import Counts
from bakeoff.evaluate.registry import UndefinedError
from bakeoff.evaluate.temperature import fit_temperature

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


_ROWS = 4096
ANSWERS_ONLY = "the predictions are answers alone, without a score for each class"


@dataclass(frozen=True)
class BestEpoch:
    """What the history says of the epoch whose weights were kept; None where it holds no number. Fractions."""

    train_accuracy: float | None
    val_accuracy: float | None


@dataclass(frozen=True, eq=False)
class Predictions:
    """True classes [N] in 0..C-1 and finite logits [N, C] of the same images; N and C at least 1.

    `validation` are the same run's predictions of its validation images, `best_epoch` what it had reached when its
    weights were kept; where they are not known, what is made from them is undefined. Of `answers_only` nothing but the
    largest logit means anything: whoever made them gave one class for each image.
    """

    y_true: IntArray
    logits: FloatArray
    validation: Predictions | None = None
    best_epoch: BestEpoch | None = None
    answers_only: bool = False

    @property
    def classes(self) -> int:
        """How many classes there are to choose from: C."""
        return int(self.logits.shape[1])

    @cached_property
    def log_proba(self) -> Float64Array:
        """Log-softmax of the logits in float64 [N, C]; it does not underflow where the softmax would."""
        self.require_scores()
        rows: Float64Array = self.logits.astype(np.float64)
        for start in range(
            0, len(rows), _ROWS
        ):  # in place and piece by piece: 50,000 images of 1,000 classes are 400 MB
            piece = rows[start : start + _ROWS]
            piece -= piece.max(axis=1, keepdims=True)
            piece -= np.log(np.exp(piece).sum(axis=1, keepdims=True))
        return rows

    @cached_property
    def proba(self) -> Float64Array:
        """Softmax of the logits [N, C]."""
        return np.exp(self.log_proba)

    @cached_property
    def y_pred(self) -> IntArray:
        """Class of the largest logit [N]; among equals the first."""
        classes: IntArray = self.logits.argmax(axis=1)
        return classes

    @cached_property
    def correct(self) -> BoolArray:
        """Which answers are right [N]."""
        right: BoolArray = self.y_pred == self.y_true
        return right

    @cached_property
    def confidence(self) -> Float64Array:
        """The probability given to the answer [N], from 1/C to 1."""
        largest: Float64Array = np.exp(self.log_proba.max(axis=1))
        return largest

    @cached_property
    def counts(self) -> Counts:
        """The confusion matrix and what follows from it."""
        return Counts.of(self.y_true, self.y_pred, self.classes)

    @cached_property
    def one_vs_rest(self) -> ranking.OneVsRest:
        """How the probability of each class ranks its images before the others."""
        return ranking.one_vs_rest(self.proba, self.y_true)

    @cached_property
    def temperature(self) -> float:
        """What logits are divided by to make the validation images most likely; UndefinedError where nothing is."""
        if self.validation is None:
            raise UndefinedError("there are no validation predictions to fit a temperature on")
        return fit_temperature(self.validation.logits, self.validation.y_true)

    @cached_property
    def calibrated(self) -> Predictions:
        """The same predictions after the temperature: the same answers, other probabilities."""
        # In float64, where no two distinct logits of 32 bits become equal by the division.
        logits = self.logits.astype(np.float64)
        logits /= self.temperature
        return Predictions(self.y_true, logits)

    def require_scores(self) -> None:
        """Raise UndefinedError unless there is a score for each class."""
        if self.answers_only:
            raise UndefinedError(ANSWERS_ONLY)

    def require_every_class(self) -> None:
        """Raise UndefinedError unless there are several classes and each has a test image.

        A mean over the classes that are there would be another quantity under the same name.
        """
        if self.classes < 2:
            raise UndefinedError("there is only one class")
        missing = int((self.counts.support == 0).sum())
        if missing:
            raise UndefinedError(f"{missing} of {self.classes} classes have no test image")
