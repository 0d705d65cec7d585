"""What a recipe says of initial weights, before any is read: `random`, `pretrained`, or a file, known by its sha256."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bakeoff.errors import UserError
from bakeoff.provenance import sha256

RANDOM = "random"
PRETRAINED = "pretrained"
SUFFIXES = (".safetensors", ".pth", ".pt")
_DIGEST = "sha256:"


def problem(weights: str) -> str | None:
    """What is wrong with a recipe's `weights`, or None."""
    if weights in (RANDOM, PRETRAINED):
        return None
    path = Path(weights)
    if path.suffix not in SUFFIXES:
        return f"{weights!r} must be {RANDOM}, {PRETRAINED} or a file {', '.join(SUFFIXES)}"
    return None if path.is_file() else f"{weights!r}: there is no such file in {Path.cwd()}"


def file_of(weights: str) -> Path | None:
    """The file that a recipe's `weights` name, if they name one."""
    return None if weights in (RANDOM, PRETRAINED) else Path(weights)


def in_settings(weights: str) -> str:
    """A recipe's `weights` as a run's settings have them: of a file what is in it, not where it stands."""
    path = file_of(weights)
    if path is None:
        return weights
    try:
        return _DIGEST + _digest(path, path.stat().st_mtime_ns)
    except OSError:
        raise UserError(f"weights: {path}: there is no such file in {Path.cwd()}") from None


@cache
def _digest(path: Path, modified: int) -> str:
    return sha256(path)


def locate(weights: str, file: Path | None) -> str:
    """The way back: what `weights.initialise` takes, from a run's settings and the file that goes with them.

    Raises UserError when `file` is missing, or is another than the one that the settings mean.
    """
    if not weights.startswith(_DIGEST):
        return weights
    if file is None or not file.is_file():
        raise UserError(f"weights: {file or 'the file'} is missing; the run begins from {weights}")
    if sha256(file) != weights.removeprefix(_DIGEST):
        raise UserError(f"weights: {file} is not the file that the run begins from ({weights}); start anew")
    return str(file)
