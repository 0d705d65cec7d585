"""TrivialAugment of torchvision, image by image, after crop and flip."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torchvision.transforms import InterpolationMode, v2

from bakeoff.plugins import Between
from bakeoff.train.policies._each import Each
from bakeoff.train.policies.per_image._torchvision import Seeded


class Wide(v2.TrivialAugmentWide):  # type: ignore[misc, unused-ignore]
    """The wide space; small images are moved by at most their size, where torchvision's 32 pixels would empty them."""

    def __init__(self, size: int) -> None:
        super().__init__(interpolation=InterpolationMode.BILINEAR)
        self.reach = min(32, size)

    @property
    def _AUGMENTATION_SPACE(self) -> dict[str, Any]:  # noqa: N802 - torchvision's name
        def pixels(bins: int, height: int, width: int) -> torch.Tensor:
            return torch.linspace(0, self.reach, bins)

        moves = dict.fromkeys(("TranslateX", "TranslateY"), (pixels, True))
        return {**v2.TrivialAugmentWide._AUGMENTATION_SPACE, **moves}


def build(
    size: int,
    flip: bool,
    channels: int = 1,
    *,
    crop_flip: bool = True,
    padding: Annotated[float, Between(0, 1)] = 0.125,
) -> Each:
    """The policy, after crop and flip unless `crop_flip` is false."""
    return Each(Seeded(Wide(size), round(padding * size) if crop_flip else None, flip), "per_image/trivialaugment")
