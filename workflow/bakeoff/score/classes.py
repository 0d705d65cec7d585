"""What a file says of classes: a score of each for every row, and the true one, numbered as the scores are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bakeoff.score.columns import Columns, FloatArray, IntArray

SUM = 1e-2
"""What probabilities of a row may sum to besides 1: files have few decimals."""


def probabilities(columns: Columns) -> FloatArray:
    """The column `probabilities` [N, C]. Raises UserError for a row that has none."""
    proba = columns.matrix("probabilities")
    columns.refuse((proba < 0).any(axis=1), "probabilities", "one is below 0; are these logits?")
    columns.refuse(abs(proba.sum(axis=1) - 1) > SUM, "probabilities", "they do not sum to 1; are these logits?")
    return proba


def logits(columns: Columns) -> FloatArray | None:
    """The column `logits` [N, C], or the logarithms of `probabilities`; None where the file has neither."""
    if "logits" in columns:
        return columns.matrix("logits")
    if "probabilities" not in columns:
        return None
    proba = probabilities(columns)
    # A probability of 0 has no logarithm: the smallest that float64 has, which a wrong answer pays 708 nats for.
    logarithms: FloatArray = np.log(np.maximum(proba, np.finfo(np.float64).tiny))
    return logarithms


def numbered(columns: Columns, name: str, classes: int) -> IntArray:
    """A column of classes [N] in 0..C-1. Raises UserError for a row of another class."""
    values = columns.numbers(name)
    wrong: npt.NDArray[np.bool_] = (values != np.rint(values)) | (values < 0) | (values >= classes)
    columns.refuse(wrong, name, f"{{}} is no class of 0 to {classes - 1}, as the scores are numbered")
    return values.astype(np.int64)
