"""The tables of the comparison: the paper's, what stands behind it, and what others published. What models cost is in
`costs`, what single cells scored in `measures`, the columns themselves in `columns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bakeoff.errors import UserError
from bakeoff.report import columns, costs, words
from bakeoff.report.columns import Asked
from bakeoff.report.load import Reference, Results, Row
from bakeoff.report.tabular import Column, Table, build, by_dataset
from bakeoff.report.text import NONE, Names, Unit, capital, labelled, metric_name

_STATISTICS = (
    "verdict", "n_pairs", "crossed", "boot", "p_raw", "p_exact", "crossed_p_adj", "p_tost", "d_z", "mde80", "rank",
    "p_frontier",
)  # fmt: skip


def paper(results: Results, names: Names, wanted: Sequence[str] = ()) -> list[Table]:
    """One table for each comparison and dataset, grouped by what was held fixed; the best row first.

    `wanted`: ids of columns, else the default ones. Raises UserError at one that is neither a column nor a metric.
    """
    metrics = dict.fromkeys(
        [*(row.metric for row in results.rows), *(m for cell in results.cells for m in cell.metrics)]
    )
    known = [*columns.KINDS, *metrics]
    for name in wanted:
        if name not in known:
            raise UserError(f"report.columns: {name!r} is no column; there are {', '.join(known)}")
    return [_paper_table(results, names, rows, wanted) for rows in words.by_question(results)]


def _paper_table(results: Results, names: Names, rows: list[Row], wanted: Sequence[str]) -> Table:
    first = rows[0]
    remarks = words.Remarks()
    groups = [(words.context(results, names, group[0]), group) for group in words.by_context(results, rows)]

    def name(row: Row) -> str:
        return names(row.candidate) + remarks.mark(row.warnings)

    shown: list[Column[Row]] = [
        Column(capital(first.factor), name, columns.is_best, left=True),
        *columns.made(wanted or _default(results, rows), Asked(results, names, rows, remarks)),
    ]
    title = (
        f"{words.PARTIAL + ': ' if results.partial else ''}{capital(metric_name(results.metric.name))} on "
        f"{names(first.dataset)}: {first.factor}s compared with {names(first.baseline)}{words.named(first)}"
    )
    table = build(f"{first.comparison}-{first.dataset}", title, shown, groups)
    marks = "".join(entry.text for group in table.groups for row in group.rows for entry in row)
    heads = {head.name for head in table.heads}
    about_costs = costs.notes(results, names, rows, heads)
    notes = (*remarks.notes(), *words.footnotes(results, names, rows, marks, heads, about_costs))
    return replace(table, notes=notes)


def _default(results: Results, rows: list[Row]) -> list[str]:
    """The columns of a study that names none. Where the test images are so unbalanced that accuracy misleads, balanced
    accuracy comes before it; where seeds are too few for any test, the images alone may still tell these models apart.
    """
    ids = list(columns.DEFAULT)
    if results.metric.name == "accuracy" and words.is_unbalanced(results, rows[0].dataset):
        ids.insert(ids.index("score"), "balanced_accuracy")
    if all(row.p_adj is None for row in rows):
        ids.insert(ids.index("p") + 1, "images")
    return ids


def statistics(results: Results, names: Names) -> list[Table]:
    """What stands behind the verdicts: the other intervals, p values, effect size, ranks."""
    tables = []
    for rows in words.by_question(results):
        groups = [(words.context(results, names, group[0]), group) for group in words.by_context(results, rows)]
        first = rows[0]
        shown: list[Column[Row]] = [
            Column("Candidate", lambda row: names(row.candidate), left=True),
            *columns.made(_STATISTICS, Asked(results, names, rows, words.Remarks())),
        ]
        title = f"{names(first.dataset)}: {first.factor}s compared with {names(first.baseline)}{words.named(first)}"
        tables.append(build(f"statistics-{first.comparison}-{first.dataset}", title, shown, groups))
    return tables


# --- published values ---------------------------------------------------------------------------------------------


def references(results: Results, names: Names) -> Table | None:
    """Published values beside ours, with the verdict; None when the study has none."""
    if not results.references:
        return None
    remarks = words.Remarks()

    def place(reference: Reference) -> str:
        parts = (reference.model, reference.augmentation, reference.recipe)
        return ", ".join(map(names, parts)) + remarks.mark([reference.said])

    def metric(reference: Reference) -> str:
        return labelled(capital(metric_name(reference.metric)), Unit.of(reference.unit).sign)

    def between(reference: Reference, lo: float | None, hi: float | None) -> str:
        return NONE if lo is None or hi is None else Unit.of(reference.unit).range(lo, hi)

    shown: list[Column[Reference]] = [
        Column("Model, augmentation, recipe", place, left=True),
        Column("Metric", metric, left=True),
        Column("Published", lambda r: Unit.of(r.unit).published(r.value)),
        Column("Ours", lambda r: Unit.of(r.unit).spread(r.mean, r.std)),
        Column("n", lambda r: str(r.n)),
        Column("Our mean", lambda r: between(r, r.mean_lo, r.mean_hi), unit="95% interval"),
        Column("Expected", lambda r: between(r, r.expect_lo, r.expect_hi), unit="95% interval"),
        Column("Published is", lambda r: r.verdict or f"{NONE} ({r.reason})", left=True),
    ]
    table = build("references", "Published values", shown, by_dataset(results.references, names))
    return replace(table, notes=(*remarks.notes(), words.EXPECTED))
