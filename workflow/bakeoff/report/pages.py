"""A page a model: what it scores and costs, what is said of it, which images and classes it gets wrong, its runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bakeoff.report import costs, embedded, ledger, words
from bakeoff.report.choice import best
from bakeoff.report.columns import rank as rank_of
from bakeoff.report.diagnosed import Diagnosis, Mistake
from bakeoff.report.load import Cell, Confusion, Results, Row
from bakeoff.report.tabular import Column, Table, build, by_dataset
from bakeoff.report.text import NONE, Names, Unit, apart, capital, metric_name

_ERRORS = 8
_PICTURES = 160
"""On all pages, so that a large study's report stays one that can be sent."""
_CLASSES = 5


@dataclass(frozen=True)
class Picture:
    """One test image that a model gets wrong."""

    uri: str
    said: str
    true: str
    confidence: str


@dataclass(frozen=True)
class Sheet:
    """The worst errors on one data set."""

    title: str
    pictures: list[Picture]


@dataclass(frozen=True)
class Recipe:
    """How the runs of one cell are made again."""

    title: str
    command: str
    commit: str
    settings: str


@dataclass(frozen=True)
class Page:
    """All that is known of one model. `anchor` is the page's id in the document."""

    anchor: str
    model: str
    name: str
    scores: Table
    claims: list[tuple[str, str]]
    costs: Table | None
    classes: Table | None
    sheets: list[Sheet]
    runs: Table
    recipes: list[Recipe]
    versions: list[str]


def anchor(model: str) -> str:
    """The id of a model's page."""
    return f"model/{model}"


def pages(results: Results, names: Names, study_files: Sequence[str]) -> list[Page]:
    """One for each model, in the order of the study."""
    models = dict.fromkeys(cell.model for cell in results.cells)
    return [_page(model, results, names, study_files) for model in models]


def _page(model: str, results: Results, names: Names, study_files: Sequence[str]) -> Page:
    entries = [cell for cell in results.ledger.cells if cell.model == model]
    own = [cost for cost in results.costs if cost.model == model]
    table = costs.table(replace(results, costs=own), names) if own else None
    return Page(
        anchor=anchor(model),
        model=model,
        name=names(model),
        scores=_scores([cell for cell in results.cells if cell.model == model], results, names),
        claims=list(_claims(model, results, names)),
        costs=table and replace(table, title="Costs"),
        classes=_classes([c for c in best(results, results.confusion) if c.model == model], names),
        sheets=_sheets([d for d in best(results, results.diagnostics.cells) if d.model == model], results, names),
        runs=ledger.seeds(entries, results, names),
        recipes=[_recipe(entry, names, study_files) for entry in entries],
        versions=ledger.versions(entries),
    )


# --- scores -------------------------------------------------------------------------------------------------------


def _scores(cells: Sequence[Cell], results: Results, names: Names) -> Table:
    unit = Unit.of(results.metric.unit)
    rows = {
        (row.dataset, row.model, row.augmentation, row.recipe): row for row in results.primary if row.factor == "model"
    }

    def row(cell: Cell) -> Row | None:
        return rows.get(cell.place)

    def of(cell: Cell) -> tuple[float | None, float | None]:
        summary = cell.metrics.get(results.metric.name)
        return (None, None) if summary is None else (summary.mean, summary.std)

    def difference(cell: Cell) -> str:
        found = row(cell)
        if found is None or found.is_baseline:
            return NONE if found is None else "baseline"
        return unit.interval(found.diff, found.diff_ci_lo, found.diff_ci_hi)

    def rank(cell: Cell) -> str:
        found = row(cell)
        return NONE if found is None else rank_of(found)

    columns = [
        Column[Cell]("Augmentation", lambda cell: names(cell.augmentation), left=True),
        Column[Cell]("Recipe", lambda cell: names(cell.recipe), left=True),
        Column[Cell](capital(metric_name(results.metric.name)), lambda cell: unit.spread(*of(cell)), unit=unit.sign),
        Column[Cell]("Runs", lambda cell: f"{cell.done} of {cell.expected}", lambda cell: cell.done < cell.expected),
        Column[Cell]("Difference", difference, unit=apart(unit.points, "95% interval")),
        Column[Cell]("Verdict", lambda cell: words.verdict(found) if (found := row(cell)) else NONE, left=True),
        Column[Cell]("Rank", rank),
    ]
    return build("scores", "Scores", columns, by_dataset(cells, names))


def _claims(model: str, results: Results, names: Names) -> Iterator[tuple[str, str]]:
    """What the comparison says of it in sentences, each behind where that is."""
    for row in results.primary:
        if row.model == model and (sentence := said(row)):
            yield f"{names(row.dataset)}, {words.context(results, names, row)}", sentence


def said(row: Row) -> str:
    """The sentence of a row, "" where there is none."""
    return str(row.values.get("sentence") or "")


# --- what it gets wrong -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Hard:
    dataset: str
    name: str
    recall: float
    taken_for: str


def _classes(matrices: Sequence[Confusion], names: Names) -> Table | None:
    hard = [found for matrix in matrices for found in _hardest(matrix)]
    if not hard:
        return None
    columns: list[Column[_Hard]] = [
        Column("Class", lambda found: found.name, left=True),
        Column("Recall", lambda found: Unit.of("fraction").spread(found.recall, None), unit="%"),
        Column("Most often taken for", lambda found: found.taken_for, left=True),
    ]
    note = "Mean over seeds, at the augmentation and recipe with the best mean."
    return build("classes", "The hardest classes", columns, by_dataset(hard, names), (note,))


def _hardest(matrix: Confusion) -> list[_Hard]:
    rates = [(row[i], i) for i, row in enumerate(matrix.rates)]
    known = sorted((recall, i) for recall, i in rates if recall is not None)[:_CLASSES]
    return [_Hard(matrix.dataset, matrix.class_names[i], recall, _taken_for(matrix, i)) for recall, i in known]


def _taken_for(matrix: Confusion, true: int) -> str:
    rate, answer = max((rate or 0.0, answer) for answer, rate in enumerate(matrix.rates[true]) if answer != true)
    return f"{matrix.class_names[answer]} ({100 * rate:.1f}%)" if rate else NONE


def _sheets(diagnoses: Sequence[Diagnosis], results: Results, names: Names) -> list[Sheet]:
    found = []
    each = min(_ERRORS, max(2, _PICTURES // len({(cell.dataset, cell.model) for cell in results.cells})))
    for diagnosis in diagnoses:
        pixels = results.diagnostics.pictures.get(diagnosis.dataset, {})
        shown = [mistake for mistake in diagnosis.worst if mistake.example_id in pixels][:each]
        pictures = [_picture(mistake, embedded.picture(pixels[mistake.example_id])) for mistake in shown]
        place = ", ".join(map(names, (diagnosis.dataset, diagnosis.augmentation)))
        found += [Sheet(place, pictures)] if pictures else []
    return found


def _picture(mistake: Mistake, uri: str) -> Picture:
    return Picture(uri, mistake.predicted, mistake.true, mistake.seeds)


# --- its runs -----------------------------------------------------------------------------------------------------


def _recipe(entry: ledger.Entry, names: Names, study_files: Sequence[str]) -> Recipe:
    return Recipe(
        title=", ".join(map(names, (entry.dataset, entry.augmentation, entry.recipe))),
        command=ledger.command(entry, study_files),
        commit=ledger.commit(entry),
        settings=json.dumps(entry.settings, ensure_ascii=False, indent=1) if entry.settings else "",
    )
