"""One comparison over several data sets, as comparison.json has it, and its table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakeoff.report.diagnosed import take
from bakeoff.report.tabular import Column, Table, build
from bakeoff.report.text import NONE, Names, Unit, capital, metric_name, probability

if TYPE_CHECKING:
    from bakeoff.report.load import Results

MOST_DATASETS = 8
"""Of more, the table has the means alone; comparison.json has all."""


@dataclass(frozen=True)
class Standing:
    """A candidate over all data sets: `scores` are its means over seeds, wins and losses are against the baseline."""

    candidate: str
    mean: float | None
    mean_rank: float | None
    scores: Mapping[str, float]
    diff: float | None
    wins: int | None
    ties: int | None
    losses: int | None
    p_adj: float | None
    stars: str
    verdict: str


@dataclass(frozen=True)
class Friedman:
    """chi2 on `df` and Iman and Davenport's F on `df1`, `df2`; no F where all data sets rank alike."""

    chi2: float
    df: int
    p: float
    f: float | None
    df1: int
    df2: int
    p_f: float


@dataclass(frozen=True)
class Nemenyi:
    """The critical difference of mean ranks."""

    alpha: float
    cd: float


@dataclass(frozen=True)
class Across:
    """One comparison in one context. `untested` says why nothing is tested, None where it is.

    `cliques` are runs of candidates, best first, that no pair test tells apart; `cliques_beside` pairs in none of them.
    """

    comparison: str
    factor: str
    context: Mapping[str, str]
    baseline: str
    datasets: list[str]
    candidates: list[Standing]
    untested: str | None
    friedman: Friedman | None
    cliques: list[list[str]]
    cliques_beside: list[list[str]]
    nemenyi: Nemenyi | None
    warnings: list[str]
    notes: list[str]

    @property
    def ordered(self) -> list[Standing]:
        """The candidates, that with the best mean rank first."""
        return sorted(self.candidates, key=lambda row: (row.mean_rank is None, row.mean_rank or 0.0, row.candidate))


def read(raw: Iterable[Mapping[str, Any]]) -> list[Across]:
    """The key `across` of comparison.json as typed values."""
    return [
        take(
            Across,
            {
                **entry,
                "candidates": [take(Standing, row) for row in entry["candidates"]],
                "friedman": take(Friedman, entry["friedman"]) if entry["friedman"] else None,
                "nemenyi": take(Nemenyi, entry["nemenyi"]) if entry["nemenyi"] else None,
            },
        )
        for entry in raw
    ]


def titled(entry: Across, results: Results, names: Names) -> str:
    """What is compared, and in what context, as far as the study has others."""
    varied = [axis for axis in entry.context if len({getattr(cell, axis) for cell in results.cells}) > 1]
    fixed = ", ".join(names(entry.context[axis]) for axis in varied)
    return f"{capital(entry.factor)}s over {len(entry.datasets)} data sets" + (f": {fixed}" if fixed else "")


def tables(results: Results, names: Names) -> list[Table]:
    """One table for each comparison and context of more than one data set, the best mean rank first."""
    return [_table(entry, results, names) for entry in results.across]


def _table(entry: Across, results: Results, names: Names) -> Table:
    unit = Unit.of(results.metric.unit)

    def score(dataset: str) -> Column[Standing]:
        return Column(names(dataset), lambda row: unit.spread(row.scores.get(dataset), None), unit=unit.sign)

    def p(row: Standing) -> str:
        return " ".join(filter(None, (probability(row.p_adj, results.alpha), row.stars)))

    def counts(row: Standing) -> str:
        return NONE if row.wins is None else f"{row.wins} / {row.ties} / {row.losses}"

    columns: list[Column[Standing]] = [
        Column(capital(entry.factor), lambda row: names(row.candidate), left=True),
        *(map(score, entry.datasets) if len(entry.datasets) <= MOST_DATASETS else ()),
        Column(f"Mean {metric_name(results.metric.name)}", lambda row: unit.spread(row.mean, None), unit=unit.sign),
        Column("Mean rank", lambda row: NONE if row.mean_rank is None else f"{row.mean_rank:.2f}"),
        Column("Wins / ties / losses", counts, unit=f"against {names(entry.baseline)}"),
        Column("Difference", lambda row: NONE if row.diff is None else unit.signed(row.diff, 2), unit=unit.points),
    ]
    if entry.untested is None:
        columns.append(Column("p", p, unit="raw" if results.correction == "none" else "adjusted"))
    key = "-".join((entry.comparison, *entry.context.values()))
    notes = tuple(capital(note).rstrip(".") + "." for note in (*entry.warnings, *entry.notes, *_tests(entry)))
    return build(f"across-{key}", titled(entry, results, names), columns, [("", entry.ordered)], notes)


def _tests(entry: Across) -> Iterator[str]:
    """The tests of all candidates together."""
    if entry.untested is None:
        yield "p: Wilcoxon's signed-rank test over data sets, exact, two-sided"
    if test := entry.friedman:
        yield f"Friedman, corrected for ties: chi-squared({test.df}) = {test.chi2:.2f}, p {_equals(test.p)}"
        ratio = "without bound" if test.f is None else f"{test.f:.2f}"
        yield f"Iman and Davenport: F({test.df1}, {test.df2}) = {ratio}, p {_equals(test.p_f)}"
    if entry.nemenyi:
        yield f"Nemenyi's critical difference of mean ranks at {entry.nemenyi.alpha:g}: {entry.nemenyi.cd:.2f}"


def _equals(p: float) -> str:
    text = probability(p)
    return text if text.startswith("<") else f"= {text}"
