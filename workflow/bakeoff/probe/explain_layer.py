"""At which layer of a network a class activation map is made, for any kind of net, found by running it.

Grad-CAM wants the last layer that still knows where things are (Selvaraju et al. 2017, section 3). Such a layer gives a
map [B, C, s, s], as in CNNs; one with channels last [B, s, s, C], as in Swin; or tokens [B, t, C], as in ViTs, s * s of
them patches behind those of the class. Four rules choose among the layers of a net:

- What the logits depend on. In a ViT with a class token the patches of the last block are dead ends: the last norm
  whose patches matter is that before the last attention, which is where the package grad-cam takes them. Where all
  tokens are averaged it is the last of all, and the map is each patch's part in the logit (as in CNNs with global
  average pooling; ibid., section 3.1).
- What nothing passes by: all that the logits know of the image must come through it, which is so for blocks and stages
  and not for one branch of several, or for what is added to a shortcut. Only norms of tokens are excepted.
- Before pooling, which loses places, and outside attention, where a square of scores is no map of the image.
- The last of at least 4x4; where none is as large, the last of the largest. A ResNet made for 224 pixels ends with 1x1
  at 32, and a map of 2x2 says no more than in which quarter something is.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.probe.embeddings import classifier_of, evaluating

LEAST = 4
"""Side of a map that says where."""
_MOST_PREFIX_TOKENS = 8

Kind = Literal["map", "map, channels last", "tokens"]


@dataclass(frozen=True)
class Layer:
    """Where to make a map of `side` places a side: a module of a net, by its dotted name, whose output is such a map.

    Tokens stand behind `prefix` others; a map that convolutions without padding have cut has `margin` places around it,
    of which nothing is known.
    """

    name: str
    module: nn.Module = field(repr=False)
    kind: Kind
    side: int
    prefix: int = 0
    margin: int = 0

    def as_map(self, output: Tensor) -> Tensor:
        """The module's output as a map [B, C, side, side] of its own memory."""
        if self.kind == "tokens":
            output = output[:, self.prefix :].reshape(len(output), self.side, self.side, -1)
        if self.kind != "map":
            output = output.permute(0, 3, 1, 2)
        # A copy in any case: the next layer may work in place.
        return F.pad(output, [self.margin] * 4) if self.margin else output.clone(memory_format=torch.contiguous_format)


def layer_of(net: nn.Module, channels: int, size: int) -> Layer:
    """Where to make maps for images of `size` pixels. Raises UserError for nets without any layer that knows places."""
    device = next(net.parameters()).device
    images = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    with evaluating(net):
        question = _Question(net, images)
        candidates = [seen for seen in _run(question) if seen.side > 1 and seen.matters]
        enough = min(LEAST, max((seen.side for seen in candidates), default=0))
        candidates = [seen for seen in candidates if seen.side >= enough]
        whole = (seen for seen in reversed(candidates) if seen.is_norm or not question.passes_by(seen.module))
        chosen = next(whole, candidates[-1] if candidates else None)
    if chosen is None:
        raise UserError(
            f"explain: {type(net).__name__} keeps no map of at least 2x2 from images of {size}x{size} pixels to its "
            "answer, so there is no place to point at; leave explain out for it, or choose a larger image_size"
        )
    margin = _margin(net, chosen.name, chosen.side, size) if chosen.kind == "map" else 0
    return Layer(chosen.name, chosen.module, chosen.kind, chosen.side + 2 * margin, chosen.prefix, margin)


def _margin(net: nn.Module, name: str, side: int, size: int) -> int:
    """Places that convolutions without padding have cut off each side of a map: of 16 pixels LeNet-5 has the middle 4x4
    of 8x8 left. Stretched over the image, such a map would point too far out. 0 where layers are not plainly one after
    another, as then they pad.
    """
    chain = _chain(net, name)
    first, step = 0.0, 1  # middle of the first place, and from one to the next, in pixels
    for layer in chain:
        kernel, stride, padding, dilation = (_first(getattr(layer, key, 1)) for key in _GEOMETRY)
        if isinstance(padding, str):
            return 0
        first += step * (dilation * (kernel - 1) / 2 - padding)
        step *= stride
    before = round((first - (step - 1) / 2) / step)
    behind = round(size / step) - side - before
    return max(0, min(before, behind)) if chain else 0


_GEOMETRY = ("kernel_size", "stride", "padding", "dilation")


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _chain(net: nn.Module, name: str) -> list[nn.Module]:
    """Convolutions and poolings up to a layer, where the net is a row of layers, or begins with one; else nothing."""
    head, _, rest = name.partition(".")
    if isinstance(net, nn.Sequential):
        container, last = net, head
    else:
        container, last = next(iter(net.children())), rest  # type: ignore[assignment]
        if container is not getattr(net, head, None) or not isinstance(container, nn.Sequential):
            return []
    found: list[nn.Module] = []
    for child, layer in container.named_children():
        if any(layer.children()):
            return []
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            found.append(layer)
        if child == last:
            return found
    return []


