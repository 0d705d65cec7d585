"""Weighted means of two images and their labels (mixup, Zhang et al. 2018), on top of another policy."""

from __future__ import annotations

from typing import Annotated, Literal

from bakeoff.plugins import Between
from bakeoff.train.policies._mixing import Beta, Mixed, Mixup, base_policy


def build(
    size: int,
    flip: bool,
    channels: int = 1,
    *,
    base: Literal["none", "standard", "strong"] = "standard",
    alpha: Annotated[float, Between(0.01, 100)] = 0.2,
    p: Annotated[float, Between(0, 1)] = 1.0,
) -> Mixed:
    """The policy: weights from Beta(alpha, alpha), a pair for a fraction `p` of the images."""
    return Mixed(base_policy(base, size, flip, channels), Mixup(Beta(alpha), p))
