"""The answer in one paragraph: of each comparison what came out best where, and what its tests could tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bakeoff.report import words
from bakeoff.report.load import Results, Row
from bakeoff.report.text import Names, Unit, capital, counted, metric_name

# What one of them does, and several do.
_TELL = {
    "better": ("comes out better", "come out better"),
    "worse": ("comes out worse", "come out worse"),
    "equivalent": ("is equivalent", "are equivalent"),
    "inconclusive": ("cannot be told apart", "cannot be told apart"),
    "untested": ("cannot be tested", "cannot be tested"),
}
_FEW = 6
"""Data sets that are named one by one."""


def paragraphs(results: Results, names: Names) -> list[str]:
    """One for each comparison of the study."""
    found: dict[str, list[list[Row]]] = {}
    for rows in words.by_question(results):
        found.setdefault(rows[0].comparison, []).append(rows)
    return [" ".join(_sentences(results, names, questions)) for questions in found.values()]


def _sentences(results: Results, names: Names, questions: Sequence[list[Row]]) -> Iterator[str]:
    best = {rows[0].dataset: row for rows in questions if (row := _best(rows)) is not None}
    if not best:
        yield "No run finished, so there is no answer."
        return
    yield from _winners(results, names, best, questions)
    tested = [row for rows in questions for row in rows if not row.is_baseline]
    if not tested:
        return
    kinds = Counter(row.verdict if row.verdict in _TELL else "untested" for row in tested)
    told = [f"{kinds[kind]} {of[kinds[kind] > 1]}" for kind, of in _TELL.items() if kinds[kind]]
    baseline = _side(names, tested[0], tested[0].baseline)
    yield f"Of {counted(len(tested), 'comparison')} with {baseline}, {_listed(told)}."
    starred = [marks for row in tested if (marks := words.marks(row, results))]
    if starred:
        yield _new_images(len(starred), sum("◆" in marks for marks in starred))


def _new_images(starred: int, wide: int) -> str:
    if starred == 1:
        return f"The significant difference {'holds for new images too' if wide else 'may not hold for new images'}."
    held = "all hold" if wide == starred else "none holds" if not wide else f"{wide} hold{'s' * (wide == 1)}"
    return f"Of the {starred} significant differences, {held} for new images too."


def _side(names: Names, row: Row, value: str) -> str:
    """A candidate; where it is no model, with what it is, as in "augmentation none"."""
    return names(value) if row.factor == "model" else f"{row.factor} {names(value)}"


def _best(rows: Sequence[Row]) -> Row | None:
    """The best of all contexts; rows come the best first."""
    return next((row for row in rows if row.mean is not None), None)


def _winners(results: Results, names: Names, best: Mapping[str, Row], questions: Sequence[list[Row]]) -> Iterator[str]:
    """A sentence for each candidate that is the best on some data set."""
    extreme = "highest" if results.metric.direction == "max" else "lowest"
    by_winner: dict[str, list[str]] = {}
    for rows in questions[:_FEW]:
        if (row := best.get(rows[0].dataset)) is not None:
            winner = _side(names, row, row.candidate)
            first = winner if row.factor == "model" else capital(winner)
            by_winner.setdefault(first, []).append(_place(results, names, row, rows))
    for winner, places in by_winner.items():
        yield f"{winner} has the {extreme} mean {metric_name(results.metric.name)}: {'; '.join(places)}."
    if len(questions) > _FEW:
        yield f"{len(questions) - _FEW} more data sets stand below."


def _place(results: Results, names: Names, best: Row, rows: Sequence[Row]) -> str:
    """As in "98.3 ± 0.2% on digits (n = 5, augmentation none), not separable from LeNet-5"; and in how many other
    groups the best mean stands again.
    """
    unit = Unit.of(results.metric.unit)
    sign = "%" if unit.sign == "%" else f" {unit.sign}".rstrip()
    fixed = [
        f"{axis} {names(of)}" for axis, of in best.context.items() if len({str(r.context[axis]) for r in rows}) > 1
    ]
    tied = [
        names(row.candidate) for row in rows if row.context == best.context and row.tied_with_best and row is not best
    ]
    runs = f"n\u00a0=\u00a0{words.n_of(results, best)}"
    elsewhere = len({str(row.context) for row in rows if row.mean == best.mean and row.context != best.context})
    return (
        f"{unit.spread(best.mean, best.std)}{sign} on {names(best.dataset)} ({', '.join((runs, *fixed))})"
        + (f", not separable from {_listed(tied)}" if tied else "")
        + (f", with the same mean in {counted(elsewhere, 'other group')}" if elsewhere else "")
    )


def _listed(texts: Sequence[str]) -> str:
    """As in "a, b and c"."""
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
