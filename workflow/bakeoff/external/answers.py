"""What a file of predictions says of the test images of a data set, in the study's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bakeoff.errors import UserError
from bakeoff.provenance import Json
from bakeoff.score import classes
from bakeoff.score.columns import Columns, FloatArray, IntArray, read

ID, TRUTH, ANSWER, TARGETS, OUTPUTS = "example_id", "y_true", "y_pred", "targets", "outputs"
_EXACT = 1e-5
"""Share by which a target in a file may differ from ours: files have few decimals, and ours are of 32 bits."""

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Images:
    """The test images in the order of all predictions of a study: their ids [N], and what is true of them, classes [N]
    or targets [N, d].
    """

    dataset: str
    ids: IntArray
    truth: AnyArray


@dataclass(frozen=True)
class Said:
    """The arrays that a run's predictions have besides the ids, and what its record says of them."""

    arrays: Mapping[str, AnyArray]
    facts: Json


# --- classes ------------------------------------------------------------------------------------------------------


def of_classes(data: bytes, source: str, images: Images, class_names: Sequence[str]) -> Said:
    """What the bytes of a file say of images with classes.

    Raises UserError, naming `source` and row, unless each image is there once, with a score of each class or an answer.
    """
    columns = _in_order(read(data, source, (ID, TRUTH, ANSWER), ("logits", "probabilities")), images, TRUTH)
    if TRUTH in columns:
        wrong = _classes(columns, TRUTH, images, class_names) != images.truth
        columns.refuse(wrong, TRUTH, f"{{}} is not the class that {images.dataset} has for this image")
    scores = _scores(columns, images, class_names)
    answers_only = scores is None
    if scores is None:
        scores = np.eye(len(class_names), dtype=np.float32)[_answers(columns, images, class_names)]
    facts = {"class_names": list(class_names), "answers_only": answers_only}
    return Said({"y_true": images.truth, "logits": scores}, facts)


def _classes(columns: Columns, name: str, images: Images, class_names: Sequence[str]) -> IntArray:
    """A column of classes as their numbers [N]; the file has these or, where any is no number, their names."""
    texts = columns.texts(name)
    if not pd.to_numeric(pd.Series(texts), errors="coerce").isna().any():
        return classes.numbered(columns, name, len(class_names))
    numbers = pd.Index(class_names).get_indexer(pd.Index(texts))
    columns.refuse(numbers < 0, name, f"{{}} is no class of {images.dataset} ({_some(class_names)})")
    return numbers.astype(np.int64)


def _answers(columns: Columns, images: Images, class_names: Sequence[str]) -> IntArray:
    """The class that each image is taken for [N]."""
    if ANSWER not in columns:
        raise UserError(f"{columns.source}: needs logits or probabilities of each class, or else {ANSWER}")
    return _classes(columns, ANSWER, images, class_names)


def _scores(columns: Columns, images: Images, class_names: Sequence[str]) -> AnyArray | None:
    """Logits [N, C]; None where there are answers alone."""
    scores: FloatArray | None = classes.logits(columns)
    if scores is None:
        return None
    if scores.shape[1] != len(class_names):
        raise UserError(
            f"{columns.source}: has {scores.shape[1]} classes, and {images.dataset} has {len(class_names)}: "
            f"{_some(class_names)}"
        )
    return _single(scores)


def _some(class_names: Sequence[str]) -> str:
    return f"{', '.join(class_names[:12])}{', ...' if len(class_names) > 12 else ''}"


# --- targets ------------------------------------------------------------------------------------------------------


def of_targets(data: bytes, source: str, images: Images, targets: Sequence[Json]) -> Said:
    """What the bytes of a file say of images with these targets.

    Raises UserError, naming `source` and row, unless they have each image once, with a number for every target.
    """
    given = read(data, source, (ID, TRUTH, ANSWER), (TARGETS, OUTPUTS))
    truth = TARGETS if TARGETS in given else TRUTH
    columns = _in_order(given, images, truth)
    if truth in columns:
        wrong = np.abs(_numbers(columns, truth, targets) - images.truth) > _EXACT * np.abs(images.truth)
        columns.refuse(wrong.any(axis=1), truth, f"{{}} is not what {images.dataset} has for this image")
    name = OUTPUTS if OUTPUTS in columns else ANSWER
    if name not in columns:
        raise UserError(f"{columns.source}: needs {OUTPUTS}, a number for each of {_named(targets)}")
    return Said(
        {TARGETS: images.truth, OUTPUTS: _single(_numbers(columns, name, targets))},
        {"class_names": [], "targets": [{key: each[key] for key in ("name", "unit")} for each in targets]},
    )


def _numbers(columns: Columns, name: str, targets: Sequence[Json]) -> FloatArray:
    """A column [N, d]."""
    wide = name in (TARGETS, OUTPUTS)
    values: FloatArray = columns.matrix(name) if wide else columns.numbers(name)[:, None]
    if (d := values.shape[1]) != len(targets):
        raise UserError(f"{columns.source}: {name}: has {d} numbers a row, not those of {_named(targets)}")
    return values


def _named(targets: Sequence[Json]) -> str:
    return ", ".join(str(each["name"]) for each in targets)


# --- rows ---------------------------------------------------------------------------------------------------------


def _in_order(columns: Columns, images: Images, truth: str) -> Columns:
    """The rows in the order of the study's images, each once.

    Without ids, rows are in the order of ascending ids, for which the column `truth` must stand witness.
    """
    return columns.take(_by_id(columns, images) if ID in columns else _by_truth(columns, images, truth))


def _by_id(columns: Columns, images: Images) -> npt.NDArray[np.int64]:
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


def _by_truth(columns: Columns, images: Images, truth: str) -> npt.NDArray[np.int64]:
    if truth not in columns:
        raise UserError(f"{columns.source}: needs {ID}, or {truth} with rows in the order of ascending {ID}")
    if len(columns) != len(images.ids):
        raise UserError(
            f"{columns.source}: has {len(columns):,} rows and no {ID}, and {images.dataset} has "
            f"{len(images.ids):,} test images"
        )
    return np.argsort(np.argsort(images.ids))


def _single(values: FloatArray) -> AnyArray:
    """As float32 where that holds them exactly."""
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype(np.float32)
    return single if np.array_equal(single, values) else values
