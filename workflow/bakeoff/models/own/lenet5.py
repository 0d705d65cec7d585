"""LeNet-5 (LeCun et al. 1998), with ReLU and max pooling.

Two 5x5 convolutions (6 and 16 channels) with 2x2 pooling, then 120 and 84 units. The first convolution pads by 2, as
the 28-pixel digits were padded to 32 in the paper; the first linear layer follows the image size.
"""

from __future__ import annotations

from torch import nn

MIN_SIZE = 12


def build(channels: int, size: int, classes: int) -> nn.Module:
    """Logits [B, classes] from images [B, channels, size, size]; size at least 12."""
    if size < MIN_SIZE:
        raise ValueError(f"needs images of at least {MIN_SIZE} pixels")
    side = (size // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 6, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * side * side, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, classes),
    )
