"""Crop, flip, affine map, colours and random erasing, image by image with PIL."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Annotated

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from bakeoff.plugins import Between
from bakeoff.train.policies._each import Each, Pixels
from bakeoff.train.policies.per_image.standard import to_pil

_FRAME = 2  # black pixels around the image: PIL does not interpolate towards what lies outside


@dataclass(frozen=True)
class Strong:
    """See the batched policy of this name for what the settings are."""

    flip: bool
    padding: int
    degrees: float
    scale: float
    shift: float
    shear: float
    jitter: float
    erase: float

    def __call__(self, image: Pixels, seed: int) -> Pixels:
        """An image [S, S, C] changed."""
        random = Random(seed)
        picture = self.moved(to_pil(image), random)
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            if enhance is not ImageEnhance.Color or picture.mode == "RGB":
                picture = enhance(picture).enhance(random.uniform(1 - self.jitter, 1 + self.jitter))
        return self.erased(np.array(picture), random)

    def moved(self, picture: Image.Image, random: Random) -> Image.Image:
        """Mirrored, sheared, scaled and turned about its middle, then moved."""
        size = picture.width
        if self.flip and random.random() < 0.5:
            picture = ImageOps.mirror(picture)
        slope = math.tan(math.radians(random.uniform(-self.shear, self.shear)))
        angle = math.radians(random.uniform(-self.degrees, self.degrees))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        forth = random.uniform(1 - self.scale, 1 + self.scale) * turn @ np.array([[1, slope], [0, 1]])
        reach = self.shift * size
        offset = [random.randint(-self.padding, self.padding) + random.uniform(-reach, reach) for _ in "xy"]
        back = np.linalg.inv(forth)
        middle = np.full(2, size / 2)
        start = middle + _FRAME - back @ (middle + offset)
        matrix = (*back[0], start[0], *back[1], start[1])
        framed = ImageOps.expand(picture, border=_FRAME)
        return framed.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)

    def erased(self, image: Pixels, random: Random) -> Pixels:
        """With a box in one grey level, at times."""
        if random.random() >= self.erase:
            return image
        size = len(image)
        area = random.uniform(0.02, 0.33) * size**2
        ratio = math.exp(random.uniform(math.log(0.3), -math.log(0.3)))
        height, width = (min(max(round(math.sqrt(side)), 1), size) for side in (area * ratio, area / ratio))
        top, left = random.randint(0, size - height), random.randint(0, size - width)
        image[top : top + height, left : left + width] = random.randrange(256)
        return image


def build(
    size: int,
    flip: bool,
    channels: int = 1,
    *,
    padding: Annotated[float, Between(0, 1)] = 0.125,
    degrees: Annotated[float, Between(0, 180)] = 15.0,
    scale: Annotated[float, Between(0, 0.9)] = 0.1,
    shift: Annotated[float, Between(0, 1)] = 0.0625,
    shear: Annotated[float, Between(0, 60)] = 5.0,
    jitter: Annotated[float, Between(0, 1)] = 0.2,
    erase: Annotated[float, Between(0, 1)] = 0.25,
) -> Each:
    """The policy for images of `size` pixels; padding and shift are fractions of it; a 0 leaves a change out."""
    change = Strong(flip, round(padding * size), degrees, scale, shift, shear, jitter, erase)
    return Each(change, "per_image/strong")
