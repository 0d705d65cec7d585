"""The grid as an experiment of several factors, as comparison.json has it: its tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakeoff.report.diagnosed import take
from bakeoff.report.tabular import Column, Table, build
from bakeoff.report.text import NONE, Names, Unit, apart, capital, probability

if TYPE_CHECKING:
    from bakeoff.report.load import Results


@dataclass(frozen=True)
class Effect:
    """What one level of a factor does against its baseline; `levels` say which, and where."""

    factor: str
    levels: Mapping[str, str]
    baseline: str
    averaged_over: int
    status: str
    n_pairs: int
    diff: float | None
    diff_ci_lo: float | None
    diff_ci_hi: float | None
    p_exact: float | None


@dataclass(frozen=True)
class Judged(Effect):
    """An effect that is tested, in a family of such."""

    p_adj: float | None
    family_size: int
    stars: str
    verdict: str


@dataclass(frozen=True)
class Overall:
    """F of a whole interaction, its p with degrees of freedom times epsilon."""

    f: float
    df1: int
    df2: int
    epsilon: float
    p: float


@dataclass(frozen=True)
class Interaction:
    """Whether what `factor` does depends on `between`: its `simple` effects at each level, and the `differences` of
    these from that at the baseline. `why` says why there is no overall test.
    """

    factor: str
    between: str
    baselines: Mapping[str, str]
    simple: list[Effect]
    differences: list[Judged]
    overall: Overall | None
    why: str | None

    @property
    def said(self) -> str:
        """The overall test in a few words."""
        if self.overall is None:
            return f"interaction not tested: {self.why}"
        test, p = self.overall, probability(self.overall.p)
        return f"interaction F({test.df1}, {test.df2}) = {test.f:.2f}, p {p if p[0] == '<' else f'= {p}'}"


@dataclass(frozen=True)
class View:
    """The effects on one data set; the first level of each of `factors` is its baseline."""

    dataset: str
    factors: Mapping[str, list[str]]
    main: list[Judged]
    interactions: list[Interaction]
    without: list[str]


def read(raw: Iterable[Mapping[str, Any]]) -> list[View]:
    """The key `factorial` of comparison.json as typed values."""
    return [
        take(
            View,
            {
                **view,
                "main": [take(Judged, row) for row in view["main"]],
                "interactions": [_interaction(entry) for entry in view["interactions"]],
            },
        )
        for view in raw
    ]


def _interaction(raw: Mapping[str, Any]) -> Interaction:
    return take(
        Interaction,
        {
            **raw,
            "simple": [take(Effect, row) for row in raw["simple"]],
            "differences": [take(Judged, row) for row in raw["differences"]],
            "overall": take(Overall, raw["overall"]) if raw["overall"] else None,
        },
    )


# --- tables -------------------------------------------------------------------------------------------------------


def tables(results: Results, names: Names) -> list[Table]:
    """For each data set on which several factors vary: main effects, and the interactions of each two factors."""
    return [
        table for view in results.factorial for table in (_main(view, results, names), _between(view, results, names))
    ]


def _columns(results: Results, names: Names) -> list[Column[Judged]]:
    unit = Unit.of(results.metric.unit)

    def p(row: Judged) -> str:
        if row.p_adj is None:
            return f"{NONE} ({row.status.replace('_', ' ')})"
        return " ".join(filter(None, (probability(row.p_adj, results.alpha), row.stars)))

    return [
        Column("Level", lambda row: ", ".join(map(names, row.levels.values())), left=True),
        Column("Seeds", lambda row: str(row.n_pairs)),
        Column(
            "Difference",
            lambda row: unit.interval(row.diff, row.diff_ci_lo, row.diff_ci_hi),
            unit=apart(unit.points, "95% interval"),
        ),
        Column("p", p, unit="raw" if results.correction == "none" else "adjusted"),
        Column("p exact", lambda row: probability(row.p_exact)),
    ]


def _main(view: View, results: Results, names: Names) -> Table:
    groups = [
        (
            f"{capital(factor)}, minus {names(levels[0])}",
            [row for row in view.main if row.factor == factor],
        )
        for factor, levels in view.factors.items()
    ]
    notes = ["Each level minus the baseline, averaged inside each seed over all other settings that both have."]
    if view.without:
        notes.append(f"Without {', '.join(map(names, view.without))}, which are made from the others' runs.")
    return build(
        f"effects-{view.dataset}",
        f"{names(view.dataset)}: main effects",
        _columns(results, names),
        groups,
        tuple(notes),
    )


def _between(view: View, results: Results, names: Names) -> Table:
    groups = [
        (f"Does the {entry.factor} do the same for each {entry.between}? {capital(entry.said)}", entry.differences)
        for entry in view.interactions
    ]
    note = (
        "Differences of differences: what the level of one factor does at a level of the other, minus what it does at "
        "that one's baseline. F: seeds as subjects, degrees of freedom times Greenhouse and Geisser's epsilon."
    )
    columns = _columns(results, names)
    return build(f"interactions-{view.dataset}", f"{names(view.dataset)}: interactions", columns, groups, (note,))
