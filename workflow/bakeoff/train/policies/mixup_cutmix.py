"""mixup or cutmix, drawn for each image, on top of another policy."""

from __future__ import annotations

from typing import Annotated, Literal

from bakeoff.plugins import Between
from bakeoff.train.policies._mixing import Beta, Cutmix, Either, Mixed, Mixup, base_policy


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
    mix = Either(Mixup(Beta(mixup_alpha), p), Cutmix(Beta(cutmix_alpha), p), switch)
    return Mixed(base_policy(base, size, flip, channels), mix)
