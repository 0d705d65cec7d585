"""What pictures of augmentation policies depend on besides the images."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Sampled(BaseModel):
    """A data set: its folder in results/data, and `policy` and `options` under the name of each of its policies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    policies: dict[str, dict[str, Any]]


class SamplesSpec(BaseModel):
    """The data sets of a study, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    datasets: dict[str, Sampled]
