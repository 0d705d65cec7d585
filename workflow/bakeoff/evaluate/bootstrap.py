"""Intervals over images: how a number would vary with another sample of as many images (Efron 1979)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

REPLICATES = 1000
LEVEL = 0.95
_SEED = 0
_CELLS = 2**18
"""Numbers handled at once: what fits into the cache of a core."""


def resamples(n: int) -> Iterator[IntArray]:
    """REPLICATES samples of n images drawn from n with replacement, in blocks [B, n]: how often each image was drawn.

    Always the same ones for the same n, so that an interval is no matter of luck.
    """
    rng = np.random.default_rng(_SEED)
    for rows in _blocks(n):
        drawn = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)


def uniforms(n: int) -> Iterator[NDArray[np.float64]]:
    """REPLICATES times n uniform numbers in [0, 1), in blocks [B, n]; always the same ones for the same n."""
    rng = np.random.default_rng(_SEED)
    for rows in _blocks(n):
        yield rng.random((rows, n))


def _blocks(n: int) -> Iterator[int]:
    """How many replicates of n images to work out at once, REPLICATES in all."""
    block = max(1, _CELLS // n)
    for start in range(0, REPLICATES, block):
        yield min(block, REPLICATES - start)


def percentile_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle LEVEL of what the resamples gave [REPLICATES]."""
    lo, hi = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(lo), float(hi)
