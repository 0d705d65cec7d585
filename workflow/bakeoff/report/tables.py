"""Which tables there are, each described once as a list of columns. What models cost is in `costs`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from bakeoff.report import costs, words
from bakeoff.report.load import Cell, Results, Row
from bakeoff.report.tabular import Column, Table, build
from bakeoff.report.text import NONE, Names, Unit, capital, metric_name, probability, scaled

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
        Column(header, lambda row: unit.spread(row.mean, row.std), best, unit=unit.sign),
        Column("n", lambda row: words.n_of(results, row)),
        Column("Difference", lambda row: _difference(row, unit), unit=f"{unit.points}, 95% interval"),
        Column("p", lambda row: _p(row, results), unit="raw" if results.correction == "none" else "adjusted"),
    ]


def _difference(row: Row, unit: Unit) -> str:
    return "baseline" if row.is_baseline else unit.interval(row.diff, row.diff_ci_lo, row.diff_ci_hi)


def _p(row: Row, results: Results) -> str:
    if row.is_baseline:
        return NONE
    if row.p_adj is None:
        return f"{NONE} ({words.reason(row)})"
    return " ".join(filter(None, (probability(row.p_adj, results.alpha), words.marks(row, results), words.method(row))))


# --- the other tables of the HTML report --------------------------------------------------------------------------


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


def metrics(results: Results, names: Names) -> Table:
    """Every metric of every cell: mean ± standard deviation over seeds. These have no stars: they are exploratory."""
    units = {name: summary.unit for cell in results.cells for name, summary in cell.metrics.items()}

    def column(name: str) -> Column[Cell]:
        unit = Unit.of(units[name])

        def text(cell: Cell) -> str:
            summary = cell.metrics.get(name)
            return NONE if summary is None else unit.spread(summary.mean, summary.std)

        return Column(capital(metric_name(name)), text, unit=unit.sign)

    columns = [
        *_cell_columns(names),
        *(column(name) for name in units),
        Column[Cell]("Training", lambda cell: scaled(cell.train_seconds, 1, 3), unit="s"),
    ]
    return build("metrics", "All metrics", columns, _by_dataset(results.cells, names))


def coverage(results: Results, names: Names) -> Table:
    """Which runs there are, and which there are not."""
    columns = [
        *_cell_columns(names),
        Column[Cell]("Expected", lambda cell: str(cell.expected)),
        Column[Cell]("Done", lambda cell: str(cell.done), lambda cell: cell.done < cell.expected),
        Column[Cell]("Diverged", lambda cell: str(cell.diverged), lambda cell: cell.diverged > 0),
        Column[Cell]("Missing", lambda cell: str(cell.missing), lambda cell: cell.missing > 0),
        Column[Cell]("Missing seeds", lambda cell: cell.missing_seeds or NONE, left=True),
    ]
    return build("coverage", "Runs of each cell", columns, _by_dataset(results.cells, names))


def _cell_columns(names: Names) -> list[Column[Cell]]:
    return [
        Column("Model", lambda cell: names(cell.model), left=True),
        Column("Augmentation", lambda cell: names(cell.augmentation), left=True),
        Column("Recipe", lambda cell: names(cell.recipe), left=True),
    ]


def _by_dataset(cells: Iterable[Cell], names: Names) -> list[tuple[str, list[Cell]]]:
    ordered = sorted(cells, key=lambda cell: cell.dataset)
    return [(names(dataset), list(group)) for dataset, group in groupby(ordered, key=lambda cell: cell.dataset)]
