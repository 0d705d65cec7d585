"""Nearest neighbours on pixels, by Euclidean distance."""

from __future__ import annotations

from typing import Any

from sklearn.neighbors import KNeighborsClassifier

from bakeoff.models.control import Control
from bakeoff.models.estimators._pixels import Arrays, OnPixels


def build(classes: int, seed: int, *, n_neighbors: int = 5) -> Control:
    """The classes of the `n_neighbors` nearest training images, each one vote; there is nothing to draw."""
    return OnPixels(KNeighborsClassifier(n_neighbors, algorithm="brute"), classes, _learned, votes=n_neighbors)


def _learned(fitted: Any) -> Arrays:
    """Its memory is the training images, which the data folder holds: here only their classes, in order."""
    return {"n_neighbors": fitted.n_neighbors, "labels": fitted.classes_[fitted._y]}
