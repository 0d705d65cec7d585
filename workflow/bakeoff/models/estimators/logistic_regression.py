"""Multinomial logistic regression on pixels: what a linear model makes of the images."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import LogisticRegression

from bakeoff.models.control import Control
from bakeoff.models.estimators._pixels import Arrays, OnPixels


def build(classes: int, seed: int, *, C: float = 1.0, max_iter: int = 200) -> Control:  # noqa: N803 as sklearn has it
    """L2 penalty of strength 1 / C; L-BFGS of at most `max_iter` iterations, which need no seed."""
    return OnPixels(LogisticRegression(C=C, max_iter=max_iter), classes, _learned)


def _learned(fitted: Any) -> Arrays:
    return {
        "coefficients": fitted.coef_,
        "intercepts": fitted.intercept_,
        "classes": fitted.classes_,
        "iterations": fitted.n_iter_,
    }
