"""No augmentation: the images as they are."""

from __future__ import annotations

from torch import Tensor


class Identity:
    """Draws nothing and changes nothing."""

    draws = 0
    mix = None
    host = False

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] as they are."""
        return images


def build(size: int, flip: bool, channels: int = 1) -> Identity:
    """The policy; size, flip and channels make no difference to it."""
    return Identity()
