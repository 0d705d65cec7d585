"""Padded random crop and mirror image, image by image with PIL."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated

import numpy as np
from PIL import Image, ImageOps

from bakeoff.errors import UserError
from bakeoff.plugins import Between
from bakeoff.train.policies._each import Each, Pixels


def to_pil(image: Pixels) -> Image.Image:
    """An image [S, S, 1] or [S, S, 3] for PIL."""
    if image.shape[2] not in (1, 3):
        raise UserError(f"PIL has no images of {image.shape[2]} channels; take the policy without per_image/")
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def crop_flip(picture: Image.Image, random: Random, padding: int, flip: bool) -> Image.Image:
    """The crop, and the mirror image half of the time where that is allowed."""
    size = picture.width
    left, top = random.randint(0, 2 * padding), random.randint(0, 2 * padding)
    picture = ImageOps.expand(picture, border=padding).crop((left, top, left + size, top + size))
    return ImageOps.mirror(picture) if flip and random.random() < 0.5 else picture


@dataclass(frozen=True)
class CropFlip:
    """The policy; padding in pixels."""

    padding: int
    flip: bool

    def __call__(self, image: Pixels, seed: int) -> Pixels:
        """An image [S, S, C] changed."""
        return np.asarray(crop_flip(to_pil(image), Random(seed), self.padding, self.flip))


def build(size: int, flip: bool, channels: int = 1, *, padding: Annotated[float, Between(0, 1)] = 0.125) -> Each:
    """The policy for images of `size` pixels; `padding` is a fraction of the size, from 0 to 1."""
    return Each(CropFlip(round(padding * size), flip), "per_image/standard")
