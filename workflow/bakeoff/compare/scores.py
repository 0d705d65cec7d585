"""Scores made elsewhere: a tidy CSV, one line a data set, model, augmentation, recipe, seed and metric.

What is wrong with it is said with the line it stands in; nothing is averaged, guessed or left out in silence.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bakeoff.compare.csvfile import check_columns, columns_of, delimiter_of, shown, text_of
from bakeoff.compare.spec import AXES
from bakeoff.errors import UserError

Status = Literal["ok", "failed", "diverged", "missing"]

# What a file without the column has in it.
DEFAULTS = {"dataset": "test set", "augmentation": "default", "recipe": "default"}
NEEDED = ("model", "seed", "value")
COLUMNS = (*AXES, "seed", "metric", "value", "status", "direction", "test_hash", "split_id")
LONGEST = 200
"""Characters that a name may have."""

LARGEST = 1e100
"""The squares of larger scores, and sums of them, have no place in a float."""

_STATUSES: Mapping[str, Status] = {
    "": "ok", "ok": "ok", "done": "ok", "failed": "failed", "oom": "failed", "diverged": "diverged",
    "missing": "missing",
}  # fmt: skip
_NO_VALUE = ("", "-", "na", "n/a", "nan", "null", "none", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True)
class Score:
    """One line of the file. `value` is None for a run that failed, or that has no number there.

    `test` names the test images: two scores that are set against each other must not differ in it.
    """

    line: int
    dataset: str
    model: str
    augmentation: str
    recipe: str
    seed: int
    metric: str
    value: float | None
    status: Status
    direction: str | None
    test: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Its place in the grid, in the order of AXES."""
        return (self.dataset, self.model, self.augmentation, self.recipe)

    @property
    def label(self) -> str:
        """What it is of, for messages."""
        return label_of(self.key)


@dataclass(frozen=True)
class Scores:
    """All lines of a file; `axes` are those that it has a column of, `source` what messages call it."""

    source: str
    axes: tuple[str, ...]
    rows: tuple[Score, ...]
    warnings: tuple[str, ...] = ()


def label_of(key: Sequence[str]) -> str:
    """A place in the grid, for messages, without what the file has no column of."""
    return shown("/".join(part for axis, part in zip(AXES, key, strict=True) if part != DEFAULTS.get(axis)))


def read(data: bytes, source: str, metric: str | None = None) -> Scores:
    """The scores in the bytes of a CSV; comma, semicolon or tab between columns, lines in any order.

    `metric` is that of all values in a file that has no such column. Raises UserError, naming source, line and column.
    """
    text = text_of(data, source)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text.splitlines()[0], COLUMNS))
    try:
        columns = columns_of(next(reader))
        warnings = check_columns(columns, NEEDED, COLUMNS, source)
        if "metric" not in columns and metric is None:
            raise UserError(f"{source}: has no column 'metric'; name the metric of its values, as in --metric accuracy")
        rows = []
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_score(_named(columns, cells, source, reader.line_num), source, reader.line_num, metric))
    except csv.Error as error:
        raise UserError(f"{source}: line {reader.line_num}: {error}") from None
    if not rows:
        raise UserError(f"{source}: has a header and no scores below it")
    _refuse_duplicates(rows, source)
    return Scores(source, tuple(axis for axis in AXES if axis in columns), tuple(rows), tuple(warnings))


def _named(columns: list[str], cells: list[str], source: str, line: int) -> dict[str, str]:
    more = [cell for cell in cells[len(columns) :] if cell.strip()]
    if more or len(cells) < len(columns):
        raise UserError(
            f"{source}: line {line}: has {len(cells)} values, and the header {len(columns)} columns"
            "; names and numbers with the delimiter in them need quotes"
        )
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name}


def _score(cells: Mapping[str, str], source: str, line: int, metric: str | None) -> Score:
    where = f"{source}: line {line}"
    places = {axis: one_name(cells[axis], axis, where) if axis in cells else DEFAULTS[axis] for axis in AXES}
    status = _STATUSES.get(cells.get("status", "").lower())
    if status is None:
        known = ", ".join(filter(None, _STATUSES))
        raise UserError(f"{where}: status: {shown(cells['status'])!r} is none; choose from {known}")
    direction = cells.get("direction", "").lower()
    if direction not in ("", "max", "min"):
        raise UserError(f"{where}: direction: {shown(direction)!r} must be max or min")
    value = _value(cells["value"], where)
    return Score(
        line=line,
        **places,
        seed=whole_number(cells["seed"], "seed", where),
        metric=one_name(cells["metric"], "metric", where) if "metric" in cells else str(metric),
        value=value if status == "ok" else None,
        status="failed" if status == "ok" and value is None else status,
        direction=direction or None,
        test=tuple(f"{column} {shown(cells[column])}" for column in ("test_hash", "split_id") if cells.get(column)),
    )


def one_name(text: str, column: str, where: str) -> str:
    """The text, when it is one line that tables and figures can show. Raises UserError, saying `where`, for another."""
    if not text:
        raise UserError(f"{where}: {column}: is empty")
    if len(text) > LONGEST:
        raise UserError(f"{where}: {column}: {shown(text, 40)!r} has {len(text)} characters; at most {LONGEST}")
    # As the pattern of spec.Name: a control character would break a table's row or an SVG.
    broken = next((c for c in text if c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029"), None)
    if broken is not None:
        raise UserError(f"{where}: {column}: {shown(text)!r} holds a control character or a line end")
    return text


def whole_number(text: str, column: str, where: str) -> int:
    """The number that `text` is, also as in "3.0". Raises UserError for any other text."""
    if not _WHOLE.fullmatch(text):
        raise UserError(f"{where}: {column}: {shown(text)!r} is no whole number")
    return int(text.partition(".")[0])


def _value(text: str, where: str) -> float | None:
    if text.lower() in _NO_VALUE:
        return None
    try:
        value = float(text.replace("_", "?"))  # 1_000 is a number in Python alone
    except ValueError:
        if _DECIMAL_COMMA.fullmatch(text):
            hint = "; write a decimal point"
        elif text.endswith("%"):
            hint = "; leave the % away"
        else:
            hint = "; leave it empty for a run that failed"
        raise UserError(f"{where}: value: {shown(text)!r} is no number{hint}") from None
    if LARGEST < abs(value) < math.inf:
        raise UserError(f"{where}: value: {shown(text)!r} is too large to compute with")
    return value if math.isfinite(value) else None


def _refuse_duplicates(rows: list[Score], source: str) -> None:
    first: dict[tuple[object, ...], int] = {}
    for row in rows:
        line = first.setdefault((*row.key, row.seed, row.metric), row.line)
        if line != row.line:
            raise UserError(
                f"{source}: lines {line} and {row.line}: both are {row.metric} of {row.label} at seed {row.seed}; "
                "two scores of one run are never averaged: remove one, or give another seed"
            )
