"""The tables, each described once: a list of columns, rendered to Markdown, LaTeX and (by the template) HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Generic, TypeVar

from bakeoff.report import words
from bakeoff.report.load import Cell, Results, Row
from bakeoff.report.text import (
    NONE,
    Names,
    Unit,
    capital,
    latex,
    magnitude,
    markdown,
    metric_name,
    probability,
    significant,
)

T = TypeVar("T", contravariant=True)

_LABEL_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")


@dataclass(frozen=True)
class Head:
    """What stands above a column: a name, and in parentheses a unit or what else tells how to read it."""

    name: str
    unit: str
    left: bool

    @property
    def text(self) -> str:
        """Name and unit on one line."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class Column(Generic[T]):
    """A header, and how to get and format the value below it."""

    name: str
    text: Callable[[T], str]
    bold: Callable[[T], bool] = lambda _: False
    unit: str = ""
    left: bool = False

    @property
    def head(self) -> Head:
        """The column without its items."""
        return Head(self.name, self.unit, self.left)


@dataclass(frozen=True)
class Entry:
    """One cell of a table, as plain text."""

    text: str
    bold: bool


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: tuple[tuple[Entry, ...], ...]


@dataclass(frozen=True)
class Table:
    """Plain Unicode text throughout; whoever renders it escapes it."""

    name: str
    title: str
    heads: tuple[Head, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()


def build(name: str, title: str, columns: Sequence[Column[T]], groups: Iterable[tuple[str, Iterable[T]]]) -> Table:
    """Columns applied to items: the only place where a table is made."""
    rows = (
        Group(heading, tuple(tuple(Entry(c.text(item), c.bold(item)) for c in columns) for item in items))
        for heading, items in groups
    )
    return Table(name, title, tuple(column.head for column in columns), tuple(rows))


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
    notes = (*remarks.notes(), *words.footnotes(results, names, rows, marks))
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
        *(_cost_columns(rows) if rows[0].factor == "model" else ()),
        Column(header, lambda row: unit.spread(row.mean, row.std), best, unit=unit.sign),
        Column("n", lambda row: words.n_of(results, row)),
        Column("Difference", lambda row: _difference(row, unit), unit=f"{unit.points}, 95% interval"),
        Column("p", lambda row: _p(row, results), unit="raw" if results.correction == "none" else "adjusted"),
    ]


def _cost_columns(items: Sequence[Row | Cell]) -> list[Column[Row | Cell]]:
    params, macs = magnitude(item.params for item in items), magnitude(item.macs for item in items)
    return [
        Column("Params", lambda item: _scaled(item.params, params[0], 4), unit=params[1]),
        Column("MACs", lambda item: _scaled(item.macs, macs[0], 4), unit=macs[1]),
        Column("Latency p50", lambda item: _scaled(item.latency_ms_p50, 1, 3), unit="ms"),
    ]


def _scaled(value: float | None, divisor: float, digits: int) -> str:
    return NONE if value is None else significant(value / divisor, digits)


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
        Column[Cell]("Training", lambda cell: _scaled(cell.train_seconds, 1, 3), unit="s"),
    ]
    return build("metrics", "All metrics", columns, _by_dataset(results.cells, names))


def costs(results: Results, names: Names) -> Table:
    """What each model costs to run, once for each dataset (input size and number of classes)."""
    models = {(cell.dataset, cell.model): cell for cell in reversed(results.cells)}
    cells = [cell for cell in results.cells if models[cell.dataset, cell.model] is cell]
    columns: list[Column[Cell]] = [
        Column("Model", lambda cell: names(cell.model), left=True),
        *_cost_columns(cells),
        Column("Latency p95", lambda cell: _scaled(cell.latency_ms_p95, 1, 3), unit="ms"),
        Column("Throughput", lambda cell: _scaled(cell.throughput, 1, 3), unit="images/s"),
        Column("Peak memory", lambda cell: _scaled(cell.peak_memory_mb, 1, 3), unit="MB"),
        Column("Size", lambda cell: _scaled(cell.size_mb, 1, 3), unit="MB"),
    ]
    return build("costs", "What the models cost", columns, _by_dataset(cells, names))


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


# --- renderings ---------------------------------------------------------------------------------------------------


def to_markdown(table: Table) -> str:
    """A heading, one GitHub table for each group, and the notes."""
    lines = [f"## {markdown(table.title)}", ""]
    for group in table.groups:
        lines += [f"**{markdown(group.title)}**", ""] if group.title else []
        lines.append(_markdown_row(markdown(head.text) for head in table.heads))
        lines.append(_markdown_row(":--" if head.left else "--:" for head in table.heads))
        for row in group.rows:
            lines.append(
                _markdown_row(f"**{markdown(entry.text)}**" if entry.bold else markdown(entry.text) for entry in row)
            )
        lines.append("")
    lines += [f"- {markdown(note)}" for note in table.notes]
    return "\n".join(lines) + "\n"


def _markdown_row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def to_latex(table: Table, study: str) -> str:
    r"""A table* environment that needs \usepackage{booktabs} and nothing else."""
    body: list[str] = []
    for group in table.groups:
        body.append(r"\midrule")
        if group.title:
            body.append(rf"\multicolumn{{{len(table.heads)}}}{{@{{}}l}}{{\textit{{{latex(group.title)}}}}} \\")
        for row in group.rows:
            body.append(_latex_row(rf"\textbf{{{latex(e.text)}}}" if e.bold else latex(e.text) for e in row))
    columns = "".join("l" if head.left else "r" for head in table.heads)
    notes = "\n".join(latex(note.rstrip(".") + ".") for note in table.notes)
    return "\n".join(
        (
            r"\begin{table*}",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{latex(table.title)}.}}",
            rf"\label{{tab:{_LABEL_UNSAFE.sub('-', f'{study}-{table.name}')}}}",
            # The box lets a table that is wider than the text stand in its middle.
            rf"\makebox[\linewidth][c]{{\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            _latex_row(latex(head.name) for head in table.heads),
            _latex_row(latex(f"({head.unit})") if head.unit else "" for head in table.heads),
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
            notes,
            r"\end{minipage}",
            r"\end{table*}",
            "",
        )
    )


def _latex_row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"
