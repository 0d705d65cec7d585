"""From a builder's name in a study to a network. Names are looked up without importing torch.

A builder is the name of a file in `own/`; `library/net`, such as `timm/resnet18`; a function in a file of one's own,
`nets/mynet.py:build`; a network that is not trained here, `onnx/nets/model.onnx`; or a control method,
`control/majority` or `sklearn/random_forest`.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff import plugins
from bakeoff.errors import UserError
from bakeoff.models import factory, onnx_file

if TYPE_CHECKING:
    from torch import nn

# How each library marks the functions that build its nets.
_REGISTRATION = {
    "timm": re.compile(r"^@register_model\s*\ndef (\w+)", re.MULTILINE),
    "torchvision": re.compile(r"^@register_model\(.*\)\n(?:@.*\n)*def (\w+)", re.MULTILINE),
}
_CONTROLS = {"control": "models/controls", "sklearn": "models/estimators"}
_TAG = re.compile(r"[A-Za-z0-9_]{1,60}")
# What building or running a net raises when it cannot take such images.
_MISFITS = (
    RuntimeError,
    ValueError,
    AssertionError,
    TypeError,
    IndexError,
    ZeroDivisionError,
    KeyError,
    AttributeError,
)


def own_names() -> list[str]:
    """Nets of this package."""
    return plugins.names("models/own")


def control_names() -> list[str]:
    """Control methods: what a table's networks must beat."""
    return [f"{kind}/{name}" for kind, folder in _CONTROLS.items() for name in plugins.names(folder)]


@cache
def library_names(library: str) -> tuple[str, ...]:
    """Names of the classifiers of an installed library, read off its source: importing timm takes seconds."""
    found = importlib.util.find_spec(library)
    if found is None or found.origin is None:
        return ()
    sources = Path(found.origin).parent.joinpath("models").glob("*.py")
    pattern = _REGISTRATION[library]
    return tuple(sorted(name for file in sources for name in pattern.findall(file.read_text(encoding="utf-8"))))


def names() -> list[str]:
    """Every builder that a study may name, but for files of one's own."""
    libraries = [f"{library}/{name}" for library in sorted(_REGISTRATION) for name in library_names(library)]
    return own_names() + control_names() + libraries


def is_known(builder: str) -> bool:
    """Whether a study may name this builder. timm's may have a tag that names weights: `timm/resnet18.a1_in1k`.

    Raises UserError, which says what is missing, for a file.
    """
    if onnx_file.is_file(builder):
        onnx_file.path_of(builder)
        return True
    if factory.is_factory(builder):
        factory.check(builder)
        return True
    library, slash, name = builder.partition("/")
    if not slash:
        return builder in own_names()
    if library == "timm":
        name, dot, tag = name.partition(".")
        if dot and not _TAG.fullmatch(tag):
            return False
    return builder in control_names() or (library in _REGISTRATION and name in library_names(library))


def is_control(builder: str) -> bool:
    """Whether this is not trained but asked at once: a control method, which is fitted, or an ONNX file."""
    return onnx_file.is_file(builder) or builder in control_names()


def publishes_weights(builder: str) -> bool:
    """Whether this is a net of a library, which may have published weights for it."""
    return builder.partition("/")[0] in _REGISTRATION and not factory.is_factory(builder)


def default_name(builder: str) -> str:
    """The name that a model has in results when a study gives it none: `timm-resnet18`, `nets-mynet.py-build`."""
    return re.sub(r"[/:]", "-", builder.removeprefix("./")).lower()


def _place(builder: str) -> tuple[str, str]:
    """Folder and file of the module that builds this."""
    library, slash, name = builder.partition("/")
    if library in _CONTROLS:
        return _CONTROLS[library], name
    return ("models/library", library) if slash else ("models/own", builder)


