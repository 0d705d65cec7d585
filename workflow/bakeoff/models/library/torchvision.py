"""torchvision's classifiers, by name, with the weights that torchvision publishes for them."""

from __future__ import annotations

import re
from typing import Any, Literal

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import interpolate_embeddings

from bakeoff.models.library._published import Published, adapt_channels
from bakeoff.models.library._stems import set_input_channels, use_small_stem

# These return several outputs in training mode unless told not to.
_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")
_POSITIONS = "encoder.pos_embedding"


def build(
    name: str,
    channels: int,
    size: int,
    classes: int,
    drop_path: float = 0.0,
    *,
    stem: Literal["standard", "small"] = "standard",
) -> nn.Module:
    """torchvision's net `name` with random weights, its first convolution made for `channels`.

    The rate of stochastic depth is the recipe's, not the net's own, so that it is one for all nets. Raises ValueError
    for a net without stochastic depth when `drop_path` is above 0.
    """
    arguments: dict[str, Any] = {"num_classes": classes}
    if name in _WITH_AUXILIARY_HEADS:
        arguments |= {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):  # position embeddings are made for one image size
        arguments |= {"image_size": size}
    if name.startswith("maxvit_"):  # so are windows
        arguments |= {"input_size": (size, size)}
    net: nn.Module = torchvision.models.get_model(name, weights=None, **arguments)
    set_input_channels(net, channels)
    _set_drop_path(net, drop_path)
    if stem == "small":
        use_small_stem(net, name)
    return net


def _set_drop_path(net: nn.Module, rate: float) -> None:
    """Rates grow with depth up to `rate`, as in the constructors, some of which do not let it be chosen."""
    layers = [module for module in net.modules() if isinstance(module, torchvision.ops.StochasticDepth)]
    highest = max((layer.p for layer in layers), default=0.0)
    if rate and not highest:
        raise ValueError("has no stochastic depth; a recipe with drop_path: 0 would do")
    for layer in layers:
        layer.p = rate * layer.p / highest if highest else 0.0


def address(name: str) -> tuple[str, str]:
    """Where torchvision publishes the weights of a net, and where a copy of them is looked for."""
    url = str(torchvision.models.get_model_weights(name).DEFAULT.url)
    return url, f"{torch.hub.get_dir()}/checkpoints"


def published(name: str, channels: int, size: int) -> Published:
    """torchvision's default weights of a net, adapted to the channels and the size of images. Uses the network."""
    weights = torchvision.models.get_model_weights(name).DEFAULT
    tensors = {
        _renamed(key): tensor
        for key, tensor in weights.get_state_dict(progress=False, check_hash=True, weights_only=True).items()
        if not key.startswith(("aux1.", "aux2.", "AuxLogits."))
    }
    reshaped = []
    first = next(key for key, tensor in tensors.items() if tensor.ndim == 4)
    if tensors[first].shape[1] != channels:
        tensors[first] = adapt_channels(tensors[first], channels)
        reshaped.append(first)
    if _POSITIONS in tensors:
        before = tensors[_POSITIONS].shape
        tensors = dict(interpolate_embeddings(size, tensors["conv_proj.weight"].shape[-1], tensors))
        reshaped += [_POSITIONS] * (tensors[_POSITIONS].shape != before)
    preset = weights.transforms()
    mean, std = (tuple(map(float, figures)) for figures in (preset.mean, preset.std))
    if name in _WITH_AUXILIARY_HEADS:
        # Published, these turn such normalised images into (x - 0.5) / 0.5 themselves (`transform_input`).
        mean = std = (0.5, 0.5, 0.5)
    return Published(tensors, f"torchvision {weights} ({weights.url})", mean, std, tuple(reshaped))


def _renamed(key: str) -> str:
    """The DenseNets were published with names that modules may no longer have, such as `norm.1.weight`."""
    return re.sub(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2", key)


def normalisation(net: nn.Module) -> tuple[list[float], list[float]] | None:
    """None: a net of torchvision's does not say which images its weights were trained with."""
    return None


def resample(net: nn.Module, name: str, tensor: Tensor, shape: torch.Size) -> Tensor | None:
    """Position embeddings of another image size, brought to this net's; None for what are none."""
    if name != _POSITIONS or tensor.ndim != 3 or tensor.shape[2] != shape[2]:
        return None
    side = round((shape[1] - 1) ** 0.5)
    resampled: Tensor = interpolate_embeddings(side, 1, {_POSITIONS: tensor})[_POSITIONS]
    return resampled
