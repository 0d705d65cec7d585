"""The metrics of classification. To add one, write its function here under `@metric(...)`: nothing else changes.

Names, units and directions are read when a study is validated, so numpy, scipy and scikit-learn are imported only
inside the functions. Where scikit-learn has the metric, the value is scikit-learn's at its defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.floating]

Unit = Literal["fraction", "nats"]
Direction = Literal["max", "min"]


class UndefinedError(Exception):
    """The metric has no value on these predictions; the message says why."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """True classes [N] in 0..C-1 and finite logits [N, C] of the same images; N and C at least 1."""

    y_true: IntArray
    logits: FloatArray

    @cached_property
    def log_proba(self) -> FloatArray:
        """Log-softmax of the logits in float64 [N, C]; it does not underflow where the softmax would."""
        from scipy.special import log_softmax

        rows: FloatArray = log_softmax(self.logits.astype("float64"), axis=1)
        return rows

    @cached_property
    def y_pred(self) -> IntArray:
        """Class of the largest logit [N]; among equals the first."""
        classes: IntArray = self.logits.argmax(axis=1)
        return classes


Compute = Callable[[Predictions], float]


@dataclass(frozen=True)
class Measurement:
    """One metric of one run, as `metrics.json` holds it. `value` is None exactly when `why_null` is not."""

    value: float | None
    unit: Unit
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
        """The end of the range that perfect predictions reach."""
        return self.range[1 if self.direction == "max" else 0]

    def measure(self, predictions: Predictions) -> Measurement:
        """The value on these predictions, or why there is none."""
        try:
            value = self.compute(predictions)
        except UndefinedError as reason:
            return self.null(str(reason))
        if not math.isfinite(value):
            return self.null("is not a finite number on these logits")
        return Measurement(value, self.unit, self.direction, None)

    def null(self, why: str) -> Measurement:
        """No value, for a reason that lies outside the predictions."""
        return Measurement(None, self.unit, self.direction, why)


METRICS: dict[str, Metric] = {}


def metric(
    unit: Unit, direction: Direction, range: tuple[float, float | None], source: str
) -> Callable[[Compute], Compute]:
    """Enter the decorated function under its own name; it may raise UndefinedError."""

    def enter(compute: Compute) -> Compute:
        METRICS[compute.__name__] = Metric(compute.__name__, unit, direction, range, source, compute)
        return compute

    return enter


@metric("fraction", "max", (0.0, 1.0), "share of images whose largest logit is that of the true class")
def accuracy(p: Predictions) -> float:
    """Share of right answers."""
    return float((p.y_pred == p.y_true).mean())


@metric("fraction", "max", (0.0, 1.0), "Brodersen et al. 2010; sklearn.metrics.balanced_accuracy_score")
def balanced_accuracy(p: Predictions) -> float:
    """Mean recall of the classes that occur in the test labels."""
    from sklearn.metrics import recall_score

    present = sorted(set(p.y_true.tolist()))
    return float(recall_score(p.y_true, p.y_pred, labels=present, average="macro"))


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.f1_score(average='macro')")
def macro_f1(p: Predictions) -> float:
    """Mean F1 of the classes that occur in the test labels or among the answers."""
    from sklearn.metrics import f1_score

    return float(f1_score(p.y_true, p.y_pred, average="macro"))


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.roc_auc_score(multi_class='ovr')")
def auroc_ovr(p: Predictions) -> float:
    """Mean area under the ROC curve of each class against the rest, ranked by softmax probability in float64.

    Undefined when a class has no test image: a mean over the other classes would be another quantity under this name.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score

    classes = p.logits.shape[1]
    if classes < 2:
        raise UndefinedError("there is only one class")
    missing = sorted(set(range(classes)) - set(p.y_true.tolist()))
    if missing:
        raise UndefinedError(f"{len(missing)} of {classes} classes have no test image")
    # As indicators, so that two classes are treated like many.
    truth = np.arange(classes) == p.y_true[:, None]
    return float(roc_auc_score(truth, np.exp(p.log_proba), average="macro"))


@metric("nats", "min", (0.0, None), "Good 1952; sklearn.metrics.log_loss without its clipping")
def log_loss(p: Predictions) -> float:
    """Mean of -log(probability given to the true class)."""
    # Adding zero makes the -0.0 of perfect predictions a 0.0.
    return float(-p.log_proba[range(len(p.y_true)), p.y_true].mean() + 0.0)
