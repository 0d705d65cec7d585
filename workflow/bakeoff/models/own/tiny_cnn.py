"""Tiny CNN: two 3x3 convolutions (16 and 32 channels), each with ReLU and pooling, and a linear classifier.

What a tutorial would train first: one million MACs for a grey image of 28 pixels, strong enough to be a fair floor for
larger nets.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

MIN_SIZE = 4


def build(
    channels: int, size: int, classes: int, *, width: int = 16, norm: Literal["none", "batch"] = "none"
) -> nn.Module:
    """Logits [B, classes] from images [B, channels, size, size]; size at least 4. `width` channels come first, then
    twice as many; `norm: batch` puts batch norm behind each convolution.
    """
    if size < MIN_SIZE:
        raise ValueError(f"needs images of at least {MIN_SIZE} pixels")
    side = size // 2 // 2
    return nn.Sequential(
        *_block(channels, width, norm),
        *_block(width, 2 * width, norm),
        nn.Flatten(),
        nn.Linear(2 * width * side * side, classes),
    )


def _block(inputs: int, outputs: int, norm: str) -> list[nn.Module]:
    # Batch norm has a bias of its own, so the convolution needs none.
    conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=norm == "none")
    norms = [nn.BatchNorm2d(outputs)] if norm == "batch" else []
    return [conv, *norms, nn.ReLU(), nn.MaxPool2d(2)]
