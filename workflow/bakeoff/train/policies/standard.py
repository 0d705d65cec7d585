"""Padded random crop, and a mirror image half of the time where the data set allows it (He et al. 2016, section 4.2).

For 32 pixels the usual padding is 4, one eighth of the side.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from bakeoff.plugins import Between


class CropFlip:
    """Crop and flip of a whole batch as one gather, each image by draws of its own."""

    draws = 3
    mix = None
    host = False

    def __init__(self, size: int, padding: int, flip: bool) -> None:
        self.size = size
        self.padding = padding
        self.flip = flip

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] of any type to new ones; uniforms [B, 3] in [0, 1) are row, column and flip."""
        side = self.size + 2 * self.padding
        # As flat planes with one index for all channels: twice as fast as indexing rows and columns.
        planes = F.pad(images, [self.padding] * 4).flatten(2)
        steps = torch.arange(self.size, device=images.device)
        corners = (uniforms[:, :2] * (2 * self.padding + 1)).long()
        columns = corners[:, 1, None] + steps
        if self.flip:
            columns = torch.where(uniforms[:, 2, None] < 0.5, columns.flip(1), columns)
        rows = (corners[:, 0, None] + steps) * side
        places = (rows[:, :, None] + columns[:, None, :]).flatten(1)[:, None, :]
        return planes.gather(2, places.expand(-1, images.shape[1], -1)).view(images.shape)


def build(size: int, flip: bool, channels: int = 1, *, padding: Annotated[float, Between(0, 1)] = 0.125) -> CropFlip:
    """The policy for images of `size` pixels; `padding` is a fraction of the size, from 0 to 1."""
    return CropFlip(size, round(padding * size), flip)
