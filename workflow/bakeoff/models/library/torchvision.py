"""torchvision's classifiers, by name."""

from __future__ import annotations

from typing import Any, Literal

import torchvision
from torch import nn

from bakeoff.models.library._stems import set_input_channels, use_small_stem

# These return several outputs in training mode unless told not to.
_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")


def build(
    name: str, channels: int, size: int, classes: int, *, stem: Literal["standard", "small"] = "standard"
) -> nn.Module:
    """torchvision's net `name` with random weights, its first convolution made for `channels`."""
    arguments: dict[str, Any] = {"num_classes": classes}
    if name in _WITH_AUXILIARY_HEADS:
        arguments |= {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):  # position embeddings are made for one image size
        arguments |= {"image_size": size}
    net: nn.Module = torchvision.models.get_model(name, weights=None, **arguments)
    set_input_channels(net, channels)
    if stem == "small":
        use_small_stem(net)
    return net
