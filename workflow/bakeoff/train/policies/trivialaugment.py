"""TrivialAugment (Müller and Hutter 2021): one operation of any strength, drawn for each image, after crop and flip."""

from __future__ import annotations

from typing import Annotated

from bakeoff.plugins import Between
from bakeoff.train.policies._drawn import Drawn
from bakeoff.train.policies._operations import Operation
from bakeoff.train.policies.standard import CropFlip

BINS = 31


def strengths(part: float, size: int) -> dict[Operation, float]:
    """Strength of each operation of the wide space at `part`, from 0 to 1. Images smaller than the 32 pixels of the
    paper are moved by at most their size.
    """
    pixels = float(int(min(32, size) * part))
    return {
        Operation.IDENTITY: 0.0,
        Operation.SHEAR_X: 0.99 * part,
        Operation.SHEAR_Y: 0.99 * part,
        Operation.TRANSLATE_X: pixels,
        Operation.TRANSLATE_Y: pixels,
        Operation.ROTATE: 135 * part,
        Operation.BRIGHTNESS: 0.99 * part,
        Operation.CONTRAST: 0.99 * part,
        Operation.POSTERIZE: float(8 - round(6 * part)),
        Operation.SOLARIZE: 255 * (1 - part),
        Operation.AUTOCONTRAST: 0.0,
        Operation.EQUALIZE: 0.0,
        Operation.COLOR: 0.99 * part,
        Operation.SHARPNESS: 0.99 * part,
    }


def build(
    size: int,
    flip: bool,
    channels: int = 1,
    *,
    crop_flip: bool = True,
    padding: Annotated[float, Between(0, 1)] = 0.125,
) -> Drawn:
    """The policy, after crop and flip unless `crop_flip` is false."""
    first = CropFlip(size, round(padding * size), flip) if crop_flip else None
    bins = [strengths(i / (BINS - 1), size) for i in range(BINS)]
    return Drawn(first, 1, tuple(tuple(found[kind] for found in bins) for kind in Operation))
