"""What several policies do to pixels: moving them, weighing their colours, rounding them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_GREY = (0.299, 0.587, 0.114)  # ITU-R 601-2, as PIL


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Images [B, C, S, S] float, moved; what comes from outside is 0, as if the image were framed in black.

    `maps` [B, 2, 3] float take a place in the result (x, y, 1), -1 and 1 being the outer edges of the image, to the
    place that its value is taken from.
    """
    size = images.shape[-1]
    centres = (torch.arange(size, device=images.device) * 2 + 1) / size - 1
    # A plane for x and one for y: five times as fast as F.affine_grid, and no image depends on its batch.
    along_row = maps[:, :, 0, None, None] * centres
    along_column = maps[:, :, 1, None] * centres + maps[:, :, 2, None]
    grid = (along_row + along_column[..., None]).permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def to_bytes(images: Tensor) -> Tensor:
    """Float images in [0, 255], which are overwritten, rounded to uint8."""
    return images.add_(0.5).to(torch.uint8)


def grey(images: Tensor) -> Tensor:
    """Brightness [B, 1, S, S] of float images: of RGB as the eye has it, of others the mean of the channels."""
    if images.shape[1] == 1:
        return images
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.unbind(1)
    return torch.add(red * _GREY[0], green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])[:, None]
