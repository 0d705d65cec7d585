"""Predictions made elsewhere: which test image each run classifies rightly, from CSV or parquet, lines in any order."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from bakeoff.compare import jackknife
from bakeoff.compare.csvfile import check_columns, columns_of, delimiter_of, shown, text_of
from bakeoff.compare.load import CellKey, Examples, IntArray, Outcome
from bakeoff.compare.scores import DEFAULTS, label_of, one_name, whole_number
from bakeoff.compare.spec import AXES
from bakeoff.errors import UserError

NEEDED = ("model", "seed", "example_id")
COLUMNS = (*AXES, "seed", "example_id", "correct", "y_true", "y_pred")
TWINS = 10
"""Two seeds that get so many images wrong, and the same ones, are one run: fewer, and hard images explain it."""

_RIGHT: Mapping[str, bool] = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Predictions:
    """What each run got right, by place in the grid and seed; the test images by data set, in one order for all runs.

    `ids` of the test images number them in that order; labels and predictions number the classes in theirs.
    """

    source: str
    axes: tuple[str, ...]
    outcomes: Mapping[tuple[CellKey, int], Outcome]
    tests: Mapping[str, Examples]
    warnings: tuple[str, ...]


def read(files: Sequence[tuple[str, bytes]]) -> Predictions:
    """The predictions in the bytes of files, each with the name that messages call it by.

    Raises UserError, naming file and line, for what is no such file, for an image twice in a run, and for runs of one
    data set that are not of the same images.
    """
    frames, remarks = [], []
    axes: set[str] = set()
    for source, data in files:
        frame = _parquet(data, source) if data.startswith(_PARQUET) else _csv(data, source)
        remarks += check_columns(list(frame.columns), NEEDED, COLUMNS, source)
        axes |= set(AXES) & set(frame.columns)
        frames.append(_prepared(frame, source))
    whole = pd.concat(frames, ignore_index=True)
    outcomes: dict[tuple[CellKey, int], Outcome] = {}
    tests: dict[str, Examples] = {}
    for dataset, part in whole.groupby("dataset", sort=True):
        found, tests[str(dataset)] = _of_dataset(part)
        outcomes |= found
    source = " and ".join(source for source, _ in files)
    return Predictions(source, tuple(axis for axis in AXES if axis in axes), outcomes, tests, tuple(remarks))


def _csv(data: bytes, source: str) -> pd.DataFrame:
    text = text_of(data, source)
    delimiter = delimiter_of(text.splitlines()[0], COLUMNS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # values beyond the header would be cut off
            frame = pd.read_csv(io.StringIO(text), sep=delimiter, dtype=str, keep_default_na=False, index_col=False)
    except pd.errors.ParserWarning:
        raise UserError(f"{source}: line 2: has more values than the header has columns") from None
    except ValueError as error:
        raise UserError(f"{source}: {shown(' '.join(str(error).split()), 200)}") from None
    frame.columns = pd.Index(columns_of([str(name) for name in frame.columns]))
    return frame


def _parquet(data: bytes, source: str) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except ImportError:
        raise UserError(
            f"{source}: reading parquet needs pyarrow; install bakeoff with the extra parquet: uv sync --extra parquet "
            "(or pip install pyarrow), or save it as CSV"
        ) from None
    except Exception as error:  # pyarrow has its own, and is imported nowhere else
        raise UserError(f"{source}: is damaged or no parquet ({type(error).__name__}: {shown(str(error))})") from None
    frame.columns = pd.Index(columns_of([str(name) for name in frame.columns]))
    return frame.map(str)


def _prepared(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """The columns that are needed, text checked once for each different value; `where` tells a line in messages."""
    if frame.empty:
        raise UserError(f"{source}: has a header and no predictions below it")
    places: dict[str, Any] = {
        axis: _each(frame, axis, source, one_name) if axis in frame else pd.Series(DEFAULTS[axis], index=frame.index)
        for axis in AXES
    }
    columns: dict[str, Any] = {
        **places,
        "seed": _each(frame, "seed", source, whole_number).astype(np.int64),
        "example_id": frame["example_id"].str.strip(),
        "line": np.arange(len(frame)) + 2,
        "source": source,
        **_answers(frame, source),
    }
    return pd.DataFrame(columns)


def _each(frame: pd.DataFrame, column: str, source: str, check: Callable[[str, str, str], Any]) -> pd.Series:
    """`check` of each different text in a column, and where it fails of the first line that has it."""
    codes, texts = pd.factorize(frame[column].str.strip())
    first = pd.Series(range(len(codes))).groupby(codes).first()
    values = [check(text, column, f"{source}: line {first[k] + 2}") for k, text in enumerate(texts)]
    return pd.Series(np.array(values, dtype=object)[codes], index=frame.index)


def _answers(frame: pd.DataFrame, source: str) -> dict[str, object]:
    """`correct`, and true and predicted class where both are there."""
    labelled = {"y_true", "y_pred"} <= set(frame.columns)
    if not labelled and "correct" not in frame.columns:
        raise UserError(f"{source}: line 1: needs a column 'correct' (0 or 1), or both 'y_true' and 'y_pred'")
    found: dict[str, object] = {}
    if labelled:
        for name in ("y_true", "y_pred"):
            # 3 and 3.0 are one class: a column with a gap in it becomes one of floats on its way through pandas.
            found[name] = frame[name].str.strip().str.replace(r"^([+-]?\d+)\.0+$", r"\1", regex=True)
            _refuse(frame[name].str.strip() == "", f"{name}: is empty", source)
        found["correct"] = cast(pd.Series, found["y_true"]) == cast(pd.Series, found["y_pred"])
    if "correct" in frame.columns:
        said = frame["correct"].str.strip().str.lower().map(_RIGHT.get)
        _refuse(said.isna(), "correct: must be 0 or 1", source)
        if labelled:
            _refuse(said.astype(bool) != found["correct"], "correct does not agree with y_true and y_pred", source)
        found["correct"] = said.astype(bool)
    return found


def _refuse(wrong: pd.Series, what: str, source: str) -> None:
    at = np.flatnonzero(wrong.to_numpy())
    if at.size:
        raise UserError(f"{source}: line {at[0] + 2}: {what}" + (f" (and {at.size - 1} more)" if at.size > 1 else ""))


def _of_dataset(part: pd.DataFrame) -> tuple[dict[tuple[CellKey, int], Outcome], Examples]:
    codes, ids = pd.factorize(part["example_id"], sort=True)
    part = part.assign(image=codes)
    labels, classes = _labels(part, len(ids))
    found = {}
    for key, run in part.groupby([*AXES, "seed"], sort=True):
        *place, seed = cast(tuple[str, ...], key)
        run = _of_every_image(run, ids, part)
        correct = run["correct"].to_numpy(dtype=bool)
        predicted = classes.get_indexer(pd.Index(run["y_pred"])).astype(np.int64) if classes is not None else None
        per_image = jackknife.of_answers(labels, predicted) if predicted is not None else {}
        outcome = Outcome(correct, _digest(correct, predicted), predicted, per_image)
        found[cast(CellKey, tuple(place)), int(seed)] = outcome
    return found, Examples(np.arange(len(ids), dtype=np.int64), labels)


def _of_every_image(run: pd.DataFrame, ids: pd.Index, part: pd.DataFrame) -> pd.DataFrame:
    """The lines of a run in the order of the images. Raises UserError unless it has each of the data set once."""
    first = run.iloc[0]
    label = f"{label_of([first[axis] for axis in AXES])} at seed {first['seed']}"
    twice = run[run["image"].duplicated(keep=False)].sort_values("image", kind="stable")
    if len(twice):
        one, other = twice.iloc[0], twice.iloc[1]
        raise UserError(
            f"{other['source']}: line {other['line']}: example_id {shown(one['example_id'])!r} of {label} is there "
            f"already, in line {one['line']}{'' if one['source'] == other['source'] else ' of ' + one['source']}"
        )
    if len(run) < len(ids):
        missing = np.setdiff1d(np.arange(len(ids)), run["image"])[0]
        has = part[part["image"] == missing].iloc[0]
        raise UserError(
            f"{first['source']}: {label} has {len(run):,} of the {len(ids):,} test images; "
            f"example_id {shown(str(ids[missing]))!r} is missing, which {has['source']} has in line {has['line']} "
            f"for {shown(str(has['model']))}: runs on two test sets do not compare"
        )
    return run.sort_values("image")


def _labels(part: pd.DataFrame, images: int) -> tuple[IntArray, pd.Index | None]:
    """The class of each image and the classes; without any where a run's are not known."""
    if "y_true" not in part or part["y_true"].isna().any():
        return np.full(images, -1, dtype=np.int64), None
    truth = part.drop_duplicates("image").set_index("image")["y_true"]
    other = np.flatnonzero(part["y_true"].to_numpy() != truth.loc[part["image"]].to_numpy())
    if other.size:
        line = part.iloc[other[0]]
        raise UserError(
            f"{line['source']}: line {line['line']}: y_true of example_id {shown(line['example_id'])!r} is "
            f"{shown(line['y_true'])!r}, and {shown(truth.loc[line['image']])!r} in another run"
        )
    classes = pd.Index(sorted(set(part["y_true"]) | set(part["y_pred"])))
    return classes.get_indexer(pd.Index(truth.sort_index())).astype(np.int64), classes


def _digest(correct: npt.NDArray[np.bool_], predicted: IntArray | None) -> str | None:
    """The same for runs that are one; None where there is too little to tell by."""
    if np.count_nonzero(~correct) < TWINS:
        return None
    return hashlib.sha256((correct if predicted is None else predicted).tobytes()).hexdigest()
