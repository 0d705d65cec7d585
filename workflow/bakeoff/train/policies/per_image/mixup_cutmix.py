"""mixup or cutmix on top of another policy, image by image."""

from __future__ import annotations

from typing import Annotated, Literal

from bakeoff.plugins import Between
from bakeoff.train.policies._mixing import Mixed
from bakeoff.train.policies.per_image._mixing import EachMix, base_policy


def build(
    size: int,
    flip: bool,
    channels: int = 1,
    *,
    base: Literal["none", "standard", "strong"] = "standard",
    mixup_alpha: Annotated[float, Between(0.01, 100)] = 0.2,
    cutmix_alpha: Annotated[float, Between(0.01, 100)] = 1.0,
    switch: Annotated[float, Between(0, 1)] = 0.5,
    p: Annotated[float, Between(0, 1)] = 1.0,
) -> Mixed:
    """The policy: one of the two for a fraction `p` of the images, which is cutmix for a fraction `switch` of those."""
    return Mixed(base_policy(base, size, flip, channels), EachMix(mixup_alpha, cutmix_alpha, switch, p))
