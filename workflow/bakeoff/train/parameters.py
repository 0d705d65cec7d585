"""Which parameters learn, and how fast: heads, blocks, frozen parts, layer-wise decay."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.train.spec import Last, Recipe

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_HEADS = ("head", "heads", "classifier")


@dataclass(frozen=True)
class Group:
    """Parameters that share their weight decay and their part of the learning rate."""

    parameters: list[Tensor]
    weight_decay: float
    lr_scale: float = 1.0


def blocks_of(net: nn.Module) -> list[list[str]]:
    """Names of the parameters, block by block from input to output; the last block is the head.

    timm's nets know their blocks themselves. In others a block is a child that has parameters; plain containers, and a
    child that holds most of the net (torchvision's `encoder`), are opened, so that their own children are the blocks.
    Norms belong to the block before them, and what a head does before its last layer is no part of it.
    """
    return _norms_joined(_blocks(net), net)


def _blocks(net: nn.Module) -> list[list[str]]:
    if any(kind.__module__.startswith("timm.") for kind in type(net).__mro__) and hasattr(net, "group_matcher"):
        from timm.models import group_parameters

        layers: dict[int, list[str]] = group_parameters(net, net.group_matcher(coarse=False))  # type: ignore[operator]
        head = set(_head_of_timm(net))
        blocks = [[name for name in layers[i] if name not in head] for i in sorted(layers)]
        named = [name for name, _ in net.named_parameters() if name in head]
        return [block for block in [*blocks, named] if block]
    return _children(net)


def _norms_joined(blocks: list[list[str]], net: nn.Module) -> list[list[str]]:
    weights = {name for name, parameter in net.named_parameters() if parameter.ndim > 1}
    joined: list[list[str]] = []
    for block in blocks:
        if joined and weights.isdisjoint(block):
            joined[-1] = joined[-1] + block
        else:
            joined.append(block)
    return joined


def _head_of_timm(net: nn.Module) -> list[str]:
    classifiers = net.get_classifier()  # type: ignore[operator]
    heads = classifiers if isinstance(classifiers, tuple) else (classifiers,)
    members = {id(parameter) for head in heads if isinstance(head, nn.Module) for parameter in head.parameters()}
    return [name for name, parameter in net.named_parameters() if id(parameter) in members]


def _children(net: nn.Module) -> list[list[str]]:
    known = {name for name, _ in net.named_parameters()}  # a shared parameter has one name
    blocks = _opened(net, "", _size(net), last=True)
    return [kept for block in blocks if (kept := [name for name in block if name in known])]


def _opened(module: nn.Module, prefix: str, total: int, last: bool) -> list[list[str]]:
    """Blocks of a module: its own parameters, then its children, a head last wherever it was made. A plain container, a
    child that holds over half of the net, and one that the net ends with are opened in turn.
    """
    own = [prefix + name for name, _ in module.named_parameters(recurse=False)]
    blocks = [own] if own else []
    children = [(f"{prefix}{name}.", child) for name, child in module.named_children() if _size(child)]
    if last:
        children.sort(key=lambda child: child[0].split(".")[-2] in _HEADS)
    for i, (name, child) in enumerate(children):
        ends = last and i == len(children) - 1
        if type(child) in _CONTAINERS or _size(child) > total / 2 or ends:
            blocks += _opened(child, name, total, ends)
        else:
            blocks.append([name + parameter for parameter, _ in child.named_parameters()])
    return blocks


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@dataclass(frozen=True)
class Frozen:
    """The layers that do not learn."""

    modules: list[nn.Module]

    def to_eval(self) -> None:
        """Norms keep their statistics and dropout lets all through where nothing learns; call it after net.train()."""
        for module in self.modules:
            module.eval()


def freeze(net: nn.Module, trained: Literal["all", "head"] | Last) -> Frozen:
    """Let only `trained` learn: all, the head, or the last n blocks and the head."""
    if trained == "all":
        return Frozen([])
    blocks = blocks_of(net)
    n = 0 if trained == "head" else trained.last
    if n >= len(blocks):
        raise UserError(f"trained: last: {n}: this net has {len(blocks) - 1} blocks before its head")
    learning = set(itertools.chain.from_iterable(blocks[len(blocks) - 1 - n :]))
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name in learning)
    return Frozen(_still(net, learning))


def _still(net: nn.Module, learning: set[str]) -> list[nn.Module]:
    """Modules with parameters none of which learns, and those without any before the first module that learns."""
    parameters = {id(parameter) for name, parameter in net.named_parameters() if name in learning}
    found: list[nn.Module] = []
    before = True
    for module in net.modules():
        of_module = [id(parameter) for parameter in module.parameters()]
        if any(id(parameter) in parameters for parameter in module.parameters(recurse=False)):
            before = False
        if (before and not of_module) or (of_module and parameters.isdisjoint(of_module)):
            found.append(module)
    return found


def parameter_groups(net: nn.Module, recipe: Recipe, blocks: Sequence[Sequence[str]]) -> list[Group]:
    """The parameters that learn. Weight decay is for weights, not for biases and norms (He et al. 2019, "Bag of
    tricks", section 3.1), tokens, positions and layer scales (Touvron et al. 2021), nor for what a net names in
    `no_weight_decay`; layer_decay lowers the rate from each block to the one before it.
    """
    exempt = set(net.no_weight_decay()) if hasattr(net, "no_weight_decay") else set()  # type: ignore[operator]
    named = dict(net.named_parameters())
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for depth, block in enumerate(blocks):
        scale = recipe.layer_decay ** (len(blocks) - 1 - depth)
        for name in block:
            parameter = named[name]
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and name not in exempt and not _is_embedding(name, parameter)
                decay = recipe.weight_decay if decays else 0.0
                groups.setdefault((decay, scale), []).append(parameter)
    return [Group(parameters, decay, scale) for (decay, scale), parameters in groups.items()]


def _is_embedding(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a token or positions [1, n, d], a table of relative positions, or a layer scale [d, 1, 1].

    timm's nets say so themselves; torchvision's and people's own do not.
    """
    last = name.rpartition(".")[2]
    shape = parameter.shape
    return "weight" not in last and (shape[0] == 1 or shape[0] == parameter.numel() or "position" in last)
