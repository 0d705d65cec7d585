"""From a builder's name in a study to a network. Names are looked up without importing torch.

A builder is the name of a file in `own/`, or `library/net`, such as `timm/resnet18`.
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

if TYPE_CHECKING:
    from torch import nn

# How each library marks the functions that build its nets.
_REGISTRATION = {
    "timm": re.compile(r"^@register_model\s*\ndef (\w+)", re.MULTILINE),
    "torchvision": re.compile(r"^@register_model\(.*\)\n(?:@.*\n)*def (\w+)", re.MULTILINE),
}


def own_names() -> list[str]:
    """Nets of this package."""
    return plugins.names("models/own")


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
    """Every builder that a study may name."""
    return own_names() + [f"{library}/{name}" for library in sorted(_REGISTRATION) for name in library_names(library)]


def is_known(builder: str) -> bool:
    """Whether a study may name this builder: a net, without the tag that names weights (`resnet18.a1_in1k`)."""
    library, slash, name = builder.partition("/")
    if not slash:
        return builder in own_names()
    return library in _REGISTRATION and name in library_names(library)


def _place(builder: str) -> tuple[str, str]:
    """Folder and file of the module that builds this."""
    library, slash, _ = builder.partition("/")
    return ("models/library", library) if slash else ("models/own", builder)


def module_of(builder: str) -> str:
    """The module that builds this: what the code digest of its runs begins at, besides the step."""
    return plugins.module(*_place(builder))


def options_of(builder: str) -> dict[str, plugins.Option]:
    """The options that a study may give to this builder."""
    return plugins.options(*_place(builder))


def build(model: Mapping[str, Any], *, channels: int, size: int, classes: int) -> nn.Module:
    """A network from images [B, channels, size, size] to logits [B, classes], with fresh random weights.

    `model` has `builder` and `options`. The weights come from torch's global generator: seed it before.
    Raises UserError when this net cannot take such images.
    """
    import torch

    builder = model["builder"]
    _, slash, name = builder.partition("/")
    make = importlib.import_module(module_of(builder)).build
    try:
        net: nn.Module = make(*([name] if slash else []), channels, size, classes, **model["options"])
        net.eval()
        with torch.no_grad():
            shape = tuple(net(torch.zeros(2, channels, size, size)).shape)
    except (RuntimeError, ValueError, AssertionError, TypeError, IndexError, ZeroDivisionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__  # assertions often have no text
        raise UserError(
            f"{builder}: cannot be built for images of {channels}x{size}x{size} and {classes} classes: {reason}\n"
            f"  another image_size for the data set, or another model, would do"
        ) from error
    if shape != (2, classes):
        raise UserError(f"{builder}: gives {list(shape)} for 2 images, not logits [2, {classes}]")
    return net
