"""Crop, flip, rotation, scale, shift and shear; brightness, contrast and saturation; random erasing.

All that moves pixels is one affine map, so that an image is interpolated once. The colours change as in PIL's
ImageEnhance, in this order; a box is erased as by Zhong et al. (2020), with area
and aspect ratio in their ranges, filled with one random grey level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from bakeoff.plugins import Between
from bakeoff.train.policies._pixels import grey, to_bytes, warp

AREA = (0.02, 0.33)
"""Least and largest fraction of the image that is erased."""
RATIO = 0.3
"""Least ratio of the sides of the erased box; the largest is its inverse."""


@dataclass(frozen=True)
class Strong:
    """The policy for images of `size` pixels. Ranges: rotation and shear in degrees to either side; scale, shift and
    jitter as fractions of 1, of the size and of 1; `erase` is a probability.
    """

    size: int
    flip: bool
    padding: int
    degrees: float
    scale: float
    shift: float
    shear: float
    jitter: float
    erase: float

    draws = 17
    mix = None
    host = False

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] uint8 to new ones; uniforms [B, 17] in [0, 1): 3 for crop and flip, 5 for the map, 3 for
        colours, 6 for erasing.
        """
        moved = warp(images.float(), self.maps(uniforms[:, :8]))
        self.colour_(moved, uniforms[:, 8:11])
        erased, level = self.box(uniforms[:, 11:17])
        return to_bytes(torch.lerp(moved, level, erased))

    def maps(self, uniforms: Tensor) -> Tensor:
        """From result to source, [B, 2, 3] for `warp`; uniforms [B, 8]: the inverse of flip, then shear, scale and
        rotation about the middle, then crop and shift.
        """
        row, column, flip, turn, size, slant, right, down = uniforms.unbind(1)
        span = 2 / self.size  # a pixel, in the unit of the map
        offsets = 2 * self.padding + 1
        x = (self.padding - (column * offsets).floor()) * span + _around(right, 2 * self.shift)
        y = (self.padding - (row * offsets).floor()) * span + _around(down, 2 * self.shift)
        angle = _around(turn, math.radians(self.degrees))
        slope = _around(slant, math.radians(self.shear)).tan()
        scale = 1 + _around(size, self.scale)
        cos, sin = angle.cos() / scale, angle.sin() / scale
        mirror = torch.where(flip < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(flip)
        a, b = mirror * (cos + slope * sin), mirror * (sin - slope * cos)
        rows = [a, b, -(a * x + b * y), -sin, cos, sin * x - cos * y]
        return torch.stack(rows, 1).view(-1, 2, 3)

    def colour_(self, images: Tensor, uniforms: Tensor) -> None:
        """Change brightness, contrast and saturation of float images in [0, 255]; uniforms [B, 3]."""
        if self.jitter == 0:
            return
        brightness, contrast, saturation = (1 + _around(uniforms, self.jitter))[..., None, None, None].unbind(1)
        images.mul_(brightness).clamp_(0, 255)
        middle = grey(images).mean((1, 2, 3), keepdim=True)
        images.mul_(contrast).add_(middle * (1 - contrast)).clamp_(0, 255)
        if images.shape[1] == 3:
            faded = grey(images) * (1 - saturation)
            images.mul_(saturation).add_(faded).clamp_(0, 255)

    def box(self, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Which pixels are erased, as 0 or 1 [B, 1, S, S], and the level put there [B, 1, 1, 1]; uniforms [B, 6]."""
        chosen, area, ratio, row, column, level = uniforms.unbind(1)
        pixels = (AREA[0] + area * (AREA[1] - AREA[0])) * self.size**2
        tall = _around(ratio, math.log(1 / RATIO)).exp()
        inside = []
        for place, side in ((row, (pixels * tall).sqrt()), (column, (pixels / tall).sqrt())):
            length = side.round().clamp(1, self.size)
            start = (place * (self.size - length + 1)).floor()[:, None]
            steps = torch.arange(self.size, device=uniforms.device)
            inside.append((steps >= start) & (steps < start + length[:, None]))
        rows = (inside[0] & (chosen < self.erase)[:, None]).float()
        # Of floats, as torch broadcasts logical operations one by one.
        erased = rows[:, :, None] * inside[1].float()[:, None, :]
        return erased[:, None], (level * 256).floor()[:, None, None, None]


def _around(uniforms: Tensor, reach: float) -> Tensor:
    """From [0, 1) to [-reach, reach)."""
    return uniforms * (2 * reach) - reach


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
) -> Strong:
    """The policy for images of `size` pixels; padding and shift are fractions of it; a 0 leaves a change out."""
    return Strong(size, flip, round(padding * size), degrees, scale, shift, shear, jitter, erase)
