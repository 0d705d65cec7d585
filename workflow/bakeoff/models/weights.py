"""Initial weights: random, those that a library publishes, or a file's. What was loaded is told, name by name.

Nothing from outside runs code: safetensors, or pickles of tensors alone (`weights_only`).
"""

from __future__ import annotations

import importlib
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.models import initial, registry
from bakeoff.models.library._published import adapt_channels, only_channels_differ
from bakeoff.provenance import sha256

if TYPE_CHECKING:
    from bakeoff.models.library._published import Published

# What checkpoints of training programs keep the weights under, averaged ones first, and what they put before names.
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.", "model.")
_LEAST = 0.5


@dataclass(frozen=True)
class Loaded:
    """What initial weights were loaded: names of tensors, by the net's own names where it has them.

    `matched` counts the net's tensors that were set; those `missing` kept their random values; `reshaped` were brought
    to another number of channels or image size; `mean` and `std` are what images are to be normalised with, None for
    the data set's own figures.
    """

    source: str
    sha256: str | None
    matched: int
    missing: list[str]
    unexpected: list[str]
    reshaped: list[str]
    mapping: str
    mean: list[float] | None
    std: list[float] | None

    def text(self) -> str:
        """As lines for a log."""
        lines = [
            f"initial weights: {self.source}",
            f"  {self.matched} of {self.matched + len(self.missing)} tensors set, {self.mapping}",
        ]
        for what, names in (
            ("left random", self.missing),
            ("not used", self.unexpected),
            ("brought to this shape of images", self.reshaped),
        ):
            if names:
                lines.append(f"  {what}: {_listed(names)}")
        if self.mean is None:
            lines.append("  images normalised with the data set's own mean and deviation")
        else:
            lines.append(f"  images normalised with mean {self.mean} and deviation {self.std}, as these weights want")
        return "\n".join(lines)


def initialise(
    net: nn.Module, model: Mapping[str, Any], weights: str, *, channels: int, size: int, classes: int
) -> Loaded | None:
    """Set a net's weights in place; returns what was loaded, None for `weights` "random".

    `weights` is "random", "pretrained" (what the builder's library publishes, found in its cache or downloaded), or the
    path of a .safetensors, .pth or .pt file. A head for another number of classes stays random, a first convolution is
    adapted to `channels`, position embeddings to `size`. Raises UserError when there is no such file, it holds no plain
    tensors, too few of them fit, or nothing can be downloaded.
    """
    if weights == initial.RANDOM:
        return None
    library = _library(model["builder"])
    if weights == initial.PRETRAINED:
        found = _published(model["builder"], library, channels, size)
        loaded = Loaded(found.source, None, 0, [], [], list(found.reshaped), "by name", [*found.mean], [*found.std])
        return _set(net, model["builder"], found.tensors, loaded, library)
    path = Path(weights)
    tensors, unwrapped = read(path)
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors) and not tensors.keys() & net.state_dict().keys():
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
            unwrapped += f", without {prefix}"
    mean, std = (library.normalisation(net) if library else None) or (None, None)
    loaded = Loaded(path.name, sha256(path), 0, [], [], [], f"by name{unwrapped}", mean, std)
    if not tensors.keys() & net.state_dict().keys():
        tensors, mapping = _in_order(net, tensors, path, model["builder"])
        loaded = replace(loaded, mapping=mapping + unwrapped)
    return _set(net, model["builder"], tensors, loaded, library)


def restore(net: nn.Module, path: Path) -> None:
    """Set all of a net's tensors from the model.safetensors of one of its runs. Raises UserError for another net's."""
    tensors, _ = read(path)
    state = OrderedDict(tensors)
    # Versions of modules, without which torchvision's MNASNet takes no state; they are not in the file.
    state._metadata = net.state_dict()._metadata  # type: ignore[attr-defined]
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"weights: {path}: is of another net ({str(error).splitlines()[-1].strip()})") from error


def _library(builder: str) -> Any:
    # By name: an import here would make the versions of both libraries a matter of every run.
    return importlib.import_module(registry.module_of(builder)) if registry.publishes_weights(builder) else None


def _published(builder: str, library: Any, channels: int, size: int) -> Published:
    if library is None:
        raise UserError(f"weights: pretrained: {builder} has no published weights; name a file, or take random")
    name = builder.partition("/")[2]
    try:
        address, place = library.address(name)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"weights: pretrained: {builder}: {error}; name a file, or take random") from error
    try:
        with torch.random.fork_rng(devices=[]):  # a run's own draws do not depend on where its weights come from
            found: Published = library.published(name, channels, size)
    except Exception as error:  # of three download clients, none of which says what it raises
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(
            f"weights: pretrained: {builder}: could not be loaded from {address}: {reason}\n"
            f"  without a network: fetch the file elsewhere and put it into {place}, or name it as the recipe's weights"
        ) from error
    return found


# --- files


