"""The recipe: the settings of training, equal for all models that a study compares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Recipe(BaseModel):
    """How a network is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: Annotated[int, Field(ge=1)] = 20
    batch_size: Annotated[int, Field(ge=2)] = 64
    optimizer: Literal["sgd", "adamw"] = "adamw"
    lr: Positive = 1e-3
    """Peak learning rate, reached at the end of the warm-up."""
    weight_decay: NotNegative = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Of SGD (Nesterov); AdamW does not use it."""
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: NotNegative = 1.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip_grad_norm: Positive | None = None
    train_images: Annotated[int, Field(ge=2)] | Literal["all"] = "all"
    """A stratified choice of so many training images (batch norm needs two); smaller choices are among larger ones."""
