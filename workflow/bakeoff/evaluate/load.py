"""Reads what a run left behind, and refuses what no run with such a record would have written."""

from __future__ import annotations

import csv
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from bakeoff.errors import Refused
from bakeoff.evaluate.predictions import BestEpoch, Predictions
from bakeoff.provenance import finite

# What reading a damaged archive of arrays can raise, beside MemoryError for a header that claims too much.
_DAMAGE = (OSError, EOFError, KeyError, ValueError, NotImplementedError, MemoryError, zipfile.BadZipFile, zlib.error)
_NAMES = ("example_id", "y_true", "logits")
_VALIDATION = "val_"
_SLACK = 2**20

Arrays = dict[str, NDArray[Any]]


class RunFacts(BaseModel):
    """What the metrics need to know of a run's record."""

    dataset: str
    model: str
    augmentation: str
    recipe: str
    seed: int
    status: str
    reason: str | None
    class_names: list[str] = Field(min_length=1)
    n_test: int = Field(ge=1)
    n_val: int | None = Field(None, ge=0)
    best_epoch: int | None = None

    @property
    def names(self) -> dict[str, object]:
        """What metrics.json repeats of it."""
        return self.model_dump(exclude={"n_test", "n_val", "best_epoch"})


def load(path: Path, facts: RunFacts, history: Path | None) -> tuple[NDArray[np.int64], Predictions]:
    """Ids of the test images [N] and their predictions from `path`, with those of validation where there are any.

    Raises Refused, naming the file, unless they are what a run with such a record would have written.
    """
    arrays = _read(path, facts)
    test = _checked(path, arrays, "", facts.n_test, facts)
    validation = None
    if facts.n_val or (facts.n_val is None and _VALIDATION + "logits" in arrays):
        validation = _checked(path, arrays, _VALIDATION, facts.n_val, facts)
    best = _best_epoch(history, facts.best_epoch) if history is not None and facts.best_epoch is not None else None
    return arrays["example_id"].astype(np.int64), Predictions(test.y_true, test.logits, validation, best)


def _read(path: Path, facts: RunFacts) -> Arrays:
    # A few kB can unpack to any size; what an archive says of its sizes is what is unpacked at most.
    images = facts.n_test + (10 * facts.n_test if facts.n_val is None else facts.n_val)
    most = _SLACK + images * 8 * (len(facts.class_names) + 2)
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(member.file_size for member in packed.infolist()) > most:
                raise Refused(f"{path}: unpacks to more than the {most:,} bytes that such predictions take")
        with np.load(path, allow_pickle=False) as archive:
            wanted = [name for name in archive.files if name.removeprefix(_VALIDATION) in _NAMES]
            arrays = {name: archive[name] for name in (*wanted, *_NAMES)}
            if not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise ValueError("a member is no array")
            return arrays
    except _DAMAGE as error:
        raise Refused(
            f"{path}: is damaged ({type(error).__name__}); delete the run's folder to train it again"
        ) from None


def _checked(path: Path, arrays: Arrays, prefix: str, n: int | None, facts: RunFacts) -> Predictions:
    """The predictions of one part, named with its prefix; `n` None where the record does not say how many."""
    missing = [prefix + name for name in _NAMES if prefix + name not in arrays]
    if missing:
        raise Refused(f"{path}: has no {', '.join(missing)}, though run.json beside it says there are {n} such images")
    example_id, y_true, logits = (arrays[prefix + name] for name in _NAMES)
    classes = len(facts.class_names)
    n = len(example_id) if n is None and example_id.ndim else n
    if example_id.shape != (n,) or y_true.shape != (n,) or logits.shape != (n, classes) or not n:
        raise Refused(
            f"{path}: does not hold {n} {'validation ' * bool(prefix)}predictions over {classes} classes, as run.json "
            f"beside it says (example_id {example_id.shape}, y_true {y_true.shape}, logits {logits.shape})"
        )
    kinds = {name: arrays[prefix + name].dtype for name in _NAMES}
    if [kind.kind for kind in kinds.values()] != ["i", "i", "f"]:
        found = ", ".join(f"{prefix}{name} is {kind}" for name, kind in kinds.items())
        raise Refused(f"{path}: {found}: not integers, integers and floats")
    if len(np.unique(example_id)) != n:
        raise Refused(f"{path}: has an image more than once")
    if y_true.min() < 0 or y_true.max() >= classes:
        raise Refused(f"{path}: has true classes outside 0..{classes - 1}")
    if not np.isfinite(logits).all():
        raise Refused(f"{path}: has logits that are no numbers, though the run's status is {facts.status!r}")
    return Predictions(y_true.astype(np.int64), logits)


def _best_epoch(path: Path, epoch: int) -> BestEpoch:
    """The accuracies of that line of the history."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.DictReader(file) if int(line["epoch"]) == epoch]
        (line,) = lines
        return BestEpoch(_number(line["train_accuracy"]), _number(line["val_accuracy"]))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise Refused(
            f"{path}: has no line of epoch {epoch}, which run.json beside it calls the best ({type(error).__name__})"
        ) from None


def _number(cell: str) -> float | None:
    """A cell of the history; what was not finite was left empty."""
    return finite(float(cell)) if cell else None
