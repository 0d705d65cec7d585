"""Classification: logits, probabilities or answers, by the metrics that a study's own runs are evaluated by."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bakeoff.compare import jackknife
from bakeoff.compare.csvfile import shown
from bakeoff.compare.units import Known
from bakeoff.errors import UserError
from bakeoff.evaluate.metrics import METRICS
from bakeoff.evaluate.predictions import Predictions
from bakeoff.score import classes
from bakeoff.score.columns import Columns, IntArray
from bakeoff.score.task import Measured, Options, Task

OF_ANSWERS: tuple[str, ...] = (
    "accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "micro_precision", "micro_recall",
    "micro_f1", "weighted_precision", "weighted_recall", "weighted_f1", "mcc", "cohen_kappa",
)  # fmt: skip
_OF_TRAINING = ("overfitting_gap", "ece_calibrated", "log_loss_calibrated")  # need more than test predictions


def known(name: str) -> Known:
    """Unit, direction and range of a metric of classification."""
    metric = METRICS[name]
    return Known(metric.unit, metric.direction, metric.range)


def measure(columns: Columns, options: Options) -> Measured:
    """All metrics that the columns allow: those of probabilities with `logits` or `probabilities`, else of answers."""
    logits = classes.logits(columns)
    if logits is None:
        columns.need("y_pred")
        names, (y_true, answers) = OF_ANSWERS, _classes(columns)
        predictions = Predictions(y_true, np.eye(int(max(y_true.max(), answers.max())) + 1)[answers])
    else:
        names = tuple(name for name in METRICS if name not in _OF_TRAINING)
        predictions = Predictions(classes.numbered(columns, "y_true", logits.shape[1]), logits)
    found = {name: METRICS[name].measure(predictions) for name in names}
    per_row = dict(jackknife.of_answers(predictions.y_true, predictions.y_pred))
    if logits is not None:
        per_row |= jackknife.of_logits(predictions.y_true, logits)
    return Measured(
        values={name: each.value for name, each in found.items() if each.value is not None},
        per_row={name: values.astype(np.float64) for name, values in per_row.items() if name in found},
        undefined={name: each.why_null for name, each in found.items() if each.why_null is not None},
        correct=predictions.correct,
        predicted=predictions.y_pred,
        answers=(predictions.y_pred if logits is None else logits).tobytes(),
    )


def labels(columns: Columns) -> IntArray:
    """The true class of each row [N], in any numbering."""
    return np.unique(columns.texts("y_true").astype(str), return_inverse=True)[1].astype(np.int64)


def _classes(columns: Columns) -> tuple[IntArray, IntArray]:
    """True and predicted classes [N], numbered in the order of their names."""
    both = [columns.texts(name) for name in ("y_true", "y_pred")]
    for name, values in zip(("y_true", "y_pred"), both, strict=True):
        columns.refuse(values == "", name, "is empty")
    numbers, names = pd.factorize(np.concatenate(both), sort=True)
    if len(names) > len(columns) + 1:
        raise UserError(f"{columns.source}: y_pred: {shown(str(names[0]), 40)!r} and others are no classes")
    return numbers[: len(columns)].astype(np.int64), numbers[len(columns) :].astype(np.int64)


TASK = Task(
    name="classification",
    rows="images",
    plain=("y_true", "y_pred"),
    wide=("logits", "probabilities"),
    truth=("y_true",),
    primary="accuracy",
    known=known,
    measure=measure,
    labels=labels,
)