def module_of(builder: str) -> str:
    """The module that builds this: what the code digest of its runs begins at, besides the step."""
    return "bakeoff.models.factory" if factory.is_factory(builder) else plugins.module(*_place(builder))


def code_outside(builder: str) -> str | None:
    """Digest of the code, or the file, outside this package that this is, part of the code digest of its runs too."""
    if onnx_file.is_file(builder):
        return onnx_file.digest(builder)
    return factory.code(builder) if factory.is_factory(builder) else None


def options_of(builder: str) -> dict[str, plugins.Option]:
    """The options that a study may give to this builder."""
    return factory.options(builder) if factory.is_factory(builder) else plugins.options(*_place(builder))


def about(builder: str) -> str:
    """What it is, in a line; nothing for the nets of libraries."""
    if factory.is_factory(builder):
        return factory.about(builder)
    folder, name = _place(builder)
    return "" if folder == "models/library" else plugins.about(folder, name)


def load(builder: str) -> None:
    """Import what builds this, with the libraries that it needs."""
    importlib.import_module(module_of(builder))
    if factory.is_factory(builder):
        factory.load(builder)


def build(model: Mapping[str, Any], *, channels: int, size: int, classes: int, drop_path: float = 0.0) -> nn.Module:
    """A network from images [B, channels, size, size] to logits [B, classes], with fresh random weights.

    `model` has `builder` and `options`; `drop_path` is the highest rate of stochastic depth. The weights come from
    torch's global generator: seed it before. Raises UserError when this net cannot take such images.
    """
    import torch

    builder = model["builder"]
    if is_control(builder):
        kind = "an ONNX file, which torch does not run" if onnx_file.is_file(builder) else "a control method"
        raise UserError(f"{builder}: is {kind}, not a network to be trained")
    try:
        net = _make(builder, model["options"], (channels, size, classes), drop_path)
        net.eval()
        with torch.no_grad():
            logits: object = net(torch.zeros(2, channels, size, size))
    except _MISFITS as error:
        raise UserError(
            f"{builder}: cannot be built for images of {channels}x{size}x{size} and {classes} classes: "
            f"{_reason(builder, error)}\n  {_advice(builder, error)}"
        ) from error
    if not isinstance(logits, torch.Tensor):
        raise UserError(f"{builder}: gives {type(logits).__name__} for 2 images, not logits [2, {classes}]")
    if tuple(logits.shape) != (2, classes):
        raise UserError(f"{builder}: gives {list(logits.shape)} for 2 images, not logits [2, {classes}]")
    return net


def _make(builder: str, options: Mapping[str, Any], shape: tuple[int, int, int], drop_path: float) -> nn.Module:
    if publishes_weights(builder):
        library = importlib.import_module(module_of(builder))
        net: nn.Module = library.build(builder.partition("/")[2], *shape, drop_path, **options)
        return net
    if drop_path:
        raise ValueError("has no stochastic depth; a recipe with drop_path: 0 would do")
    if not factory.is_factory(builder):
        net = importlib.import_module(module_of(builder)).build(*shape, **options)
        return net
    make = factory.load(builder)
    try:
        net = make(*shape, **options)
    except Exception as error:
        raise RuntimeError(factory.where(error, factory.file_of(builder))) from error
    if not callable(getattr(net, "state_dict", None)):
        raise TypeError(f"the function must return a torch.nn.Module, not {type(net).__name__}")
    return net


def _reason(builder: str, error: Exception) -> str:
    text = str(error).partition("\n")[0] or type(error).__name__  # assertions often have no text
    if isinstance(error, KeyError | AttributeError):
        text = f"{type(error).__name__}: {text}"
    if factory.is_factory(builder) and not isinstance(error.__cause__, Exception):
        return factory.where(error, factory.file_of(builder))
    return text


def _advice(builder: str, error: Exception) -> str:
    if "stem: small" in str(error) or "stochastic depth" in str(error):
        return "or another model would do"
    return "another image_size for the data set, or another model, would do"
