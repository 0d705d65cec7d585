"""Whether confidence means what it says: expected calibration error and the bins of the reliability diagram.

Inputs are the confidence of each answer in (0, 1] and whether it is right, both [N], N at least 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluate.bootstrap import percentile_interval, resamples, uniforms
from bakeoff.evaluate.registry import Estimate

IntArray = NDArray[np.int64]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Row = dict[str, float | int | None]

BINS = 15
"""As Guo et al. 2017 and most since."""


def equal_width_bins(confidence: Float64Array, bins: int = BINS) -> IntArray:
    """The bin of each confidence [N]: bin b holds (b/bins, (b+1)/bins], as in Guo et al. 2017."""
    places: IntArray = np.searchsorted(_edges(bins)[1:-1], confidence, side="left")
    return places


def equal_mass_bins(confidence: Float64Array, bins: int = BINS) -> IntArray:
    """The bin of each confidence [N], as many images in each as ties allow (Nguyen and O'Connor 2015).

    An image is in bin floor(bins x share of images that are less confident): images that are equally confident share a
    bin, so that their order does not matter.
    """
    less = np.searchsorted(np.sort(confidence), confidence, side="left")
    places: IntArray = less * bins // len(confidence)
    return places


def calibration_error(confidence: Float64Array, correct: BoolArray, places: IntArray) -> float:
    """Mean over images of |accuracy - confidence| of the image's bin, 0 to 1; `places` [N] are the bins."""
    gaps = np.bincount(places, weights=correct - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def ece(confidence: Float64Array, correct: BoolArray, bins: int = BINS) -> Estimate:
    """Expected calibration error over bins of equal width (Naeini et al. 2015; Guo et al. 2017), with its interval."""
    confidence, correct = _ordered(confidence, correct)
    places, gap, n = equal_width_bins(confidence, bins), correct - confidence, len(confidence)
    # Bins are the same in every resample, and what lies in one stands together.
    starts = np.unique(places, return_index=True)[1]
    replicates = [np.abs(np.add.reduceat(drawn * gap, starts, axis=1)).sum(axis=1) / n for drawn in resamples(n)]
    return _estimate(confidence, correct, places, replicates)


def adaptive_ece(confidence: Float64Array, correct: BoolArray, bins: int = BINS) -> Estimate:
    """The same over bins of equal mass (Nguyen and O'Connor 2015; as in Mukhoti et al. 2020), with its interval."""
    confidence, correct = _ordered(confidence, correct)
    places, gap, n = equal_mass_bins(confidence, bins), correct - confidence, len(confidence)
    first_equal = np.searchsorted(confidence, confidence, side="left")
    replicates = []
    for drawn in resamples(n):
        less = (np.cumsum(drawn, axis=1) - drawn)[:, first_equal]
        # Bins are those of the resample, which has its own stretch of places. What lies above all that was drawn would
        # be past the last bin, and counts nothing there.
        redrawn = np.minimum(less * bins // n, bins - 1) + bins * np.arange(len(drawn))[:, None]
        gaps = np.bincount(redrawn.ravel(), weights=(drawn * gap).ravel(), minlength=bins * len(drawn))
        replicates.append(np.abs(gaps.reshape(-1, bins)).sum(axis=1) / n)
    return _estimate(confidence, correct, places, replicates)


def reliability(confidence: Float64Array, correct: BoolArray, bins: int = BINS) -> list[Row]:
    """The bins of the reliability diagram: count, mean confidence and accuracy, None where no answer falls."""
    places, edges = equal_width_bins(confidence, bins), _edges(bins)
    counts = np.bincount(places, minlength=bins)
    sums = [np.bincount(places, weights=values, minlength=bins) for values in (confidence, correct)]
    return [
        {
            "lo": float(edges[b]),
            "hi": float(edges[b + 1]),
            "count": int(counts[b]),
            "confidence": float(sums[0][b] / counts[b]) if counts[b] else None,
            "accuracy": float(sums[1][b] / counts[b]) if counts[b] else None,
        }
        for b in range(bins)
    ]


def _edges(bins: int) -> Float64Array:
    return np.arange(bins + 1) / bins


def _ordered(confidence: Float64Array, correct: BoolArray) -> tuple[Float64Array, BoolArray]:
    """Both by rising confidence, the same in whatever order the images come."""
    order = np.lexsort((correct, confidence))
    return confidence[order], correct[order]


def _estimate(
    confidence: Float64Array, correct: BoolArray, places: IntArray, replicates: list[Float64Array]
) -> Estimate:
    """The error with a 95 % bootstrap interval that allows for its bias: noise only adds to it, and resampling does so
    once more.

    So the percentiles of resamples are too high, and as a lower end never hold the 0 of a calibrated network. The lower
    end is mirrored at the value (the basic interval of Davison and Hinkley 1997, section 5.2), and 0 where a calibrated
    network might have shown as much. The upper end is the percentile: mirrored, it would vanish where the value happens
    to be small.
    """
    value = calibration_error(confidence, correct, places)
    if len(confidence) < 2:  # a single image says nothing about others
        return Estimate(value, None, None)
    hi = percentile_interval(np.concatenate(replicates))[1]
    could_be_noise = value <= percentile_interval(_noise(confidence, places))[1]
    return Estimate(value, lo=0.0 if could_be_noise else min(max(2 * value - hi, 0.0), value), hi=max(hi, value))


def _noise(confidence: Float64Array, places: IntArray) -> Float64Array:
    """The errors of networks that are right as often as they say: consistency resampling (Broecker and Smith 2007)."""
    starts, n = np.unique(places, return_index=True)[1], len(confidence)
    errors = []
    for uniform in uniforms(n):
        gaps = np.add.reduceat((uniform < confidence) - confidence, starts, axis=1)
        errors.append(np.abs(gaps).sum(axis=1) / n)
    return np.concatenate(errors)
