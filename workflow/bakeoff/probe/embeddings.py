"""What a network makes of an image just before it names a class: the input of its classifier.

The classifier is found by running the net: it is the layer whose output is the logits. So it is the same definition
for nets of timm (whose `forward_head(pre_logits=True)` gives the same features), of torchvision and of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor, nn

from bakeoff.errors import UserError

# Images [B, C, S, S] uint8 to float32, on the net's device.
Normalise: TypeAlias = Callable[[Tensor], Tensor]


def classifier_of(net: nn.Module, images: Tensor) -> nn.Module:
    """The layer that makes the logits: its output for `images` [B, C, S, S] float is the net's, one vector goes in.

    Raises UserError for nets in which no single layer does: those that average the maps of a last convolution
    (SqueezeNet), or the answers of two classifiers (distilled DeiT and LeViT).
    """
    made: list[tuple[nn.Module, Tensor, Tensor]] = []

    def keep(layer: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            made.append((layer, inputs[0].flatten(1), output.flatten(1).clone()))

    layers = [module for module in net.modules() if _is_layer(module)]
    with torch.inference_mode(), evaluating(net), _hooked(layers, keep):
        logits: Tensor = net(images)
    for layer, vector, output in reversed(made):
        if torch.equal(output, logits) and vector.shape[1] == _width(layer):
            return layer
    raise UserError(
        f"embeddings: {type(net).__name__} has no single layer from a vector to its logits, so it has no embedding; "
        "leave embeddings out for it, or choose another model"
    )


def embed(net: nn.Module, normalise: Normalise, images: Tensor, batch_size: int = 256) -> Tensor:
    """Embeddings [N, D] float32, on the CPU, of images [N, C, S, S] uint8. Raises UserError as `classifier_of` does.

    They are as the classifier gets them: neither normalised to a length nor centred.
    """
    if not len(images):
        raise ValueError("no images")
    with torch.inference_mode(), evaluating(net):
        classifier = classifier_of(net, normalise(images[:2]))
        found: list[Tensor] = []
        with _hooked([classifier], lambda _, inputs, __: found.append(inputs[0].flatten(1).float().cpu())):
            for batch in torch.split(images, batch_size):
                net(normalise(batch))
    return torch.cat(found)


def _is_layer(module: nn.Module) -> bool:
    """Whether it weighs its inputs, and has no modules inside."""
    return not any(module.children()) and getattr(module, "weight", torch.empty(0)).ndim >= 2


def _width(layer: nn.Module) -> int:
    """Inputs of one output: a convolution sees one vector only where its maps have one pixel."""
    weight = layer.weight
    return weight[0].numel() if isinstance(weight, Tensor) else 0


_Hook: TypeAlias = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]


@contextmanager
def _hooked(layers: list[nn.Module], hook: _Hook) -> Iterator[None]:
    handles = [layer.register_forward_hook(hook) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """The net in evaluation mode, and afterwards every module in its own."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
