"""Stratified, nested choices of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def stratified_order(labels: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """A random order of all images in which every prefix holds the same share of every class, to within one image.
    Targets [N, d] of a regression are no classes: there all images are one.

    So a split is a cut of this order, and the first 100 images are among the first 500. Within a class of n images in
    random order, image k stands at the fraction (k + u) / n, with one uniform u per class: each image, also of a class
    of three, is as likely as any other to fall into the test part.
    """
    if labels.ndim > 1:
        labels = np.zeros(len(labels), dtype=np.int64)
    rng = np.random.default_rng(seed)
    place = np.empty(len(labels), dtype=np.float64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[rng.permutation(members)] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(place, kind="stable").astype(np.int64)
