"""What a network says of files and folders of images, for `bakeoff predict`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bakeoff.deploy.decode import SUFFIXES
from bakeoff.deploy.session import Floats, Pixels, Predictor
from bakeoff.errors import UserError
from bakeoff.provenance import Json

MAX_BYTES = 100_000_000
"""Of a file; what is larger is not read."""


@dataclass(frozen=True)
class Answer:
    """What was found of one file: its most probable classes with their probabilities, or why it could not be read."""

    file: Path
    top: tuple[tuple[str, float], ...] = ()
    problem: str | None = None

    def as_json(self) -> Json:
        """The answer as `bakeoff predict --json` prints it."""
        if self.problem is not None:
            return {"file": str(self.file), "error": self.problem}
        return {"file": str(self.file), "top": [{"label": label, "probability": p} for label, p in self.top]}


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files named, and all images by their suffix in the folders named, each once, in order.

    Links within a folder that lead out of it are not followed, nor are links to folders. Raises UserError for a path
    that is not there, and for a folder without images.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = dict.fromkeys(_images_in(path))
            if not inside:
                raise UserError(f"{path}: has no images ({', '.join(SUFFIXES)})")
            found |= inside
        elif path.exists():
            found[path] = None
        else:
            raise UserError(f"{path}: is missing")
    return list(found)


def _images_in(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for place, folders, names in os.walk(folder):  # which follows no links to folders
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix.lower() in SUFFIXES and path.is_file() and path.resolve().is_relative_to(root):
                yield path


def predict(predictor: Predictor, files: Iterable[Path], top: int = 5, batch_size: int = 64) -> Iterator[Answer]:
    """An answer for each file, in order, worked out `batch_size` images at a time."""
    batch: list[tuple[Path, Pixels | str]] = []
    for file in files:
        batch.append((file, _read(predictor, file)))
        if len(batch) == batch_size:
            yield from _answers(predictor, batch, top)
            batch = []
    yield from _answers(predictor, batch, top)


def _read(predictor: Predictor, file: Path) -> Pixels | str:
    """The pixels of a file, or why there are none."""
    try:
        if not file.is_file():  # a device or a pipe may never end
            return "is no file"
        if (size := file.stat().st_size) > MAX_BYTES:
            return f"has {size:,} bytes, and at most {MAX_BYTES:,} are read"
        return predictor.decode(file.read_bytes())
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _answers(predictor: Predictor, batch: list[tuple[Path, Pixels | str]], top: int) -> Iterator[Answer]:
    images = [pixels for _, pixels in batch if not isinstance(pixels, str)]
    probabilities = iter(predictor.predict(np.stack(images)) if images else ())
    for file, pixels in batch:
        if isinstance(pixels, str):
            yield Answer(file, problem=pixels)
        else:
            yield Answer(file, top_of(next(probabilities), predictor.labels, top))


def top_of(probabilities: Floats, labels: list[str], top: int) -> tuple[tuple[str, float], ...]:
    """The `top` most probable classes of one image [classes], the most probable first."""
    best = np.argsort(-probabilities, kind="stable")[:top]
    return tuple((labels[i], float(probabilities[i])) for i in best)
