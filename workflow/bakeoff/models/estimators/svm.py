"""Support vector machine on pixels (Cortes and Vapnik 1995), with one temperature for probabilities."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from bakeoff.models.control import Control
from bakeoff.models.estimators._pixels import Arrays, OnPixels

_FOLDS = 3


class Tempered:
    """An SVM whose class scores become probabilities by softmax(scores / temperature).

    An SVM gives scores, not probabilities. One temperature is fitted to the log-likelihood of scores of images left out
    in three folds (Guo et al. 2017, "On calibration of modern neural networks"), so that the class with the highest
    score stays the most probable one; Platt's method, a sigmoid a class, can change it. Costs three further fits.
    """

    def __init__(self, machine: SVC, seed: int) -> None:
        self.machine, self.seed, self.temperature = machine, seed, 1.0

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes that had training images, in the order of the probabilities' columns."""
        found: NDArray[Any] = self.machine.classes_
        return found

    def fit(self, rows: NDArray[Any], labels: NDArray[Any]) -> None:
        """Fit machine and temperature; with a class of fewer than three images the temperature stays 1."""
        from sklearn.base import clone

        classes, columns = np.unique(labels, return_inverse=True)
        if np.bincount(columns).min() >= _FOLDS:
            scores = np.empty((len(rows), len(classes)))
            folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=self.seed)
            for seen, left_out in folds.split(rows, labels):
                scores[left_out] = _scores(clone(self.machine).fit(rows[seen], labels[seen]), rows[left_out])
            self.temperature = _best_temperature(scores, columns)
        self.machine.fit(rows, labels)

    def predict_proba(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Probabilities [N, classes seen]."""
        found: NDArray[Any] = np.exp(log_softmax(_scores(self.machine, rows) / self.temperature, axis=1))
        return found


def _scores(machine: Any, rows: NDArray[Any]) -> NDArray[Any]:
    """A score for each class [N, classes]; of two classes sklearn gives the difference alone."""
    scores: NDArray[Any] = machine.decision_function(rows)
    return np.stack([-scores / 2, scores / 2], axis=1) if scores.ndim == 1 else scores


def _best_temperature(scores: NDArray[Any], columns: NDArray[Any]) -> float:
    """The temperature between 0.001 and 1000 with the lowest mean negative log-likelihood of the true columns."""

    def loss(logarithm: float) -> float:
        of_truth = log_softmax(scores / np.exp(logarithm), axis=1)[np.arange(len(columns)), columns]
        return float(-of_truth.mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(1e-3), np.log(1e3)), method="bounded").x))


def build(
    classes: int,
    seed: int,
    *,
    C: float = 1.0,  # noqa: N803 as sklearn has it
    kernel: Literal["rbf", "linear", "poly"] = "rbf",
) -> Control:
    """sklearn's SVC with gamma = 1 / (pixels x variance); the seed draws the folds of the temperature."""
    # `break_ties`: the predicted class is the one with the highest score.
    return OnPixels(Tempered(SVC(C=C, kernel=kernel, break_ties=True), seed), classes, _learned)


def _learned(fitted: Any) -> Arrays:
    """Support vectors by their places among the training images, which the data folder holds."""
    return {
        "support": fitted.machine.support_,
        "dual_coefficients": fitted.machine.dual_coef_,
        "intercepts": fitted.machine.intercept_,
        "classes": fitted.classes_,
        "gamma": float(fitted.machine._gamma),
        "temperature": float(fitted.temperature),
    }
