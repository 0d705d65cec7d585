"""The settings of the evaluate step: which metrics."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator

from bakeoff.evaluate.metrics import METRICS


class EvaluateSettings(BaseModel):
    """`metrics`: names of metrics, by default all. Their order means nothing, so it is made one order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: tuple[str, ...] = tuple(METRICS)

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - METRICS.keys())
        if unknown or not names:
            wrong = f"no such metric: {', '.join(unknown)}" if unknown else "names no metric"
            raise ValueError(f"{wrong}; there are {', '.join(METRICS)}")
        return tuple(name for name in METRICS if name in names)
