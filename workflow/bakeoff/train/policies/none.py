"""No augmentation: the images as they are."""

from __future__ import annotations

from torch import Tensor


class Identity:
    """Draws nothing and changes nothing."""

    draws = 0

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] as they are."""
        return images


def build(size: int, flip: bool) -> Identity:
    """The policy; size and flip make no difference to it."""
    return Identity()
