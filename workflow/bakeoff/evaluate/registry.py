"""What a metric is, and the table of all that there are. Naming them must stay cheap: no number cruncher here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from bakeoff.evaluate.predictions import Predictions
    from bakeoff.evaluate.regression import Outputs

Unit = Literal["fraction", "nats", "coefficient", "squared error", "relative error", "target", "target squared"]
Direction = Literal["max", "min"]


class UndefinedError(Exception):
    """There is no such value on these predictions; the message says why."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval over test images; no ends where there is no interval."""

    value: float
    lo: float | None
    hi: float | None


# Of the Predictions of a classification, or the Outputs of a regression.
Compute = Callable[[Any], float | Estimate]
Entered = TypeVar("Entered", bound=Compute)


@dataclass(frozen=True)
class Measurement:
    """One metric of one run, as `metrics.json` holds it. `value` is None exactly when `why_null` is not."""

    value: float | None
    lo: float | None
    hi: float | None
    unit: str
    direction: Direction
    why_null: str | None


@dataclass(frozen=True)
class Metric:
    """A metric with its unit, which direction is better, its range (None: unbounded) and who defined it."""

    name: str
    unit: Unit
    direction: Direction
    range: tuple[float, float | None]
    source: str
    compute: Compute

    @property
    def best(self) -> float | None:
        """The end of the range that is better than all else."""
        return self.range[1 if self.direction == "max" else 0]

    @property
    def about(self) -> str:
        """What it is, in one line."""
        return (self.compute.__doc__ or "").strip().partition("\n")[0]

    def measure(self, predictions: Predictions | Outputs) -> Measurement:
        """The value on these predictions, or why there is none."""
        try:
            found = self.compute(predictions)
        except UndefinedError as reason:
            return self.null(str(reason))
        estimate = found if isinstance(found, Estimate) else Estimate(found, None, None)
        if not math.isfinite(estimate.value):
            return self.null("is not a finite number on these logits")
        return Measurement(estimate.value, estimate.lo, estimate.hi, self.unit, self.direction, None)

    def null(self, why: str) -> Measurement:
        """No value, for a reason that lies outside the predictions."""
        return Measurement(None, None, None, self.unit, self.direction, why)


METRICS: dict[str, Metric] = {}
"""Of classification."""
OF_TARGETS: dict[str, Metric] = {}
"""Of regression."""


def metric(
    unit: Unit,
    direction: Direction,
    range: tuple[float, float | None],
    source: str,
    table: dict[str, Metric] = METRICS,
) -> Callable[[Entered], Entered]:
    """Enter the decorated function under its own name; it may raise UndefinedError."""

    def enter(compute: Entered) -> Entered:
        table[compute.__name__] = Metric(compute.__name__, unit, direction, range, source, compute)
        return compute

    return enter
