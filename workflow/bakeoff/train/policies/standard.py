"""Padded random crop, and a mirror image half of the time where the data set allows it (He et al. 2016, section 4.2).

For 32 pixels the usual padding is 4, one eighth of the side.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bakeoff.errors import UserError


class CropFlip:
    """Crop and flip of a whole batch as one gather, each image by draws of its own."""

    draws = 3

    def __init__(self, size: int, padding: int, flip: bool) -> None:
        self.size = size
        self.padding = padding
        self.flip = flip

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] of any type to new ones; uniforms [B, 3] in [0, 1) are row, column and flip."""
        padded = F.pad(images, [self.padding] * 4)
        steps = torch.arange(self.size, device=images.device)
        corners = (uniforms[:, :2] * (2 * self.padding + 1)).long()
        rows = corners[:, 0, None] + steps
        columns = corners[:, 1, None] + steps
        if self.flip:
            columns = torch.where(uniforms[:, 2, None] < 0.5, columns.flip(1), columns)
        image = torch.arange(len(images), device=images.device)[:, None, None, None]
        channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
        return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def build(size: int, flip: bool, *, padding: float = 0.125) -> CropFlip:
    """The policy for images of `size` pixels; `padding` is a fraction of the size, from 0 to 1."""
    if not 0 <= padding <= 1:
        raise UserError(f"augmentation standard: padding: {padding} is not a fraction of the image size, from 0 to 1")
    return CropFlip(size, round(padding * size), flip)
