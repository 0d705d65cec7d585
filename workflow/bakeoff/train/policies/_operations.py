"""The fourteen operations of RandAugment and TrivialAugment on a batch, each image by one of its own.

They agree with PIL's, from which both papers take them, to one grey level: blends are cut to whole numbers.
Moving operations interpolate linearly and frame the image in black. On a CPU an operation is worked out for the images
that drew it; on a GPU for all, as counting them would wait for the device.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from bakeoff.train.policies._pixels import grey, to_bytes, warp


class Operation(IntEnum):
    """By number, so that a draw names one."""

    IDENTITY = 0
    SHEAR_X = 1
    SHEAR_Y = 2
    TRANSLATE_X = 3
    TRANSLATE_Y = 4
    ROTATE = 5
    BRIGHTNESS = 6
    CONTRAST = 7
    POSTERIZE = 8
    SOLARIZE = 9
    AUTOCONTRAST = 10
    EQUALIZE = 11
    COLOR = 12
    SHARPNESS = 13


SIGNED = (1, 2, 3, 4, 5, 6, 7, 12, 13)
"""Operations whose strength has a random sign."""


def apply(images: Tensor, operation: Tensor, strength: Tensor) -> Tensor:
    """Images [B, C, S, S] uint8, each after its operation [B] int64 with its strength [B] float.

    Strength is: the slope of a shear; pixels of a translation; degrees of a rotation; for brightness, contrast, color
    and sharpness the factor less 1; the bits left by posterize; the level from which solarize inverts.
    """
    group = _groups(images.device)[operation]
    if images.device.type != "cpu":
        for number, change in enumerate(_CHANGES):
            chosen = (group == number)[:, None, None, None]
            images = torch.where(chosen, change(images, operation, strength), images)
        return images
    order = group.argsort(stable=True)
    counts = group.bincount(minlength=len(_CHANGES)).tolist()
    parts = (torch.split(tensor.index_select(0, order), counts) for tensor in (images, operation, strength))
    changed = [change(*part) if len(part[0]) else part[0] for change, *part in zip(_CHANGES, *parts, strict=True)]
    return torch.cat(changed).index_select(0, order.argsort())


def _keep(images: Tensor, operation: Tensor, strength: Tensor) -> Tensor:
    return images


def _move(images: Tensor, operation: Tensor, strength: Tensor) -> Tensor:
    """Shears about the upper left corner, as PIL's; translations; rotations about the middle."""
    kind, zero = Operation, torch.zeros_like(strength)
    slant_x = torch.where(operation == kind.SHEAR_X, strength, zero)
    slant_y = torch.where(operation == kind.SHEAR_Y, strength, zero)
    angle = torch.where(operation == kind.ROTATE, strength, zero).deg2rad()
    span = 2 / images.shape[-1]
    x = torch.where(operation == kind.TRANSLATE_X, strength * span, zero)
    y = torch.where(operation == kind.TRANSLATE_Y, strength * span, zero)
    cos, sin = angle.cos(), angle.sin()
    # At most one of these differs from the identity. The corner is at -1, -1, so that a shear also moves the middle.
    rows = [cos, slant_x - sin, slant_x - x, slant_y + sin, cos, slant_y - y]
    return to_bytes(warp(images.float(), torch.stack(rows, 1).view(-1, 2, 3)))


def _tone(images: Tensor, operation: Tensor, strength: Tensor) -> Tensor:
    """The operations that give each level of a channel another one, as a table."""
    levels = torch.arange(256, device=images.device)
    factor, one = (1 + strength)[:, None, None], strength[:, None, None]
    places = images.flatten(2).long()
    counts = _histograms(places)
    step = 2.0 ** (8 - one)
    tables = {
        Operation.BRIGHTNESS: levels * factor,
        Operation.CONTRAST: _contrast(images, levels, factor),
        Operation.POSTERIZE: (levels / step).floor() * step,
        Operation.SOLARIZE: torch.where(levels >= one, 255 - levels, levels),
        Operation.AUTOCONTRAST: _autocontrast(counts, levels),
        Operation.EQUALIZE: _equalize(counts, levels),
    }
    shape = counts.shape
    table = torch.stack([values.clamp(0, 255).to(torch.uint8).expand(shape) for values in tables.values()])
    own = operation - Operation.BRIGHTNESS
    mine = table[own.clamp(0, len(tables) - 1), torch.arange(len(images), device=images.device)]
    return mine.gather(2, places).view(images.shape)


def _histograms(places: Tensor) -> Tensor:
    """Pixels of each level [B, C, 256] int64, of levels [B, C, N] int64."""
    counts = places.new_zeros(*places.shape[:2], 256)
    return counts.scatter_add_(2, places, torch.ones_like(places))


def _contrast(images: Tensor, levels: Tensor, factor: Tensor) -> Tensor:
    middle = (grey(images.float()).mean((1, 2, 3)) + 0.5).floor()[:, None, None]
    return middle + factor * (levels - middle)


def _autocontrast(counts: Tensor, levels: Tensor) -> Tensor:
    """Stretch what is used of the levels to all of them."""
    used = counts > 0
    low = torch.where(used, levels, 255).amin(2, keepdim=True)
    high = torch.where(used, levels, 0).amax(2, keepdim=True)
    span = (high - low).clamp(min=1)
    return torch.where(high > low, ((levels - low) * 255 / span).clamp(min=0), levels)


def _equalize(counts: Tensor, levels: Tensor) -> Tensor:
    """PIL's: whole numbers throughout; unchanged where the darkest levels leave nothing to spread."""
    used = counts > 0
    high = torch.where(used, levels, 0).amax(2, keepdim=True)
    step = (counts.sum(2, keepdim=True) - counts.gather(2, high)) // 255
    below = counts.cumsum(2) - counts
    return torch.where(step > 0, (step // 2 + below) // step.clamp(min=1), levels).float()


def _color(images: Tensor, operation: Tensor, strength: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images
    return _blend((grey(images.float()) + 0.5).floor(), images.float(), strength)


def _sharpness(images: Tensor, operation: Tensor, strength: Tensor) -> Tensor:
    """Away from, or towards, the image smoothed by PIL's filter, which leaves the pixels at the border."""
    exact = images.float()
    smooth = exact.clone()
    sums = F.avg_pool2d(exact, 3, stride=1, divisor_override=1)
    smooth[:, :, 1:-1, 1:-1] = ((sums + 4 * exact[:, :, 1:-1, 1:-1]) / 13 + 0.5).floor()
    return _blend(smooth, exact, strength)


def _blend(other: Tensor, images: Tensor, strength: Tensor) -> Tensor:
    factor = (1 + strength)[:, None, None, None]
    return (other + factor * (images - other)).clamp(0, 255).to(torch.uint8)


_CHANGES = (_keep, _move, _tone, _color, _sharpness)
"""What groups of operations have in common."""
_GROUP_OF = {
    Operation.IDENTITY: _keep,
    Operation.COLOR: _color,
    Operation.SHARPNESS: _sharpness,
    **dict.fromkeys((kind for kind in Operation if Operation.SHEAR_X <= kind <= Operation.ROTATE), _move),
    **dict.fromkeys((kind for kind in Operation if Operation.BRIGHTNESS <= kind <= Operation.EQUALIZE), _tone),
}


@cache
def _groups(device: torch.device) -> Tensor:
    """Number in _CHANGES of each operation."""
    return torch.tensor([_CHANGES.index(_GROUP_OF[kind]) for kind in Operation], device=device)
