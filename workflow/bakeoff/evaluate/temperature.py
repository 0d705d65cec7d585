"""Temperature scaling: one number that makes the probabilities of a trained network honest (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluate.registry import UndefinedError

_WIDEST = 12.0
"""Logarithm of the largest and of one over the smallest temperature tried, in units of the logits' own spread."""

_ROWS = 4096
"""Images worked on at a time, for memory's sake."""


def fit_temperature(logits: NDArray[np.floating], y_true: NDArray[np.int64]) -> float:
    """The T > 0 at which softmax(logits / T) has the least log loss; logits [N, C], true classes [N].

    The log loss is convex in 1/T, so there is one minimum or none. Raises UndefinedError where there is none: with
    every image right a smaller T is always better, and with logits that favour no true class a larger one.
    """
    from scipy.optimize import minimize_scalar

    relative = logits.astype(np.float64)
    relative -= relative.max(axis=1, keepdims=True)  # softmax and argmax stay; the largest becomes 0
    truth = relative[np.arange(len(relative)), y_true]
    if not (truth < 0).any():
        raise UndefinedError(
            "no validation image has a larger logit than its true class, so no temperature is the best one"
        )
    if truth.mean() <= relative.mean():
        raise UndefinedError("the validation logits do not favour the true classes, so no temperature is the best one")
    # In units of the logits' spread, for networks may give logits of any size.
    spread = -float(relative.mean())
    relative /= spread
    truth = truth / spread

    def loss(log_temperature: float) -> float:
        sharpness = np.exp(-log_temperature)
        pieces = (relative[start : start + _ROWS] * sharpness for start in range(0, len(relative), _ROWS))
        sums = np.concatenate([np.exp(piece, out=piece).sum(axis=1) for piece in pieces])
        return float(np.log(sums).mean() - truth.mean() * sharpness)

    found = minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x) * spread)
