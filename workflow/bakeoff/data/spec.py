"""The settings of a data set in a study: all that the prepared arrays depend on."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, lt=1)]


class DataSettings(BaseModel):
    """How the images of a source become arrays and splits. The split is drawn once, the same for all runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: Annotated[int, Field(ge=4, le=1024)] | None = None
    """Side in pixels; images are resized in `prepare`, once. Default: the size of the source."""
    val_fraction: Fraction = 0.15
    """Share of the images that are not test images and serve to choose the best epoch."""
    test_fraction: Fraction = 0.25
    """Share of all images that are test images, for a source without an official test set."""
    split_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
