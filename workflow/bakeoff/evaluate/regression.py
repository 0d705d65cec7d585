"""The metrics of regression. To add one, write its function here under `@metric(...)`: nothing else changes.

Where scikit-learn has the metric, the value is scikit-learn's at its defaults: of several targets, the mean of what
each of them gives. Units "target" and "target squared" become those of the targets, where these have one in common.

Names, units and directions are read when a study is validated, so nothing here imports numpy before a metric is worked
out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from bakeoff.evaluate.registry import OF_TARGETS, Measurement, UndefinedError
from bakeoff.evaluate.registry import metric as enter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["OF_TARGETS", "Outputs", "in_units"]

FLOOR = 1e-3
"""Of a relative error, what |target| counts as at least."""

metric = partial(enter, table=OF_TARGETS)


@dataclass(frozen=True, eq=False)
class Outputs:
    """Finite targets and outputs [N, d] of the same images; N and d at least 1. `units` [d] are "" where not known."""

    targets: NDArray[np.floating[Any]]
    outputs: NDArray[np.floating[Any]]
    units: tuple[str, ...] = ()
    floor: float = FLOOR

    @cached_property
    def off(self) -> NDArray[np.float64]:
        """Output minus target [N, d]."""
        off: NDArray[np.float64] = self.outputs.astype("float64") - self.targets.astype("float64")
        return off


def in_units(found: Measurement, units: Sequence[str]) -> Measurement:
    """A measurement in the unit of the targets; "" where they have none in common."""
    unit = units[0] if len(set(units)) == 1 else ""
    of_targets = {"target": unit, "target squared": unit and f"{unit}²"}
    return replace(found, unit=of_targets.get(found.unit, found.unit))


@metric("target", "min", (0.0, None), "sklearn.metrics.root_mean_squared_error")
def rmse(p: Outputs) -> float:
    """Root of the mean squared error; of several targets, the mean of their roots."""
    return float(((p.off**2).mean(axis=0) ** 0.5).mean())


@metric("target squared", "min", (0.0, None), "sklearn.metrics.mean_squared_error")
def mse(p: Outputs) -> float:
    """Mean squared error."""
    return float((p.off**2).mean())


@metric("target", "min", (0.0, None), "sklearn.metrics.mean_absolute_error")
def mae(p: Outputs) -> float:
    """Mean absolute error."""
    return float(abs(p.off).mean())


def are_a_point(units: Sequence[str]) -> bool:
    """Whether targets of these units are the two coordinates of a point in a plane."""
    return len(units) == 2 and len(set(units)) == 1


@metric("target", "min", (0.0, None), "mean Euclidean norm of output minus target, of two targets")
def distance(p: Outputs) -> float:
    """Mean distance from the predicted to the true point, of two targets in one unit."""
    if not are_a_point(p.units or [""] * p.off.shape[1]):
        raise UndefinedError("there are not two targets in one unit, so they are no point in a plane")
    return float(((p.off**2).sum(axis=1) ** 0.5).mean())


@metric("coefficient", "max", (float("-inf"), 1.0), "sklearn.metrics.r2_score")
def r2(p: Outputs) -> float:
    """Share of the targets' variance that is explained: 1 all, 0 as much as their mean does."""
    if (p.targets.min(axis=0) == p.targets.max(axis=0)).any():  # their mean, rounded, may be another
        raise UndefinedError("a target is the same for all images")
    spread = ((p.targets.astype("float64") - p.targets.mean(axis=0, dtype="float64")) ** 2).sum(axis=0)
    return float((1 - (p.off**2).sum(axis=0) / spread).mean())


@metric("relative error", "min", (0.0, None), "sklearn.metrics.mean_absolute_percentage_error, |target| at least 0.001")
def mape(p: Outputs) -> float:
    """Mean absolute error relative to the target, which counts as 0.001 at least."""
    return float((abs(p.off) / abs(p.targets.astype("float64")).clip(min=p.floor)).mean())
