"""The settings of the profile step."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Positive = Annotated[int, Field(ge=1, strict=True)]


class ProfileSettings(BaseModel):
    """How costs are measured.

    Latency takes at least `min_calls` calls and `min_seconds` seconds; throughput takes up to `min_seconds` seconds for
    each batch size 1, 2, 4, ... up to `max_batch`. `auto` is cuda where there is a GPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[Positive, Field(le=1024)] = 1
    min_calls: Annotated[Positive, Field(le=1_000_000)] = 200
    min_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 2.0
    max_batch: Annotated[Positive, Field(le=65536)] = 256


class ModelSpec(BaseModel):
    """Which network: `name` is its id in tables, `builder` and `options` are for the registry of models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    builder: str
    options: dict[str, Any] = {}


class ProfileSpec(ProfileSettings):
    """One job: a model on images [channels, size, size] of so many classes."""

    model: ModelSpec
    input: tuple[Positive, Positive, Positive]
    classes: Positive

    @field_validator("input")
    @classmethod
    def _square(cls, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        if shape[1] != shape[2]:
            raise ValueError("must be [channels, size, size]: images are square")
        return shape
