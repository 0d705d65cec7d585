"""Reads what a run left behind, and refuses what no run with such a record would have written."""

from __future__ import annotations

import csv
import zipfile
import zlib
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from bakeoff.errors import Refused
from bakeoff.evaluate.predictions import BestEpoch, Predictions
from bakeoff.evaluate.regression import Outputs
from bakeoff.provenance import finite

# What reading a damaged archive of arrays can raise, beside MemoryError for a header that claims too much.
_DAMAGE = (OSError, EOFError, KeyError, ValueError, NotImplementedError, MemoryError, zipfile.BadZipFile, zlib.error)
_VALIDATION = "val_"
_SLACK = 2**20

Arrays = dict[str, NDArray[Any]]


class TargetFacts(BaseModel):
    """A target of a regression."""

    name: str
    unit: str


class RunFacts(BaseModel):
    """What the metrics need to know of a run's record."""

    dataset: str
    model: str
    augmentation: str
    recipe: str
    seed: int
    status: str
    reason: str | None
    class_names: list[str]
    targets: list[TargetFacts] = []
    n_test: int = Field(ge=1)
    n_val: int | None = Field(None, ge=0)
    best_epoch: int | None = None
    answers_only: bool = False

    @property
    def names(self) -> dict[str, object]:
        """What metrics.json repeats of it."""
        left_out = {"n_test", "n_val", "best_epoch", "answers_only", *([] if self.targets else ["targets"])}
        return self.model_dump(exclude=left_out)

    @property
    def outputs(self) -> int:
        """Numbers that the run gives for an image."""
        return len(self.targets or self.class_names)

    @property
    def arrays(self) -> tuple[str, str, str]:
        """What its predictions are called: ids, truth, answers."""
        return ("example_id", "targets", "outputs") if self.targets else ("example_id", "y_true", "logits")

    @model_validator(mode="after")
    def _predicts_something(self) -> Self:
        if bool(self.targets) == bool(self.class_names):
            raise ValueError("has either class_names or targets")
        return self


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
    predictions = Predictions(test.y_true, test.logits, validation, best, facts.answers_only)
    return arrays["example_id"].astype(np.int64), predictions


def load_outputs(path: Path, facts: RunFacts) -> Outputs:
    """The same of a regression: targets and outputs of the test images."""
    arrays = _arrays(path, _read(path, facts), "", facts.n_test, facts)
    return Outputs(arrays[1], arrays[2], tuple(target.unit for target in facts.targets))


def _read(path: Path, facts: RunFacts) -> Arrays:
    # A few kB can unpack to any size; what an archive says of its sizes is what is unpacked at most.
    images = facts.n_test + (10 * facts.n_test if facts.n_val is None else facts.n_val)
    most = _SLACK + images * 8 * (2 * facts.outputs + 2)
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(member.file_size for member in packed.infolist()) > most:
                raise Refused(f"{path}: unpacks to more than the {most:,} bytes that such predictions take")
        with np.load(path, allow_pickle=False) as archive:
            wanted = [name for name in archive.files if name.removeprefix(_VALIDATION) in facts.arrays]
            arrays = {name: archive[name] for name in (*wanted, *facts.arrays)}
            if not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise ValueError("a member is no array")
            return arrays
    except _DAMAGE as error:
        raise Refused(
            f"{path}: is damaged ({type(error).__name__}); delete the run's folder to train it again"
        ) from None


def _checked(path: Path, arrays: Arrays, prefix: str, n: int | None, facts: RunFacts) -> Predictions:
    """The predictions of one part, named with its prefix; `n` None where the record does not say how many."""
    _, y_true, logits = _arrays(path, arrays, prefix, n, facts)
    if y_true.min() < 0 or y_true.max() >= facts.outputs:
        raise Refused(f"{path}: has true classes outside 0..{facts.outputs - 1}")
    return Predictions(y_true.astype(np.int64), logits)


def _arrays(path: Path, arrays: Arrays, prefix: str, n: int | None, facts: RunFacts) -> tuple[NDArray[Any], ...]:
    """Ids, truth and answers of one part, of the shapes and kinds that they must have."""
    names = facts.arrays
    missing = [prefix + name for name in names if prefix + name not in arrays]
    if missing:
        raise Refused(f"{path}: has no {', '.join(missing)}, though run.json beside it says there are {n} such images")
    ids, truth, answers = found = tuple(arrays[prefix + name] for name in names)
    n = len(ids) if n is None and ids.ndim else n
    of_truth = (n, facts.outputs) if facts.targets else (n,)
    if ids.shape != (n,) or truth.shape != of_truth or answers.shape != (n, facts.outputs) or not n:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(names, found, strict=True))
        raise Refused(
            f"{path}: does not hold {n} {'validation ' * bool(prefix)}predictions over {facts.outputs} "
            f"{'targets' if facts.targets else 'classes'}, as run.json beside it says ({shapes})"
        )
    wanted = {"i": "integers", "f": "floats"}
    kinds = ["i", "f" if facts.targets else "i", "f"]
    if [array.dtype.kind for array in found] != kinds:
        said = ", ".join(f"{prefix}{name} is {array.dtype}" for name, array in zip(names, found, strict=True))
        first, second, third = (wanted[kind] for kind in kinds)
        raise Refused(f"{path}: {said}: not {first}, {second} and {third}")
    if len(np.unique(ids)) != n:
        raise Refused(f"{path}: has an image more than once")
    for name, array in zip(names[1:], found[1:], strict=True):
        if not np.isfinite(array).all():
            raise Refused(f"{path}: has {name} that are no numbers, though the run's status is {facts.status!r}")
    return found


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
