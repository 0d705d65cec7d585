"""Tiny CNN: three 3x3 convolutions (32, 64, 128 channels) with batch norm, pooling, and a linear classifier.

What a tutorial would train first: small enough for a CPU, strong enough to be a fair floor for larger nets.
"""

from __future__ import annotations

from torch import nn

MIN_SIZE = 4


def build(channels: int, size: int, classes: int, *, width: int = 32) -> nn.Module:
    """Logits [B, classes] from images [B, channels, size, size]; size at least 4."""
    if size < MIN_SIZE:
        raise ValueError(f"needs images of at least {MIN_SIZE} pixels")
    return nn.Sequential(
        *_block(channels, width),
        nn.MaxPool2d(2),
        *_block(width, 2 * width),
        nn.MaxPool2d(2),
        *_block(2 * width, 4 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )


def _block(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    # Batch norm has a bias of its own, so the convolution needs none.
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
