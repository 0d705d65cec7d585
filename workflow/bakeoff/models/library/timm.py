"""timm's classifiers, by name, with the weights that timm publishes for them."""

from __future__ import annotations

from typing import Any, Literal

import timm
import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from bakeoff.models.library._published import Published
from bakeoff.models.library._stems import use_small_stem


def build(
    name: str,
    channels: int,
    size: int,
    classes: int,
    drop_path: float = 0.0,
    *,
    stem: Literal["standard", "small"] = "standard",
) -> nn.Module:
    """timm's net `name` with random weights; timm itself adapts the first layer to the number of channels.

    A tag in the name, as in `resnet18.a1_in1k`, matters to the published weights alone. Raises ValueError for a net
    without stochastic depth when `drop_path` is above 0.
    """
    arguments: dict[str, Any] = {"pretrained": False, "in_chans": channels, "num_classes": classes}
    if drop_path:
        arguments["drop_path_rate"] = drop_path
    net = _create(name, size, arguments)
    if drop_path and not any(getattr(module, "drop_prob", None) for module in net.modules()):
        raise ValueError("has no stochastic depth; a recipe with drop_path: 0 would do")
    if stem == "small":
        use_small_stem(net, name)
    return net


def _create(name: str, size: int, arguments: dict[str, Any]) -> nn.Module:
    """Nets with position embeddings are built for one image size; the others refuse the argument."""
    try:
        net: nn.Module = timm.create_model(name, img_size=size, **arguments)
    except TypeError as error:
        if "drop_path_rate" in str(error):
            raise ValueError("has no stochastic depth; a recipe with drop_path: 0 would do") from error
        try:
            net = timm.create_model(name, **arguments)
        except TypeError as again:
            if "drop_path_rate" in str(again):
                raise ValueError("has no stochastic depth; a recipe with drop_path: 0 would do") from again
            raise
    return net


def address(name: str) -> tuple[str, str]:
    """Where timm publishes the weights of a net, and where copies are looked for. Raises ValueError if nowhere."""
    settings = timm.models.get_pretrained_cfg(name, allow_unregistered=False)
    if settings is None or not settings.has_weights:
        raise ValueError("timm publishes no weights for it")
    if settings.hf_hub_id:
        from huggingface_hub.constants import HF_HUB_CACHE

        repository, _, revision = settings.hf_hub_id.partition("@")
        return f"https://huggingface.co/{repository}{f' (revision {revision})' if revision else ''}", str(HF_HUB_CACHE)
    return str(settings.url or settings.file), f"{torch.hub.get_dir()}/checkpoints"


def published(name: str, channels: int, size: int) -> Published:
    """timm's weights for a net, adapted by timm to the number of channels and to the image size. Uses the network."""
    donor = _create(name, size, {"pretrained": True, "in_chans": channels})
    settings: Any = donor.pretrained_cfg
    mean, std = (tuple(map(float, settings[key])) for key in ("mean", "std"))
    tensors = dict(donor.state_dict())
    return Published(tensors, f"timm {name} ({address(name)[0]})", mean, std, _reshaped(name, tensors))


def _reshaped(name: str, tensors: dict[str, Tensor]) -> tuple[str, ...]:
    """Names of those that do not have the shape that they were published with."""
    try:
        with torch.device("meta"):
            original = timm.create_model(name).state_dict()
    except (RuntimeError, NotImplementedError):  # some nets look at values while they are built
        original = timm.create_model(name).state_dict()
    return tuple(n for n, tensor in tensors.items() if n in original and original[n].shape != tensor.shape)


def normalisation(net: nn.Module) -> tuple[list[float], list[float]] | None:
    """Mean and standard deviation that timm gives for a net's published weights."""
    settings = getattr(net, "pretrained_cfg", None) or {}
    mean, std = settings.get("mean"), settings.get("std")
    return ([float(v) for v in mean], [float(v) for v in std]) if mean and std else None


def resample(net: nn.Module, name: str, tensor: Tensor, shape: torch.Size) -> Tensor | None:
    """Position embeddings of another image size, brought to this net's; None for what are none."""
    if not name.endswith("pos_embed") or tensor.ndim != 3 or len(shape) != 3 or tensor.shape[2] != shape[2]:
        return None
    tokens = int(getattr(net, "num_prefix_tokens", 0)) if not getattr(net, "no_embed_class", False) else 0
    side, before = round((shape[1] - tokens) ** 0.5), round((tensor.shape[1] - tokens) ** 0.5)
    if (side * side + tokens, before * before + tokens) != (shape[1], tensor.shape[1]):
        return None
    resampled: Tensor = resample_abs_pos_embed(
        tensor, new_size=[side, side], old_size=[before, before], num_prefix_tokens=tokens
    )
    return resampled
