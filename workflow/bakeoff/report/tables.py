"""The tables of the comparison, each described once as a list of columns. What models cost is in `costs`, what single
cells scored in `measures`.
"""

from __future__ import annotations

from dataclasses import replace

from bakeoff.report import costs, words
from bakeoff.report.load import Results, Row
from bakeoff.report.tabular import Column, Table, build
from bakeoff.report.text import NONE, Names, Unit, capital, metric_name, probability

# --- the paper's table --------------------------------------------------------------------------------------------


def paper(results: Results, names: Names) -> list[Table]:
    """One table for each comparison and dataset, grouped by what was held fixed; the best row first."""
    return [_paper_table(results, names, rows) for rows in words.by_question(results)]


def _paper_table(results: Results, names: Names, rows: list[Row]) -> Table:
    first = rows[0]
    remarks = words.Remarks()
    groups = [(words.context(results, names, group[0]), group) for group in words.by_context(results, rows)]
    columns = _paper_columns(results, names, rows, remarks)
    title = (
        f"{words.PARTIAL + ': ' if results.partial else ''}{capital(metric_name(results.metric.name))} on "
        f"{names(first.dataset)}: {first.factor}s compared with {names(first.baseline)}{words.named(first)}"
    )
    table = build(f"{first.comparison}-{first.dataset}", title, columns, groups)
    marks = "".join(entry.text for group in table.groups for row in group.rows for entry in row)
    about_costs = costs.notes(results, names, rows) if first.factor == "model" else ()
    notes = (*remarks.notes(), *words.footnotes(results, names, rows, marks, about_costs))
    return replace(table, notes=notes)


def _paper_columns(results: Results, names: Names, rows: list[Row], remarks: words.Remarks) -> list[Column[Row]]:
    unit = Unit.of(results.metric.unit)
    header = capital(metric_name(results.metric.name))

    def best(row: Row) -> bool:
        return row.rank == 1 or bool(row.tied_with_best)

    def name(row: Row) -> str:
        return names(row.candidate) + remarks.mark(row.warnings)

    return [
        Column(capital(rows[0].factor), name, best, left=True),
        # What a model costs does not depend on how it was trained.
        *(costs.columns(results, rows) if rows[0].factor == "model" else ()),
        *_balanced_first(results, rows),
        Column(header, lambda row: unit.spread(row.mean, row.std), best, unit=unit.sign),
        Column("n", lambda row: words.n_of(results, row)),
        Column("Difference", lambda row: _difference(row, unit), unit=f"{unit.points}, 95% interval"),
        Column("p", lambda row: _p(row, results), unit="raw" if results.correction == "none" else "adjusted"),
    ]


def _balanced_first(results: Results, rows: list[Row]) -> list[Column[Row]]:
    """Balanced accuracy, where the test images are so unbalanced that accuracy misleads."""
    if results.metric.name != "accuracy" or not words.is_unbalanced(results, rows[0].dataset):
        return []

    def key(row: Row) -> tuple[str, ...]:
        return (row.comparison, row.dataset, str(row.context), row.candidate)

    found = {key(row): row for row in results.rows if row.metric == "balanced_accuracy"}

    def text(row: Row) -> str:
        other = found.get(key(row))
        return NONE if other is None else Unit.of("fraction").spread(other.mean, other.std)

    return [Column("Balanced accuracy", text, unit="%")]


def _difference(row: Row, unit: Unit) -> str:
    return "baseline" if row.is_baseline else unit.interval(row.diff, row.diff_ci_lo, row.diff_ci_hi)


def _p(row: Row, results: Results) -> str:
    if row.is_baseline:
        return NONE
    if row.p_adj is None:
        return f"{NONE} ({words.reason(row)})"
    return " ".join(filter(None, (probability(row.p_adj, results.alpha), words.marks(row, results), words.method(row))))


# --- behind it -----------------------------------------------------------------------------------------------------


def statistics(results: Results, names: Names) -> list[Table]:
    """What stands behind the verdicts: the other intervals, p values, effect size, ranks."""
    unit = Unit.of(results.metric.unit)

    interval = f"{unit.points}, 95%"

    def rank(row: Row) -> str:
        return NONE if row.rank is None else f"{row.rank} ({row.rank_lo} to {row.rank_hi})"

    def size(value: float | None) -> str:
        return NONE if value is None else f"{value:+z.2f}".replace("-", "−")

    columns: list[Column[Row]] = [
        Column("Candidate", lambda row: names(row.candidate), left=True),
        Column("Verdict", lambda row: words.verdict(row), left=True),
        Column("Pairs", lambda row: NONE if row.n_pairs is None else str(row.n_pairs)),
        Column("For new images", lambda row: unit.bounds(row.crossed_lo, row.crossed_hi), unit=interval),
        Column("Bootstrap", lambda row: unit.bounds(row.boot_lo, row.boot_hi), unit=interval),
        Column("p raw", lambda row: probability(row.p_raw)),
        Column("p exact", lambda row: probability(row.p_exact)),
        Column("p new images", lambda row: probability(row.crossed_p_adj), unit="adjusted"),
        Column("p equivalence", lambda row: probability(row.p_tost)),
        Column("d_z", lambda row: size(row.d_z)),
        Column("Detectable", lambda row: NONE if row.mde80 is None else unit.plain(row.mde80), unit="80% power"),
        Column("Rank", rank),
        Column("P(on frontier)", lambda row: NONE if row.p_frontier is None else f"{row.p_frontier:.2f}"),
    ]
    tables = []
    for rows in words.by_question(results):
        groups = [(words.context(results, names, group[0]), group) for group in words.by_context(results, rows)]
        first = rows[0]
        title = f"{names(first.dataset)}: {first.factor}s compared with {names(first.baseline)}{words.named(first)}"
        tables.append(build(f"statistics-{first.comparison}-{first.dataset}", title, columns, groups))
    return tables
