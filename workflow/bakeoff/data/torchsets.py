"""Opening torchvision's data sets: looked for where the user keeps data, then downloaded and checked by torchvision."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from tarfile import TarError
from typing import Any
from zipfile import BadZipFile

from bakeoff.errors import UserError

# What torchvision raises for files that are missing, damaged, or archives that lead out of their folder.
_FAILURES = (
    OSError,
    RuntimeError,
    ValueError,
    AssertionError,
    ImportError,
    EOFError,
    LookupError,
    BadZipFile,
    TarError,
    pickle.UnpicklingError,
)


def open_set(name: str, data_root: Path, **arguments: Any) -> Any:
    """A part of torchvision.datasets.`name`: from data_root, from data_root/name in lower case, or from the network.

    Raises UserError, which says where it was looked for, when it is not there and cannot be downloaded.
    """
    from torchvision import datasets

    make = getattr(datasets, name)
    for root in (data_root, data_root / name.lower()):
        try:
            return _made(make, root, False, arguments)
        except _FAILURES:
            continue
    try:
        return _made(make, data_root, True, arguments)
    except _FAILURES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"torchvision's {name}: not found in {data_root.resolve()} nor in its folder {name.lower()}, "
            f"and not downloaded ({reason});\n"
            f"  put its files there as torchvision has them: "
            f"https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.{name}.html"
        ) from None


def _made(make: type, root: Path, download: bool, arguments: dict[str, Any]) -> Any:
    if "download" in parameters(make):  # FER2013 and ImageNet cannot be downloaded
        return make(str(root), download=download, **arguments)
    return make(str(root), **arguments)


def parameters(make: type) -> set[str]:
    """Names of the arguments of a data set's class, those included that it hands on to the classes above it."""
    names: set[str] = set()
    for base in make.__mro__:
        found = inspect.signature(base.__init__).parameters  # type: ignore[misc]
        names |= set(found)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in found.values()):
            break
    return names
