"""Surgery that libraries leave to their users: other numbers of input channels, and stems for small images."""

from __future__ import annotations

import torch
from torch import nn


def set_input_channels(net: nn.Module, channels: int) -> None:
    """Replace the first convolution by one with fresh weights that takes images of `channels` channels."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            if module.in_channels != channels:
                _replace(net, name, _like(module, in_channels=channels))
            return
    raise ValueError("has no convolution whose input channels could be set")


def use_small_stem(net: nn.Module) -> None:
    """The stem of ResNets for images of 32 pixels (He et al. 2016, section 4.2): 3x3, stride 1, no pooling.

    Raises ValueError for a net without ResNet's `conv1` and `maxpool`.
    """
    conv, pool = getattr(net, "conv1", None), getattr(net, "maxpool", None)
    if not isinstance(conv, nn.Conv2d) or not isinstance(pool, nn.Module):
        raise ValueError("has no small-image stem in the literature; stem: small is for ResNets")
    _replace(net, "conv1", _like(conv, kernel_size=3, stride=1, padding=1))
    _replace(net, "maxpool", nn.Identity())


def _like(conv: nn.Conv2d, **changes: int) -> nn.Conv2d:
    """A convolution like this one but for `changes`, with the initial weights that ResNets use (He et al. 2015)."""
    settings = {
        "in_channels": conv.in_channels,
        "out_channels": conv.out_channels,
        "kernel_size": conv.kernel_size,
        "stride": conv.stride,
        "padding": conv.padding,
        "bias": conv.bias is not None,
        **changes,
    }
    new = nn.Conv2d(**settings)  # type: ignore[arg-type]
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    if new.bias is not None:
        torch.nn.init.zeros_(new.bias)
    return new


def _replace(net: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, new)
