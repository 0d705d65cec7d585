"""What the probes of a cell tell, made up: entries of diagnostics.json and the pictures in explanations.npz."""

from __future__ import annotations

from typing import Any

import numpy as np

Json = dict[str, Any]
METHODS = ("hirescam", "shap")
SPREAD = {"std": 0.01, "n": 5}


def probed(cell: Json) -> Json:
    """A probed cell, as the comparison writes it."""
    clean = cell["metrics"]["accuracy"]["mean"]
    robustness = {
        "clean": {"mean": clean, **SPREAD},
        "mean": {"mean": 0.8 * clean, **SPREAD},
        "kept": {"mean": 0.8, **SPREAD},
        "by_severity": {name: [clean * (1 - 0.06 * s) for s in range(1, 6)] for name in ("gaussian_noise", "jpeg")},
    }
    numbers = ("insertion", "deletion", "difference", "random_mean", "centre", "gain")
    judged = {"reason": None, **{name: {"mean": 0.2, **SPREAD} for name in numbers}}
    judged |= {"runs_above_random": 4, "n_images": 32, "layer": "conv2"}
    place = {axis: cell[axis] for axis in ("dataset", "model", "augmentation", "recipe")}
    return {**place, "n_runs": 5, "robustness": robustness, "faithfulness": dict.fromkeys(METHODS, judged),
            "verification": _verified()}  # fmt: skip


def _verified() -> Json:
    rates = [{"far": 0.1, "mean": 0.95, **SPREAD}, {"far": 1e-4, "mean": None, "std": None, "n": 0}]
    pairs = {"identities": 10, "genuine_pairs": 9_876, "impostor_pairs": 91_149}
    means = {name: {"mean": 0.9, **SPREAD} for name in ("auc", "eer", "accuracy")}
    return {"reason": None, **pairs, **means, "tar_at_far": rates}


def looks(cells: int, rng: np.random.Generator) -> dict[str, Any]:
    """Images and maps of so many cells."""
    pixels = rng.integers(0, 256, size=(8, 1, 8, 8), dtype=np.uint8)
    blob = np.exp(-((np.arange(8)[:, None] - 3) ** 2 + (np.arange(8) - 4) ** 2) / 6)
    arrays: dict[str, Any] = {}
    for i in range(cells):
        maps = np.tile((255 * blob).astype(np.uint8), (8, 1, 1))
        arrays |= {f"pixels-{i}": pixels, **{f"maps-{method}-{i}": maps for method in METHODS}}
        arrays |= {f"y_true-{i}": np.arange(8), f"predicted-{i}": np.array([0, 1, 2, 3, 4, 5, 6, 1])}
    return arrays
