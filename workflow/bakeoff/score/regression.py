"""Regression: a number predicted for each row. scikit-learn's definitions; each row's part in each, for new rows."""

from __future__ import annotations

import math

import numpy as np

from bakeoff.compare.units import Known
from bakeoff.score.columns import Columns, FloatArray
from bakeoff.score.task import Measured, Options, Task, pseudo_values

LARGEST = 1e100
"""The squares of larger numbers, and sums of them, have no place in a float."""


def known(name: str) -> Known:
    """Unit, direction and range of a metric of regression; errors are in the unit of y_true."""
    match name.partition(" (")[0]:
        case "r2":
            return Known("coefficient", "max", (-math.inf, 1.0))
        case "mape":
            return Known("relative error", "min", (0.0, None))
        case _:
            return Known("", "min", (0.0, None))


def measure(columns: Columns, options: Options) -> Measured:
    """MSE, RMSE, MAE, R2, and MAPE as a share with |y_true| counted as `options.floor` at least, which its name says.

    R2 is 1 - SS_res/SS_tot, undefined where all y_true are equal (scikit-learn says 0 or 1 there).
    """
    y_true, y_pred = columns.numbers("y_true"), columns.numbers("y_pred")
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        columns.refuse(np.abs(values) > LARGEST, name, "{} is too large to compute with")
    off: FloatArray = y_pred - y_true
    squared, absolute = off**2, np.abs(off)
    relative = absolute / np.maximum(np.abs(y_true), options.floor)
    mape = f"mape (floor {options.floor:g})"
    per_row: dict[str, FloatArray] = {"mse": squared, "mae": absolute, mape: relative}
    found: dict[str, float] = {name: float(each.mean()) for name, each in per_row.items()}
    found["rmse"] = math.sqrt(found["mse"])
    undefined = {}
    if len(off) > 1:
        per_row["rmse"] = pseudo_values(found["rmse"], np.sqrt(_without(squared) / (len(off) - 1)))
    spread = (y_true - y_true.mean()) ** 2
    if spread.sum() > 0:
        found["r2"] = 1 - float(squared.sum() / spread.sum())
        # Without a row the mean moves as well: its sum of squares is less by n/(n-1) of the row's own (Welford 1962).
        left = spread.sum() - spread * len(off) / max(len(off) - 1, 1)
        if (left > 1e-12 * spread.sum()).all():
            per_row["r2"] = pseudo_values(found["r2"], 1 - _without(squared) / left)
    else:
        undefined["r2"] = "all y_true are equal"
    return Measured(found, per_row, undefined, answers=y_pred.tobytes())


def _without(values: FloatArray) -> FloatArray:
    """The sum of all but each [N]; rounding may not make it negative."""
    rest: FloatArray = np.maximum(values.sum() - values, 0.0)
    return rest


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
