"""timm's classifiers, by name."""

from __future__ import annotations

import inspect
from typing import Any, Literal

import timm
from torch import nn

from bakeoff.models.library._stems import use_small_stem


def build(
    name: str, channels: int, size: int, classes: int, *, stem: Literal["standard", "small"] = "standard"
) -> nn.Module:
    """timm's net `name` with random weights; timm itself adapts the first layer to the number of channels."""
    # Nets with position embeddings are built for one image size; the others refuse such an argument.
    arguments: dict[str, Any] = {"img_size": size} if _takes_size(name) else {}
    net: nn.Module = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=classes, **arguments)
    if stem == "small":
        use_small_stem(net)
    return net


def _takes_size(name: str) -> bool:
    """Whether the class behind a timm entry point takes `img_size`; entry points hand their keywords on to it."""
    module = inspect.getmodule(timm.models.model_entrypoint(name))
    return any(
        "img_size" in inspect.signature(member).parameters
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == getattr(module, "__name__", None) and hasattr(member, "reset_classifier")
    )
