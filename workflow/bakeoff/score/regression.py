"""Regression: a number, or several, for each row. scikit-learn's definitions; each row's part in each, for new rows."""

from __future__ import annotations

import numpy as np

from bakeoff.compare import jackknife
from bakeoff.compare.units import Known
from bakeoff.errors import UserError
from bakeoff.evaluate.regression import OF_TARGETS, Outputs
from bakeoff.score.columns import Columns, FloatArray
from bakeoff.score.task import Measured, Options, Task

METRICS = ("mse", "mae", "mape", "rmse", "r2")
OF_POINTS = ("distance",)
TARGETS, OUTPUTS = "targets", "outputs"
LARGEST = 1e100
"""The squares of larger numbers, and sums of them, have no place in a float."""


def known(name: str) -> Known:
    """Unit, direction and range of a metric of regression; errors are in the unit of y_true."""
    metric = OF_TARGETS[name.partition(" (")[0]]
    unit = "" if metric.unit.startswith("target") else metric.unit
    return Known(unit, metric.direction, metric.range)


def measure(columns: Columns, options: Options) -> Measured:
    """MSE, RMSE, MAE, R2, and MAPE as a share with |y_true| counted as `options.floor` at least, which its name says.

    R2 is 1 - SS_res/SS_tot, undefined where all y_true are equal (scikit-learn says 0 or 1 there). Of several numbers a
    row, means over them; of two, which are taken for a point, the mean distance too.
    """
    targets, outputs = _numbers(columns)
    run = Outputs(targets, outputs, floor=options.floor)
    names = METRICS + OF_POINTS * (targets.shape[1] == 2)
    found = {name: OF_TARGETS[name].measure(run) for name in names}
    per_row = jackknife.of_outputs(targets, outputs, options.floor)
    named = {name: f"mape (floor {options.floor:g})" if name == "mape" else name for name in names}
    return Measured(
        values={named[name]: each.value for name, each in found.items() if each.value is not None},
        per_row={named[name]: per_row[name] for name in names if name in per_row and found[name].value is not None},
        undefined={named[name]: each.why_null for name, each in found.items() if each.why_null is not None},
        answers=outputs.tobytes(),
    )


def _numbers(columns: Columns) -> tuple[FloatArray, FloatArray]:
    """What is true and what is predicted [N, d]: `targets` and `outputs`, or one number a row."""
    if TARGETS in columns or OUTPUTS in columns:
        columns.need(TARGETS, OUTPUTS)
        found = {name: columns.matrix(name) for name in (TARGETS, OUTPUTS)}
    else:
        found = {name: columns.numbers(name)[:, None] for name in ("y_true", "y_pred")}
    for name, values in found.items():
        columns.refuse((np.abs(values) > LARGEST).any(axis=1), name, "{} is too large to compute with")
    (_, truth), (name, predicted) = found.items()
    if truth.shape != predicted.shape:
        raise UserError(
            f"{columns.source}: {name}: has {predicted.shape[1]} numbers a row, and {truth.shape[1]} are true"
        )
    return truth, predicted


TASK = Task(
    name="regression",
    rows="rows",
    plain=("y_true", "y_pred"),
    wide=(TARGETS, OUTPUTS),
    truth=("y_true", TARGETS),
    primary="rmse",
    known=known,
    measure=measure,
)
