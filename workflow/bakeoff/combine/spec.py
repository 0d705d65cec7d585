"""The settings of the combine step: which ensembles a study has, and one job's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["mean", "weighted", "vote", "tta"]
Digest12 = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$")]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ensemble(_Settings):
    """Several runs asked together: of several models at each seed, or of all seeds of the models named.

    `mean` averages probabilities, `weighted` with weights fitted on validation images, `vote` counts answers.
    """

    name: Id
    models: Annotated[list[Id], Field(min_length=1)]
    over: Literal["models", "seeds"] = "models"
    method: Literal["mean", "weighted", "vote"] = "mean"


class Member(_Settings):
    """A run that is part of another: its model, the digest of its settings, its seed if that is not the other's."""

    model: Id
    spec: Digest12
    seed: Annotated[int, Field(ge=0)] | None = None


class CombineSpec(_Settings):
    """One job: how the predictions of which runs become one run's.

    For test-time augmentation `probe` is the digest of the settings of the member's probe, whose predictions are taken
    instead of the run's own.
    """

    method: Method
    members: Annotated[tuple[Member, ...], Field(min_length=1)]
    probe: Digest12 | None = None


class CostPart(_Settings):
    """A model in a combined run: its profile, how many networks of it, and how many passes; None: as the run says."""

    profile: Digest12
    networks: Annotated[int, Field(ge=1)]
    passes: Annotated[int, Field(ge=1)] | None


class CostSpec(_Settings):
    """What a combined run's costs depend on."""

    model: Id
    parts: Annotated[tuple[CostPart, ...], Field(min_length=1)]
