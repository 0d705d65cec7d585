"""Writes a run from a file of predictions made elsewhere: the same files as training, so that all that follows is the
same. What nobody knows of it (its training, its validation images) is absent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bakeoff.compare.csvfile import contents
from bakeoff.data import arrays
from bakeoff.errors import UserError
from bakeoff.external.spec import ExternalSpec
from bakeoff.provenance import Json, check_files, environment, read_record, spec_digest, validated, whole, write_record
from bakeoff.score import classes
from bakeoff.score.columns import Columns, FloatArray, IntArray, read

ID, TRUTH, ANSWER = "example_id", "y_true", "y_pred"
_COLUMNS = "epoch,phase,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n"
_UNKNOWN = (
    "epochs", "epochs_done", "best_epoch", "val_accuracy", "n_train", "n_val", "images_trained", "train_seconds",
    "device", "threads",
)  # fmt: skip


@dataclass(frozen=True)
class _Images:
    """The test images in the order of all predictions of a study: their ids and true classes [N]; the classes."""

    dataset: str
    ids: IntArray
    labels: IntArray
    class_names: list[str]

    @property
    def some_names(self) -> str:
        """The names of its classes, for messages."""
        return f"{', '.join(self.class_names[:12])}{', ...' if len(self.class_names) > 12 else ''}"


def run(spec: Mapping[str, Any], names: Json, predictions: Path, data: Path, out: Path, code: str) -> Path:
    """Make the run folder `out` of the file `predictions`, for the test images of the data set in `data`.

    `names` are dataset, model, augmentation, recipe and seed. Returns run.json. Raises UserError, naming file and row,
    for predictions that are not of these images, once each, with numbers for all of their classes or one answer.
    """
    job = validated(ExternalSpec, spec)
    manifest = read_record(data / "manifest.json", "data", spec=spec_digest(job.dataset))
    if manifest.get("targets"):
        raise UserError(
            f"external: {names['dataset']} has targets, and this is for classes; `bakeoff score --task regression` "
            "compares predictions of others"
        )
    _, labels, ids = arrays.files(data, "test")
    check_files(data / "manifest.json", manifest, labels.name, ids.name)
    loaded = [np.load(file, allow_pickle=False) for file in (ids, labels)]
    images = _Images(names["dataset"], loaded[0], loaded[1], manifest["class_names"])
    given = contents(predictions)
    columns = _in_order(read(given, str(predictions), (ID, TRUTH, ANSWER), ("logits", "probabilities")), images)
    scores = _scores(columns, images)
    answers_only = scores is None
    if scores is None:
        scores = np.eye(len(images.class_names), dtype=np.float32)[_answers(columns, images)]

    made = out / "predictions.npz"
    with whole(made) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, example_id=images.ids, y_true=images.labels, logits=scores)
    history = out / "history.csv"
    with whole(history) as unfinished:
        unfinished.write_text(_COLUMNS)
    body = {
        **names,
        "status": "done",
        "reason": None,
        "external": {
            "file": predictions.as_posix(),
            "sha256": hashlib.sha256(given).hexdigest(),
            "data_digest": manifest["record_digest"],
        },
        "class_names": images.class_names,
        "answers_only": answers_only,
        "n_test": len(images.ids),
        **dict.fromkeys(_UNKNOWN),
        # Where this record was made; of what made the predictions nothing is known.
        "environment": {key: value for key, value in environment(()).items() if key != "packages"},
    }
    record = out / "run.json"
    write_record(record, "run", spec, code, body, [made, history])
    return record


def _in_order(columns: Columns, images: _Images) -> Columns:
    """The rows in the order of the study's images, each once; true classes, if the file has them, are ours.

    Without ids, rows are in the order of ascending ids, for which the true classes stand witness.
    """
    given = columns.take(_by_id(columns, images) if ID in columns else _by_truth(columns, images))
    if TRUTH in given:
        mine = _classes(given, TRUTH, images)
        given.refuse(mine != images.labels, TRUTH, f"{{}} is not the class that {images.dataset} has for this image")
    return given


def _by_id(columns: Columns, images: _Images) -> npt.NDArray[np.int64]:
    """The row of each test image [N]."""
    given = columns.numbers(ID)
    mine = np.unique(given)
    columns.refuse(given != np.rint(given), ID, "{} is no whole number")
    order = np.argsort(given, kind="stable")
    twice = np.zeros(len(given), dtype=bool)
    twice[order[1:]] = given[order][1:] == given[order][:-1]
    columns.refuse(twice, ID, "{} is there already")
    counted = np.array_equal(mine, np.arange(len(images.ids)))
    hint = "; rows in the order of the test set may go without this column" if counted else ""
    columns.refuse(~np.isin(given, images.ids), ID, f"{{}} is no test image of {images.dataset}{hint}")
    missing = np.setdiff1d(images.ids, given)
    if missing.size:
        raise UserError(
            f"{columns.source}: {ID}: lacks {missing.size:,} of the {len(images.ids):,} test images of "
            f"{images.dataset}, such as {missing[0]}"
        )
    place: npt.NDArray[np.int64] = order[np.searchsorted(given[order], images.ids)]
    return place


def _by_truth(columns: Columns, images: _Images) -> npt.NDArray[np.int64]:
    if TRUTH not in columns:
        raise UserError(f"{columns.source}: needs {ID}, or {TRUTH} with rows in the order of ascending {ID}")
    if len(columns) != len(images.ids):
        raise UserError(
            f"{columns.source}: has {len(columns):,} rows and no {ID}, and {images.dataset} has "
            f"{len(images.ids):,} test images"
        )
    return np.argsort(np.argsort(images.ids))


def _classes(columns: Columns, name: str, images: _Images) -> IntArray:
    """A column of classes as their numbers [N]; the file has these or, where any is no number, their names."""
    texts = columns.texts(name)
    if not pd.to_numeric(pd.Series(texts), errors="coerce").isna().any():
        return classes.numbered(columns, name, len(images.class_names))
    numbers = pd.Index(images.class_names).get_indexer(pd.Index(texts))
    columns.refuse(numbers < 0, name, f"{{}} is no class of {images.dataset} ({images.some_names})")
    return numbers.astype(np.int64)


def _answers(columns: Columns, images: _Images) -> IntArray:
    """The class that each image is taken for [N]."""
    if ANSWER not in columns:
        raise UserError(f"{columns.source}: needs logits or probabilities of each class, or else {ANSWER}")
    return _classes(columns, ANSWER, images)


def _scores(columns: Columns, images: _Images) -> npt.NDArray[np.floating[Any]] | None:
    """Logits [N, C], as float32 where that holds them exactly; None where there are answers alone."""
    scores: FloatArray | None = classes.logits(columns)
    if scores is None:
        return None
    if scores.shape[1] != len(images.class_names):
        raise UserError(
            f"{columns.source}: has {scores.shape[1]} classes, and {images.dataset} has {len(images.class_names)}: "
            f"{images.some_names}"
        )
    with np.errstate(over="ignore", under="ignore"):
        single = scores.astype(np.float32)
    return single if np.array_equal(single, scores) else scores
