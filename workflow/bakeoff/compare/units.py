"""What the numbers of somebody's scores are: which direction is better, and whether they are per cent.

Everything after this works on fractions, as the records of a study do, so that a margin of 0.005 means the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bakeoff.compare.csvfile import shown
from bakeoff.compare.scores import Score
from bakeoff.errors import UserError

Direction = Literal["max", "min"]

MIXED = 50.0
"""Of fractions and per cent in one column, the largest is more than so many times the smallest."""


@dataclass(frozen=True)
class Known:
    """A metric that this program works out itself: unit, better direction, and range (None: without an end)."""

    unit: str
    direction: Direction
    range: tuple[float, float | None]


@dataclass(frozen=True)
class Scale:
    """Unit and direction of a metric, and the factor from the numbers in the file to that unit."""

    unit: str
    direction: Direction
    factor: float = 1.0

    @property
    def per_cent(self) -> bool:
        """Whether the file has per cent."""
        return self.factor != 1.0


def scale_of(
    rows: Sequence[Score], source: str, known: Mapping[str, Known], direction: str | None, unit: str | None
) -> Scale | None:
    """How the scores of one metric (`rows`, at least one) are to be read; None when nobody says what is better.

    `direction` and `unit` ("fraction", "percent" or any word) are what the user says; else the column `direction`, the
    table of known metrics and, for fractions, the size of the numbers. Raises UserError where these contradict, for
    fractions mixed with per cent, and for what lies outside the range of a known metric.
    """
    metric = rows[0].metric
    entry = known.get(metric)
    better = _direction(rows, source, entry, direction)
    if better is None:
        return None
    if unit is None and entry is not None:
        unit = "fraction" if entry.unit != "fraction" or not _are_per_cent(rows, source) else "percent"
        name = entry.unit
    else:
        name = {"percent": "fraction", None: ""}.get(unit, unit or "")
    scale = Scale(name, better, 0.01 if unit == "percent" else 1.0)
    if entry is not None and name == entry.unit:
        _refuse_outside(rows, source, entry, scale.factor)
    return scale


def _direction(rows: Sequence[Score], source: str, entry: Known | None, said: str | None) -> Direction | None:
    metric = shown(rows[0].metric)
    column: Direction | None = None
    for row in rows:
        if row.direction is not None and column not in (None, row.direction):
            raise UserError(f"{source}: line {row.line}: direction of {metric} is {row.direction}, above {column}")
        column = "max" if row.direction == "max" else "min" if row.direction == "min" else column
    answers: dict[str, str | None] = {
        "--direction": said,
        f"the column direction of {source}": column,
        "what is known of the metric": entry.direction if entry else None,
    }
    found = {who: answer for who, answer in answers.items() if answer is not None}
    if len(set(found.values())) > 1:
        raise UserError(f"{metric}: {' and '.join(f'{who} ({answer})' for who, answer in found.items())} contradict")
    best = next(iter(found.values()), None)
    return "max" if best == "max" else "min" if best == "min" else None


def _are_per_cent(rows: Sequence[Score], source: str) -> bool:
    """Whether these are per cent, though they are a fraction's: some are above 1."""
    numbers = sorted((abs(row.value), row.line) for row in rows if row.value)
    if not numbers or numbers[-1][0] <= 1:
        return False
    (small, small_line), (large, large_line) = numbers[0], numbers[-1]
    if small <= 1 and large > MIXED * small:
        raise UserError(
            f"{source}: {shown(rows[0].metric)} is {small:g} in line {small_line} and {large:g} in line {large_line}: "
            "fractions mixed with per cent? Write all in one of them, or say which they are: --unit percent"
        )
    return True


def _refuse_outside(rows: Sequence[Score], source: str, entry: Known, factor: float) -> None:
    low, high = entry.range
    for row in rows:
        value = None if row.value is None else row.value * factor
        if value is not None and not (low <= value <= (high if high is not None else value)):
            ends = f"{low / factor:g} to {'infinity' if high is None else format(high / factor, 'g')}"
            raise UserError(f"{source}: line {row.line}: {shown(row.metric)} is {row.value:g}, outside of {ends}")
