"""Random forest on pixels (Breiman 2001)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from bakeoff.models.control import Control
from bakeoff.models.estimators._pixels import Arrays, OnPixels


def build(classes: int, seed: int, *, n_estimators: int = 100, min_samples_leaf: int = 1) -> Control:
    """So many trees, each grown on a bootstrap sample with sqrt(pixels) candidates a split, until its leaves are pure
    or have `min_samples_leaf` images.
    """
    forest = RandomForestClassifier(n_estimators, min_samples_leaf=min_samples_leaf, random_state=seed)
    return OnPixels(forest, classes, _learned, votes=n_estimators)


def _learned(fitted: Any) -> Arrays:
    """The nodes of all trees, one tree behind the other; `nodes` says how many each has."""
    trees = [tree.tree_ for tree in fitted.estimators_]
    return {
        "classes": fitted.classes_,
        "nodes": [tree.node_count for tree in trees],
        **{
            name: np.concatenate([getattr(tree, name) for tree in trees])
            for name in ("feature", "threshold", "children_left", "children_right")
        },
        "value": np.concatenate([tree.value[:, 0] for tree in trees]),
    }
