"""What a study asks of a model, as in `latency_ms_p95 < 100 on cpu`: read strictly, and decided by an interval.

Studies are checked with this, so nothing slow is imported here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["pass", "fail", "undecided"]

COUNTED = ("params", "trainable_params", "macs", "macs_fvcore", "activations", "size_mb")
"""Columns of costs.csv that no condition changes."""
TIMED = (
    "latency_ms_p50", "latency_ms_p90", "latency_ms_p95", "latency_ms_p99", "throughput", "joules_per_image",
)  # fmt: skip
"""Those that are not to be trusted where the times of a profile are marked."""
MEASURED = (*TIMED, "peak_memory_mb", "best_batch_memory_mb", "train_memory_mb")
"""Those that hang on the condition that they are measured under."""
TRAINING = "train_seconds"
COST_COLUMNS = (*COUNTED, *MEASURED, TRAINING)

_FORM = re.compile(
    r"(?P<column>[a-z][a-z0-9_]*)\s*(?P<op>>=|<=|>|<)\s*(?P<bound>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"(?:\s+on\s+(?P<condition>\S(?:.*\S)?))?"
)
_EXAMPLE = "accuracy >= 0.9, or latency_ms_p95 < 100 on cpu"
# Of the devices, what their conditions begin with.
_PLACES = {"cpu": "cpu", "gpu": "gpu", "cuda": "gpu"}


@dataclass(frozen=True)
class Requirement:
    """One of a study's requirements: a column, an operator of >=, >, <= and <, a bound in the column's unit, and the
    condition that a cost is measured under; None is the study's first.
    """

    column: str
    op: str
    bound: float
    condition: str | None
    text: str

    @classmethod
    def read(cls, text: str) -> Requirement:
        """The requirement that is written so. Raises ValueError, with what would be right."""
        words = " ".join(text.split())
        match = _FORM.fullmatch(words)
        if match is None:
            per_cent = _FORM.fullmatch(words.replace("%", "").strip()) if "%" in words else None
            hint = "; columns have no %: 90 % of a fraction is written 0.9" if per_cent else f"; write {_EXAMPLE}"
            raise ValueError(f"is no requirement{hint}")
        bound = float(match["bound"])
        if not math.isfinite(bound):
            raise ValueError(f"{match['bound']} is too large a bound")
        condition = match["condition"]
        plain = f"{match['column']} {match['op']} {match['bound']}" + (f" on {condition}" if condition else "")
        return cls(match["column"], match["op"], bound, condition, plain)

    @property
    def at_least(self) -> bool:
        """Whether large values meet it."""
        return self.op.startswith(">")

    def holds(self, value: float) -> bool:
        """Whether a value meets it."""
        signed, bound = (value, self.bound) if self.at_least else (-value, -self.bound)
        return signed >= bound if self.op.endswith("=") else signed > bound

    def verdict(self, interval: tuple[float, float] | None) -> Verdict:
        """Pass where both ends of an interval meet it, fail where neither does. Without an interval nothing is decided.

        A narrower interval within this one never turns pass into fail, nor either of them into undecided.
        """
        if interval is None:
            return "undecided"
        met = {self.holds(end) for end in interval}
        return "undecided" if len(met) > 1 else "pass" if met.pop() else "fail"

    def shortfall(self, value: float) -> float:
        """How far a value is on the wrong side, as a share of the bound; 0 on the right side."""
        if self.holds(value):
            return 0.0
        return abs(value - self.bound) / (abs(self.bound) or 1.0)


# --- conditions ---------------------------------------------------------------------------------------------------


def condition_of(asked: str | None, conditions: Collection[str]) -> str:
    """The condition, of those of a study in its order, that `asked` names: by its whole label, or as cpu or gpu where
    there is one of that kind. Raises ValueError where none or several are meant.
    """
    labels = list(conditions)
    if asked is None:
        return labels[0]
    whole = [label for label in labels if label.lower() == asked.lower()]
    place = _PLACES.get(asked.lower())
    of_kind = [label for label in labels if place and label.lower().startswith(place)]
    # `auto` is a GPU where there is one; which it was is known when it was measured.
    found = whole or of_kind or [label for label in labels if place and label.startswith("auto")]
    if len(found) > 1:
        raise ValueError(f"on {asked}: is several conditions of profile:; name one of {'; '.join(found)}")
    if not found:
        raise ValueError(f"on {asked}: is no condition of profile:; the study has {'; '.join(labels)}")
    return found[0]


def is_measured_on(asked: str | None, condition: str) -> bool:
    """Whether a profile's own condition is of the kind that was asked for as cpu or gpu."""
    place = _PLACES.get((asked or "").lower())
    return place is None or condition.lower().startswith(place)
