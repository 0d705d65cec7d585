"""The settings of the evaluate step: which metrics, thresholds and errors."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bakeoff.evaluate.metrics import METRICS
from bakeoff.evaluate.regression import OF_TARGETS

Threshold = Annotated[float, Field(gt=0, le=1)]
KNOWN = METRICS | OF_TARGETS
"""The metrics of all tasks, by name."""
TENTHS = tuple(tenth / 10 for tenth in range(1, 11))


class EvaluateSettings(BaseModel):
    """What is worked out for each run. The order of metrics and thresholds means nothing, so it is made one order."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    metrics: tuple[str, ...] = tuple(METRICS)
    """Names of metrics, by default all (in a study of a regression, all of those)."""
    thresholds: Annotated[tuple[Threshold, ...], Field(json_schema_extra={"minItems": 1})] = TENTHS
    """Where the decisions of a data set with two classes are counted: positive when probability >= threshold."""
    positive: Annotated[str, Field(min_length=1)] | None = None
    """The class of two that counts as positive, by default the second. Only data sets with two classes heed it."""
    worst: Annotated[int, Field(ge=0, le=1000, strict=True)] = 24
    """How many of the most confident errors are listed."""
    verification: bool = False
    """Whether the embeddings of probe.embeddings are compared pair by pair, the classes taken for identities."""

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - KNOWN.keys())
        if unknown or not names:
            wrong = f"no such metric: {', '.join(unknown)}" if unknown else "names no metric"
            raise ValueError(f"{wrong}; there are {', '.join(KNOWN)}")
        return tuple(name for name in KNOWN if name in names)

    @field_validator("thresholds")
    @classmethod
    def _rising(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        if not thresholds:
            raise ValueError("names no threshold")
        return tuple(sorted(set(thresholds)))
