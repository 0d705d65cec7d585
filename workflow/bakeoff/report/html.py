"""One HTML file that needs nothing else: no script, no network, figures inside. Every text in it is escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bakeoff.report import audits, costs, explanations, figures, measures, robustness, tables, words
from bakeoff.report.load import Results
from bakeoff.report.text import Names, capital, metric_name

_HERE = Path(__file__).parent


def render(results: Results, names: Names, title: str, folder: Path, code: str, columns: Sequence[str] = ()) -> str:
    """The report as HTML text; the figures are read from `folder`/*.svg, so they must be there."""
    # Both files are ours and stand beside this module, where the code digest covers them.
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        css=(_HERE / "report.css").read_text(encoding="utf-8"),
        title=title,
        results=results,
        metric=capital(metric_name(results.metric.name)),
        stamp=words.stamp(results),
        answers=words.answers(results, names),
        caveat=words.caveat(results),
        papers=tables.paper(results, names, columns),
        references=tables.references(results, names),
        statistics=tables.statistics(results, names),
        costs=costs.table(results, names),
        metrics=measures.metrics(results, names),
        thresholds=measures.thresholds(results, names),
        spread=measures.spread(results, names),
        robustness=robustness.table(results, names),
        faithfulness=explanations.table(results, names),
        data=audits.sections(results, names),
        coverage=measures.coverage(results, names),
        gaps=list(words.gaps(results, names)),
        fairness=words.fairness(results, names),
        hardware=list(words.hardware(results)),
        guide=[*words.guide(results), *costs.guide()],
        images={
            name: {
                "uri": _data_uri(folder / f"{name}.svg"),
                "alt": figure.alternative,
                "caption": " ".join((figure.caption, *costs.remarks_of(name, results, names))),
            }
            for name, figure in figures.FIGURES.items()
        },
        code=code,
    )


def _data_uri(path: Path) -> str:
    """An SVG as the source of an <img>: as an image it runs no script and loads nothing, whatever it contains."""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