class _Question:
    """Images, and how the net's answer depends on them and on its layers.

    The answer is what the classifier gets, so that a classifier that has learned nothing, and is 0, hides nothing;
    where there is none, the logits.
    """

    def __init__(self, net: nn.Module, images: Tensor) -> None:
        self.net, self.images = net, images.requires_grad_()
        try:
            self.classifier: nn.Module | None = classifier_of(net, images)
        except UserError:
            self.classifier = None

    def ask(self) -> Tensor | None:
        """The gradient [B, C, S, S] of the answer by the images, None where they do not matter."""
        answer: list[Tensor] = []
        keep = (
            self.classifier.register_forward_pre_hook(lambda _, given: answer.append(given[0]))
            if self.classifier
            else None
        )
        try:
            answer.append(self.net(self.images))
        finally:
            if keep:
                keep.remove()
        if not answer[0].requires_grad:
            return None
        # No class in particular, and no sum that a softmax or a norm would cancel.
        weights = torch.linspace(1, 2, answer[0].numel(), device=self.images.device).view_as(answer[0])
        return torch.autograd.grad((answer[0] * weights).sum(), self.images, allow_unused=True)[0]

    def passes_by(self, module: nn.Module) -> bool:
        """Whether anything of the images reaches the answer another way than through this module."""
        cut = module.register_forward_hook(lambda _, __, output: output.detach())
        try:
            gradient = self.ask()
        finally:
            cut.remove()
        return gradient is not None and bool(gradient.any())


# --- what a net's layers give


@dataclass
class _Seen:
    """A layer's output; `gradient` is that of the answer, once it has been asked for."""

    name: str
    module: nn.Module
    kind: Kind
    side: int
    prefix: int
    gradient: Tensor | None = None

    @property
    def is_norm(self) -> bool:
        """Whether it is the norm of tokens."""
        return self.kind == "tokens" and "Norm" in type(self.module).__name__

    @property
    def matters(self) -> bool:
        """Whether the answer depends on what stands at places."""
        if self.gradient is None:
            return False
        return bool((self.gradient[:, self.prefix :] if self.kind == "tokens" else self.gradient).any())


def _run(question: _Question) -> list[_Seen]:
    """Layers that give maps or tokens, in the order in which they are done."""
    net, images = question.net, question.images
    outputs: list[tuple[str, nn.Module, Tensor]] = []
    gradients: dict[int, Tensor] = {}
    pooled: list[Tensor] = []  # containers hand these on; kept, lest others take their place in memory

    def keep(name: str, module: nn.Module, _: object, output: object) -> None:
        if not isinstance(output, Tensor) or not output.requires_grad:
            return
        if "Pool" in type(module).__name__:
            pooled.append(output)
        elif not any(_same_memory(output, other) for other in pooled):
            number = len(outputs)
            outputs.append((name, module, output))
            output.register_hook(lambda gradient: gradients.update({number: gradient}))  # type: ignore[no-untyped-call]

    named = [(name, module) for name, module in net.named_modules() if name and _may_give_a_map(name, net)]
    handles = [module.register_forward_hook(partial(keep, name)) for name, module in named]
    try:
        question.ask()
    finally:
        for handle in handles:
            handle.remove()
    sides = {shape[1] for _, _, output in outputs if (shape := _map_shape(output, images)) is not None}
    seen = []
    for number, (name, module, output) in enumerate(outputs):
        found = _map_shape(output, images) or _tokens_shape(output, sides)
        if found is not None:
            seen.append(_Seen(name, module, *found, gradient=gradients.get(number)))
    return seen


def _same_memory(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _may_give_a_map(name: str, net: nn.Module) -> bool:
    """Not inside attention, and no module that only hands its input on."""
    above = [type(net.get_submodule(name.rsplit(".", i)[0])).__name__ for i in range(1, name.count(".") + 1)]
    if any(re.search("atte?n", kind, re.I) and "block" not in kind.lower() for kind in above):
        return False
    return not isinstance(net.get_submodule(name), nn.Identity | nn.Dropout)


def _map_shape(output: Tensor, images: Tensor) -> tuple[Kind, int, int] | None:
    if output.ndim != 4 or len(output) != len(images):
        return None
    _, a, b, c = output.shape
    if b == c <= images.shape[-1]:
        return "map", b, 0
    if a == b <= images.shape[-1]:
        return "map, channels last", a, 0
    return None


def _tokens_shape(output: Tensor, sides: set[int]) -> tuple[Kind, int, int] | None:
    """Tokens on the grid that the net's patches had: of the maps it made, the one that fits best."""
    if output.ndim != 3:
        return None
    tokens = output.shape[1]
    side = max((side for side in sides if side * side <= tokens), default=math.isqrt(tokens))
    prefix = tokens - side * side
    return ("tokens", side, prefix) if prefix <= _MOST_PREFIX_TOKENS else None
