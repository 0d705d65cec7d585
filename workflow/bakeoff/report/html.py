"""One HTML file that needs nothing else: figures, plot and its program inside, no network.

All that it says stands in its HTML, so that it is whole without a script and on paper; report.js only sorts, filters,
turns pages and draws the plot. Every text is escaped: by the template, or as JSON.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bakeoff.report import (
    across,
    audits,
    costs,
    embedded,
    explanations,
    factorial,
    figures,
    gates,
    interactive,
    lead,
    ledger,
    measures,
    pages,
    robustness,
    tables,
    verified,
    words,
)
from bakeoff.report.language import TOKEN, Translator, translator
from bakeoff.report.load import Results, Row
from bakeoff.report.tabular import Entry, Table
from bakeoff.report.text import Names, capital, counted, metric_name

_HERE = Path(__file__).parent
# Figures that have a place in the template; the others stand with the statistics.
_PLACED = {
    "pareto_macs", "pareto_latency", "pareto_params", "pareto_size", "pareto_memory", "pareto_training",
    "pareto_energy", "curves", "learning_rate", "confusion", "confusion_difference", "per_class",
    "errors", "outputs", "roc", "pr", "thresholds", "reliability", "corruptions", "explanations", "forest", "samples",
}  # fmt: skip
_SPREAD = re.compile(r"[+−]?\d[\d.]* ± \d[\d.]*%?")
_ALWAYS_OPEN = 3000
"""Letters of the answer in words up to which it is not folded."""


@dataclass(frozen=True)
class Line:
    """A row of a paper's table: the page that its name leads to, what is said of it, and what it is filtered by."""

    entries: tuple[Entry, ...]
    page: str
    said: str
    dataset: str
    augmentation: str


@dataclass(frozen=True)
class Paper:
    """A paper's table, and for each of its groups the lines."""

    table: Table
    lines: list[list[Line]]


def render(
    results: Results,
    names: Names,
    title: str,
    folder: Path,
    code: str,
    columns: Sequence[str] = (),
    study_files: Sequence[str] = (),
    say: Translator | None = None,
) -> str:
    """The report as HTML text; the figures are read from `folder`/*.svg, so they must be there. `study_files` are what
    the commands in it name; none is the default study. `say` is its language, else it is English.
    """
    # All these files are ours and stand beside this module, where the code digest covers them.
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    css, script, library = _own("report.css"), _own("report.js"), interactive.library()
    answers = words.answers(results, names)
    letters = sum(len(text) for answer in answers for _, sentences in answer.paragraphs for text in sentences)
    say = say or translator("en")
    page = environment.get_template("report.html.j2").render(
        css=css,
        script=script,
        library=library,
        policy=_policy(css, library, script),
        plot=interactive.embedded(interactive.payload(results, names, say)),
        title=title,
        results=results,
        facts=_facts(results, names),
        metric=capital(metric_name(results.metric.name)),
        stamp=words.stamp(results),
        lead=lead.paragraphs(results, names),
        advice=[advice.sentence for advice in results.gates.advice],
        gates=gates.table(results.gates, names, said=False),
        answers=answers,
        unfolded=letters <= _ALWAYS_OPEN,
        caveat=words.caveat(results),
        papers=list(_papers(results, names, columns)),
        choices=_choices(results, names),
        references=tables.references(results, names),
        statistics=tables.statistics(results, names),
        costs=costs.table(results, names) if results.costs else None,
        metrics=measures.metrics(results, names),
        thresholds=measures.thresholds(results, names),
        spread=measures.spread(results, names),
        robustness=robustness.table(results, names),
        faithfulness=explanations.table(results, names),
        verification=verified.table(results, names),
        data=audits.sections(results, names),
        coverage=measures.coverage(results, names),
        gaps=list(words.gaps(results, names)),
        failures=ledger.failures(results, names),
        fairness=words.fairness(results, names),
        equality=ledger.equality(results, names),
        training=ledger.training(results, names),
        weather=ledger.weather(results, names),
        provenance=ledger.provenance(results, names),
        versions=ledger.versions(results.ledger.cells),
        command=ledger.study_command(study_files),
        pages=pages.pages(results, names, study_files),
        hardware=list(words.hardware(results)),
        guide=[*words.guide(results), *costs.guide()],
        images={
            name: {
                "uri": embedded.svg(folder / f"{name}.svg"),
                "alt": figure.alternative,
                "caption": " ".join((figure.caption, *costs.remarks_of(name, results, names))),
            }
            for name, figure in figures.FIGURES.items()
            if figure.has(results)
        },
        more_figures=[name for name, of in figures.FIGURES.items() if name not in _PLACED and of.has(results)],
        over_datasets=across.tables(results, names),
        effects=factorial.tables(results, names),
        code=code,
    )
    return _unbroken(say.page(page))


def _unbroken(page: str) -> str:
    """The page with each value and its uncertainty on one line; by a tag, for what is copied has plain spaces."""
    return TOKEN.sub(
        lambda token: _SPREAD.sub(r'<span class="spread">\g<0></span>', token[0]) if token["text"] else token[0], page
    )


def _own(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _policy(css: str, *scripts: str) -> str:
    """No request at all, no style and no script but this page's own. Vega sets style attributes; they load nothing."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(css)}'",
            "style-src-attr 'unsafe-inline'",
            "script-src " + " ".join(f"'{_hash(script)}'" for script in scripts),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _facts(results: Results, names: Names) -> list[str]:
    """What there is, in a line below the title."""

    def of(axis: str, one: str) -> str:
        found = list(dict.fromkeys(getattr(cell, axis) for cell in results.cells))
        return names(found[0]) if len(found) == 1 and axis == "dataset" else counted(len(found), one)

    return [of("dataset", "data set"), of("model", "model"), of("augmentation", "augmentation"), of("recipe", "recipe")]


def _papers(results: Results, names: Names, columns: Sequence[str]) -> Iterator[Paper]:
    known = {cell.model for cell in results.cells}

    def line(entries: tuple[Entry, ...], row: Row) -> Line:
        page = pages.anchor(row.candidate) if row.factor == "model" and row.candidate in known else ""
        return Line(entries, page, pages.said(row), names(row.dataset), names(row.augmentation or ""))

    for table, rows in zip(tables.paper(results, names, columns), words.by_question(results), strict=True):
        contexts = words.by_context(results, rows)
        lines = [
            [line(entries, row) for entries, row in zip(group.rows, of_context, strict=True)]
            for group, of_context in zip(table.groups, contexts, strict=True)
        ]
        yield Paper(table, lines)


def _choices(results: Results, names: Names) -> list[dict[str, Any]]:
    """By what the rows of the papers' tables may be filtered: axes that have several values."""
    found = []
    for axis, title in (("dataset", "Data set"), ("augmentation", "Augmentation")):
        values = dict.fromkeys(names(value) for row in results.primary if (value := getattr(row, axis)))
        if len(values) > 1:
            found.append({"axis": axis, "title": title, "values": list(values)})
    return found
