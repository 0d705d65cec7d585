"""What a library publishes for one of its nets, brought to the form of the net that it is to be loaded into."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Published:
    """Published weights by the library's names, and the normalisation of images that they were trained with."""

    tensors: dict[str, Tensor]
    source: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    reshaped: tuple[str, ...] = ()


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """First-layer weights [O, C, k, k] for another number of channels, by timm's rule: for grey the sum over channels,
    else the channels repeated and scaled by C / channels, so that equal channels give what they gave.
    """
    before = weight.shape[1]
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeated = weight.repeat(1, -(-channels // before), 1, 1)[:, :channels]
    return repeated * (before / channels)


def only_channels_differ(have: torch.Size, want: torch.Size) -> bool:
    """Whether two first layers [O, C, k, k] differ in their channels alone."""
    return len(have) == len(want) == 4 and have[1] != want[1] and (have[0], *have[2:]) == (want[0], *want[2:])
