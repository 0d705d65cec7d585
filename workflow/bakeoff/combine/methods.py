"""Several predictions of the same images as one. All take and give log-probabilities, so that a softmax of what they
give is the combined probability.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Weight of the mean probability beside a vote: it decides between classes with as many votes, and nothing else.
_TIE = 1e-3


def log_proba(logits: NDArray[np.floating]) -> FloatArray:
    """Log-softmax in float64 of logits [..., C]."""
    rows: FloatArray = log_softmax(logits.astype(np.float64), axis=-1)
    return rows


def mean(members: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Log of the mean of the members' probabilities; `members` [K, N, C] are log-probabilities, `weights` [K] sum to 1.

    The linear opinion pool (Stone 1961), which Lakshminarayanan et al. (2017) call a deep ensemble.
    """
    k = len(members)
    weights = np.full(k, 1 / k) if weights is None else weights
    pooled: FloatArray = logsumexp(members, axis=0, b=weights[:, None, None])
    return pooled


def fitted_weights(members: FloatArray, y_true: IntArray) -> FloatArray:
    """Weights [K] >= 0 that sum to 1 and give the least log loss of the weighted mean for `y_true` [N].

    The problem is convex in the weights; solved over their logarithms, from equal ones.
    """
    given = members[:, np.arange(len(y_true)), y_true]  # [K, N], log-probability of the true class

    def loss(free: FloatArray) -> tuple[float, FloatArray]:
        weights = softmax(free)
        joint = given + np.log(np.maximum(weights, 1e-300))[:, None]
        pooled = logsumexp(joint, axis=0)
        share = np.exp(joint - pooled).mean(axis=1)  # of each member in the pooled probability
        return float(-pooled.mean()), weights - share

    found = minimize(loss, np.zeros(len(members)), jac=True, method="L-BFGS-B", bounds=[(-30, 30)] * len(members))
    weights: FloatArray = softmax(found.x)
    return weights


def vote(members: FloatArray) -> FloatArray:
    """Log of the share of members [K, N, C] that answer each class; among classes with as many, the mean decides."""
    classes = members.shape[-1]
    votes = np.eye(classes)[members.argmax(axis=-1)].mean(axis=0)
    shares: FloatArray = np.log((1 - _TIE) * votes + _TIE * np.exp(mean(members)))
    return shares
