"""RandAugment (Cubuk et al. 2020): some operations of one strength, drawn for each image, after crop and flip."""

from __future__ import annotations

from typing import Annotated

from bakeoff.plugins import Between
from bakeoff.train.policies._drawn import Drawn
from bakeoff.train.policies._operations import Operation
from bakeoff.train.policies.standard import CropFlip

BINS = 31


def strengths(magnitude: int, size: int) -> dict[Operation, float]:
    """Strength of each operation at a magnitude from 0 to 30, as in torchvision, for images of `size`."""
    part = magnitude / (BINS - 1)
    return {
        Operation.IDENTITY: 0.0,
        Operation.SHEAR_X: 0.3 * part,
        Operation.SHEAR_Y: 0.3 * part,
        Operation.TRANSLATE_X: float(int(150 / 331 * size * part)),
        Operation.TRANSLATE_Y: float(int(150 / 331 * size * part)),
        Operation.ROTATE: 30 * part,
        Operation.BRIGHTNESS: 0.9 * part,
        Operation.CONTRAST: 0.9 * part,
        Operation.POSTERIZE: float(8 - round(4 * part)),
        Operation.SOLARIZE: 255 * (1 - part),
        Operation.AUTOCONTRAST: 0.0,
        Operation.EQUALIZE: 0.0,
        Operation.COLOR: 0.9 * part,
        Operation.SHARPNESS: 0.9 * part,
    }


def build(
    size: int,
    flip: bool,
    channels: int = 1,
    *,
    num_ops: Annotated[int, Between(1, 8)] = 2,
    magnitude: Annotated[int, Between(0, 30)] = 9,
    crop_flip: bool = True,
    padding: Annotated[float, Between(0, 1)] = 0.125,
) -> Drawn:
    """The policy: `num_ops` operations of this magnitude, after crop and flip unless `crop_flip` is false."""
    first = CropFlip(size, round(padding * size), flip) if crop_flip else None
    found = strengths(magnitude, size)
    return Drawn(first, num_ops, tuple((found[kind],) for kind in Operation))
