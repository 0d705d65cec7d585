"""TrivialAugment of torchvision, image by image, after crop and flip."""

from __future__ import annotations

from typing import Annotated

from bakeoff.plugins import Between
from bakeoff.train.policies._each import Each
from bakeoff.train.policies.per_image._torchvision import Seeded


def build(
    size: int,
    flip: bool,
    channels: int = 1,
    *,
    crop_flip: bool = True,
    padding: Annotated[float, Between(0, 1)] = 0.125,
) -> Each:
    """The policy, after crop and flip unless `crop_flip` is false."""
    from torchvision.transforms import InterpolationMode, v2

    transform = v2.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR)
    return Each(Seeded(transform, round(padding * size) if crop_flip else None, flip), "per_image/trivialaugment")
