"""A network of others as a model of a study: `onnx/PATH`, an ONNX file of the working folder. It is run, never trained.

Imports neither onnx nor numpy: a study is checked without opening the file. What opens it is models/library/onnx.py.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bakeoff.errors import UserError
from bakeoff.provenance import Json, canonical, sha256

PREFIX, SUFFIX = "onnx/", ".onnx"
BESIDE = (".data", "_data")
"""What the files of its weights may be called, where they are not inside: the file's own name and one of these."""


def is_file(builder: str) -> bool:
    """Whether a builder names an ONNX file."""
    return builder.startswith(PREFIX)


def path_of(builder: str) -> Path:
    """The file. Raises UserError, in a sentence, where there is none, or none that a study may name."""
    path = Path(builder.removeprefix(PREFIX))
    if path.is_absolute() or ".." in path.parts or ":" in builder:
        raise UserError(f"{builder!r} must be {PREFIX}PATH with the path of a file inside the working folder")
    if path.suffix != SUFFIX:
        raise UserError(f"{builder!r} names no file {SUFFIX}, as onnx/nets/model.onnx does")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file in the working folder {Path.cwd()}")
    return path


def weights_beside(path: Path) -> list[Path]:
    """The files of weights that belong to it. Raises UserError for one that is a link out of its folder."""
    found = [path.with_name(path.name + end) for end in BESIDE]
    for file in (found := [file for file in found if file.exists()]):
        if not file.resolve().is_relative_to(path.parent.resolve()):
            raise UserError(f"{file}: is a link that leads out of its folder; copy the file there")
    return found


def digest(builder: str) -> str:
    """16 hex digits over what is in the file and in those of its weights: part of the code digest of its runs."""
    path = path_of(builder)
    return hashlib.sha256(canonical(_digests(path)).encode()).hexdigest()[:16]


def origin(builder: str) -> Json:
    """Where a run's network came from, as its record says it."""
    path = path_of(builder)
    return {"source": "onnx", "file": path.as_posix(), "sha256": _digests(path)}


def _digests(path: Path) -> dict[str, str]:
    return {file.name: _sha256(file, file.stat().st_mtime_ns) for file in (path, *weights_beside(path))}


@cache
def _sha256(path: Path, modified: int) -> str:
    return sha256(path)


def problem(options: Mapping[str, Any]) -> tuple[str, str] | None:
    """The option that is wrong among those that have the right types, and what is wrong with it."""
    for key in ("mean", "std"):
        values = options[key]
        if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
            return key, f"{values!r} must be a list of numbers, one, or one a channel"
        if key == "std" and not all(value > 0 for value in values):
            return key, f"{values!r} must be above 0, for pixels are divided by it"
    return None
