"""CutMix on top of another policy, image by image."""

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
    alpha: Annotated[float, Between(0.01, 100)] = 1.0,
    p: Annotated[float, Between(0, 1)] = 1.0,
) -> Mixed:
    """The policy: areas from Beta(alpha, alpha), a box for a fraction `p` of the images."""
    return Mixed(base_policy(base, size, flip, channels), EachMix(alpha, alpha, 1.0, p))