def read(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a .safetensors, .pth or .pt file by name, and words on what was unwrapped to find them.

    Raises UserError for a file that is missing, or holds anything else.
    """
    if problem := initial.problem(str(path)):
        raise UserError(f"weights: {problem}")
    content = _safetensors(path) if path.suffix == ".safetensors" else _pickle(path)
    key = next((key for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
    tensors = {str(name): value for name, value in (content[key] if key else content).items()}
    others = [name for name, value in tensors.items() if not isinstance(value, Tensor)]
    if others or not tensors:
        raise UserError(f"weights: {path}: is no table of tensors; it holds {_listed(others) or 'nothing'}")
    unwrapped = f", from its {key}" if key else ""
    wrong = [n for n, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if wrong:
        raise UserError(f"weights: {path}: holds numbers that are not finite, in {_listed(wrong)}")
    return tensors, unwrapped


def _safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        content: Mapping[str, Any] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"weights: {path}: is no safetensors file ({error})") from error
    return content


def _pickle(path: Path) -> Mapping[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"weights: {path}: holds more than tensors and could run code; save a state_dict() alone, or safetensors"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"weights: {path}: cannot be read as a file of torch ({reason})") from error
    if not isinstance(content, Mapping):
        raise UserError(f"weights: {path}: is no table of tensors but {type(content).__name__}; save a state_dict()")
    return content


# --- from the file's tensors to the net's


def _in_order(net: nn.Module, tensors: dict[str, Tensor], path: Path, builder: str) -> tuple[dict[str, Tensor], str]:
    """The file's tensors under the net's names, one after the other, where no name is common to both.

    All shapes must agree, but for those of the head (the last weight and bias) and of the first convolution.
    """
    targets = dict(net.state_dict())
    counters = "num_batches_tracked"
    if not any(name.endswith(counters) for name in tensors):  # older files have none
        targets = {name: tensor for name, tensor in targets.items() if not name.endswith(counters)}
    no_fit = f"weights: {path}: has no name in common with {builder} ({_listed(tensors)}; {_listed(targets)})"
    if len(tensors) != len(targets):
        raise UserError(f"{no_fit}, and {len(tensors)} tensors, not {len(targets)}: it is of another net")
    pairs = list(zip(tensors, targets, strict=True))
    differ = [i for i, (a, b) in enumerate(pairs) if tensors[a].shape != targets[b].shape]
    wrong = [i for i in differ if 0 < i < len(pairs) - 2]
    if wrong:
        a, b = pairs[wrong[0]]
        raise UserError(
            f"{no_fit}, and in order the shapes differ, first of {a} {list(tensors[a].shape)} and {b} "
            f"{list(targets[b].shape)}: it is of another net"
        )
    shown = ", ".join(f"{a} as {b}" for a, b in (pairs[0], pairs[-1]))
    return {b: tensors[a] for a, b in pairs}, f"in order, as no names agree ({shown})"


def _set(net: nn.Module, builder: str, tensors: Mapping[str, Tensor], loaded: Loaded, library: Any) -> Loaded:
    """Copy the tensors that fit into the net, and tell which. Raises UserError when fewer than half of them do."""
    targets = net.state_dict()  # its tensors are the net's own
    fitting: dict[str, Tensor] = {}
    reshaped = [name for name in loaded.reshaped if name in targets]
    first = next((name for name, tensor in targets.items() if tensor.ndim == 4), None)
    for name, target in targets.items():
        tensor = tensors.get(name)
        if tensor is not None and tensor.shape != target.shape:
            tensor = _brought_to(target.shape, name, tensor, net, library, name == first)
            reshaped += [name] * (tensor is not None)
        if tensor is not None:
            fitting[name] = tensor
    if len(fitting) < _LEAST * len(targets):
        raise UserError(
            f"weights: {loaded.source}: {len(fitting)} of the {len(targets)} tensors of {builder} are in it with the "
            f"shape that is wanted; it has {_listed(tensors)}, the net {_listed(targets)}"
        )
    with torch.no_grad():
        for name, tensor in fitting.items():
            targets[name].copy_(tensor)
    missing = [name for name in targets if name not in fitting]
    unexpected = [name for name in tensors if name not in targets]
    return replace(loaded, matched=len(fitting), missing=missing, unexpected=unexpected, reshaped=reshaped)


def _brought_to(
    shape: torch.Size, name: str, tensor: Tensor, net: nn.Module, library: Any, is_first: bool
) -> Tensor | None:
    """A tensor of another shape brought to this one, where there is a rule for it; else None."""
    if is_first and only_channels_differ(tensor.shape, shape):
        return adapt_channels(tensor, shape[1])
    resampled: Tensor | None = library.resample(net, name, tensor, shape) if library else None
    return resampled if resampled is not None and resampled.shape == shape else None


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found if len(found) <= 6 else [*found[:4], f"... ({len(found)})", found[-1]])
