"""A picture of what policies do: a row an image, first as it is, then after several draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from bakeoff.errors import UserError
from bakeoff.train import augment

DRAWS = 8
_GAP, _TEXT = 4, 16  # pixels between pictures; height of a line of text
_LEAST = 64  # smaller images are enlarged to about this


@dataclass(frozen=True)
class Examples:
    """Some images of a data set [N, C, S, S] uint8, and whether they may be mirrored."""

    pixels: Tensor
    flip: bool


def draw(policies: Mapping[str, Mapping[str, Any]], examples: Examples, file: Path) -> None:
    """Write the picture of these policies, each `policy` and `options` under its name; format by the file's ending."""
    blocks = [_block(name, cells(policy, examples)) for name, policy in policies.items()]
    height = sum(block.height for block in blocks)
    sheet = Image.new("RGB", (max(block.width for block in blocks), height), "white")
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(file)
    except (ValueError, OSError) as error:
        raise UserError(f"--sheet: {file}: cannot be written: {error}; a name such as sheet.png would do") from error


def cells(policy: Mapping[str, Any], examples: Examples) -> Tensor:
    """The images, each followed by what becomes of it in eight draws: [N, 9, C, S, S] uint8.

    A policy that mixes does so with the image before.
    """
    n, channels, size, _ = examples.pixels.shape
    made = augment.build(policy, size=size, flip=examples.flip, channels=channels)
    generator = torch.Generator().manual_seed(0)
    columns = [examples.pixels]
    for _ in range(DRAWS):
        changed = made(examples.pixels, torch.rand(n, made.draws, generator=generator))
        if made.mix is not None:
            mixed, _ = made.mix(changed.float(), torch.rand(n, made.mix.draws, generator=generator))
            changed = mixed.round().clamp(0, 255).byte()
        columns.append(changed)
    return torch.stack(columns, 1)


def _block(name: str, images: Tensor) -> Image.Image:
    n, columns, _, size, _ = images.shape
    scale = max(1, round(_LEAST / size))
    step = size * scale + _GAP
    block = Image.new("RGB", (columns * step + 3 * _GAP, _TEXT + n * step + _GAP), "white")
    ImageDraw.Draw(block).text((_GAP, 2), f"{name}   (first column: the images as they are)", fill="black")
    for row in range(n):
        for column in range(columns):
            left = _GAP + column * step + (_GAP if column else 0)
            block.paste(_picture(images[row, column], scale), (left, _TEXT + row * step))
    return block


def _picture(image: Tensor, scale: int) -> Image.Image:
    """An image [C, S, S] enlarged by whole pixels; of others than RGB the first channel."""
    pixels = image.permute(1, 2, 0).numpy() if image.shape[0] == 3 else image[0].numpy()
    side = image.shape[-1] * scale
    return Image.fromarray(pixels).convert("RGB").resize((side, side), Image.Resampling.NEAREST)
