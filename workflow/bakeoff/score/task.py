"""What a task is: which columns its files have, which metrics it is judged by, and what each row does to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bakeoff.compare.units import Known
from bakeoff.score.columns import Columns, FloatArray, IntArray


@dataclass(frozen=True)
class Options:
    """What a user says of all files of a task.

    `floor`: of a relative error, what |y_true| counts as at least. `far`: false accept rates to give the TAR at.
    `reference`: the features that generated ones are held against. `features`: the name of what made them.
    """

    floor: float = 1e-3
    far: tuple[float, ...] = (1e-1, 1e-2, 1e-3)
    reference: Columns | None = None
    features: str | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """The metrics of one run, and what each row [N] does to them (`bakeoff.compare.jackknife`).

    `undefined` says by metric why there is no value. `correct` and `predicted` [N] are there where rows have classes;
    `answers` are bytes that are the same for two runs that answer the same.
    """

    values: Mapping[str, float]
    per_row: Mapping[str, FloatArray] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    correct: npt.NDArray[np.bool_] | None = None
    predicted: IntArray | None = None
    answers: bytes = b""


@dataclass(frozen=True)
class Task:
    """One kind of predictions. `plain` and `wide` are the columns that are read (`columns.read`), `truth` those that
    must be the same in all files; `rows` is what a row is. With `aligned`, all runs have the same rows, in any order.
    """

    name: str
    rows: str
    plain: tuple[str, ...]
    wide: tuple[str, ...]
    truth: tuple[str, ...]
    primary: str
    known: Callable[[str], Known]
    measure: Callable[[Columns, Options], Measured]
    labels: Callable[[Columns], IntArray] | None = None
    """The class of each row [N], of a task that has classes."""
    aligned: bool = True
    notes: tuple[str, ...] = ()
    """What a reader must know of the numbers."""


def pseudo_values(whole: float, without: FloatArray) -> FloatArray:
    """Jackknife pseudo-values [N] of a metric: `whole` of all rows, `without` [N] of all but each.

    Shifted so that their mean is the metric (Hillis, Obuchowski, Schartz & Berbaum 2005).
    """
    values: FloatArray = len(without) * whole - (len(without) - 1) * without
    shifted: FloatArray = values + (whole - values.mean())
    return shifted
