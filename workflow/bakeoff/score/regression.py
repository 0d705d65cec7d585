"""Regression: a number predicted for each row. scikit-learn's definitions; each row's part in each, for new rows."""

from __future__ import annotations

import numpy as np

from bakeoff.compare import jackknife
from bakeoff.compare.units import Known
from bakeoff.evaluate.regression import OF_TARGETS, Outputs
from bakeoff.score.columns import Columns
from bakeoff.score.task import Measured, Options, Task

METRICS = ("mse", "mae", "mape", "rmse", "r2")
LARGEST = 1e100
"""The squares of larger numbers, and sums of them, have no place in a float."""


def known(name: str) -> Known:
    """Unit, direction and range of a metric of regression; errors are in the unit of y_true."""
    metric = OF_TARGETS[name.partition(" (")[0]]
    unit = "" if metric.unit.startswith("target") else metric.unit
    return Known(unit, metric.direction, metric.range)


def measure(columns: Columns, options: Options) -> Measured:
    """MSE, RMSE, MAE, R2, and MAPE as a share with |y_true| counted as `options.floor` at least, which its name says.

    R2 is 1 - SS_res/SS_tot, undefined where all y_true are equal (scikit-learn says 0 or 1 there).
    """
    y_true, y_pred = columns.numbers("y_true"), columns.numbers("y_pred")
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        columns.refuse(np.abs(values) > LARGEST, name, "{} is too large to compute with")
    run = Outputs(y_true[:, None], y_pred[:, None], floor=options.floor)
    found = {name: OF_TARGETS[name].measure(run) for name in METRICS}
    per_row = jackknife.of_outputs(run.targets, run.outputs, options.floor)
    named = {name: f"mape (floor {options.floor:g})" if name == "mape" else name for name in METRICS}
    return Measured(
        values={named[name]: each.value for name, each in found.items() if each.value is not None},
        per_row={named[name]: per_row[name] for name in METRICS if name in per_row and found[name].value is not None},
        undefined={named[name]: each.why_null for name, each in found.items() if each.why_null is not None},
        answers=y_pred.tobytes(),
    )


TASK = Task(
    name="regression",
    rows="rows",
    plain=("y_true", "y_pred"),
    wide=(),
    truth=("y_true",),
    primary="rmse",
    known=known,
    measure=measure,
)
