"""The settings of the profile step: the conditions that a model is measured under, and one measurement's."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

Positive = Annotated[int, Field(ge=1, strict=True)]
Threads = Annotated[Positive, Field(le=1024)]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Backend = Literal["eager", "compile", "onnxruntime"]

NO_GPU = "no GPU"
"""What a profile failed for that a GPU was asked for and not found."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(_Settings):
    """What a cost is measured with; `auto` is cuda where there is a GPU. Weights and images have the precision."""

    device: Device = "auto"
    threads: Threads = 1
    precision: Precision = "fp32"
    backend: Backend = "eager"
    channels_last: bool = True

    @property
    def label(self) -> str:
        """As tables name it, such as "CPU, 2 threads, bf16"; what goes without saying is left out."""
        if self.device == "cuda":
            place = "GPU"
        else:
            place = f"{self.device.replace('cpu', 'CPU')}, {self.threads} thread{'s' if self.threads > 1 else ''}"
        unusual = (name for name in (self.precision, self.backend) if name not in ("fp32", "eager"))
        return ", ".join([place, *unusual])

    def misfit(self) -> str | None:
        """Why there is no such measurement, on any machine; None where there is."""
        if self.precision == "tf32" and self.device == "cpu":
            return "tf32 is an arithmetic of GPUs"
        if self.backend == "onnxruntime" and self.precision != "fp32":
            return "onnxruntime is measured in fp32"
        if self.backend == "onnxruntime" and self.device == "cuda":
            return "onnxruntime is measured on the CPU"
        return None


class _Effort(_Settings):
    """Latency takes at least `min_calls` calls and `min_seconds` seconds; throughput takes up to `min_seconds` seconds
    for each batch size 1, 2, 4, ... up to `max_batch`.
    """

    min_calls: Annotated[Positive, Field(le=1_000_000)] = 200
    min_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 2.0
    max_batch: Annotated[Positive, Field(le=65536)] = 256


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("distinct", "names something twice")
    return values


class ProfileSettings(_Effort):
    """The conditions that costs are measured under: each device, with each number of CPU threads, precision and back
    end that it has. The first of them is the one that tables and plots show first.
    """

    devices: Annotated[list[Device], Field(min_length=1)] = ["auto"]
    threads: Annotated[list[Threads], Field(min_length=1)] = [1]
    """CPU threads. A GPU is measured with the first number alone: its host only hands it work."""
    precisions: Annotated[list[Precision], Field(min_length=1)] = ["fp32"]
    """tf32 is for GPUs."""
    backends: Annotated[list[Backend], Field(min_length=1)] = ["eager"]
    """onnxruntime is measured on the CPU, in fp32."""
    channels_last: bool = True
    """Memory order of images and convolutions, one for all models: it changes speed by up to a half."""

    _unique = field_validator("devices", "threads", "precisions", "backends")(_distinct)

    @model_validator(mode="after")
    def _all_have_a_condition(self) -> Self:
        conditions = self.conditions()
        for key, name, values in (
            ("devices", "device", self.devices),
            ("precisions", "precision", self.precisions),
            ("backends", "backend", self.backends),
        ):
            for value in values:
                if value not in {getattr(condition, name) for condition in conditions}:
                    text = next(filter(None, (c.misfit() for c in self._product() if getattr(c, name) == value)))
                    raise PydanticCustomError("condition", "{text}", {"key": key, "text": f"{value}: {text}"})
        return self

    def conditions(self) -> list[Condition]:
        """The combinations that there are, in the order of the study file."""
        return [c for c in self._product() if c.misfit() is None]

    def _product(self) -> list[Condition]:
        return [
            Condition(
                device=device, threads=threads, precision=precision, backend=backend, channels_last=self.channels_last
            )
            for device, threads, precision, backend in product(
                self.devices, self.threads, self.precisions, self.backends
            )
            if device != "cuda" or threads == self.threads[0]
        ]

    def effort(self) -> dict[str, Any]:
        """How long and how far is measured, under any condition."""
        return self.model_dump(include=set(_Effort.model_fields))


class ModelSpec(_Settings):
    """Which network: `name` is its id in tables, `builder` and `options` are for the registry of models."""

    name: str
    builder: str
    options: dict[str, Any] = {}


class TrainingStep(_Settings):
    """The step of training whose memory is measured; of several recipes in a study, that of the largest batch."""

    batch_size: Positive
    optimizer: Literal["sgd", "adam", "adamw", "lamb"] = "adamw"
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    channels_last: bool = True


class ProfileSpec(Condition, _Effort):
    """One job: a model on images [channels, size, size] of so many classes, under one condition."""

    model: ModelSpec
    input: tuple[Positive, Positive, Positive]
    classes: Positive
    training: TrainingStep | None = None

    @field_validator("input")
    @classmethod
    def _square(cls, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        if shape[1] != shape[2]:
            raise ValueError("must be [channels, size, size]: images are square")
        return shape

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if text := self.misfit():
            raise ValueError(text)
        return self
