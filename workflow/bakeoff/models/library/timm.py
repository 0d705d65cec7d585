"""timm's classifiers, by name."""

from __future__ import annotations

from typing import Any, Literal

import timm
from torch import nn

from bakeoff.models.library._stems import use_small_stem


def build(
    name: str, channels: int, size: int, classes: int, *, stem: Literal["standard", "small"] = "standard"
) -> nn.Module:
    """timm's net `name` with random weights; timm itself adapts the first layer to the number of channels."""
    arguments: dict[str, Any] = {"pretrained": False, "in_chans": channels, "num_classes": classes}
    net: nn.Module
    try:  # nets with position embeddings are built for one image size; the others refuse the argument
        net = timm.create_model(name, img_size=size, **arguments)
    except TypeError:
        net = timm.create_model(name, **arguments)
    if stem == "small":
        use_small_stem(net)
    return net
