"""The report step: results/{study}/ of the comparison -> comparison.md, comparison.tex, figures/, report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff import provenance
from bakeoff.errors import UserError
from bakeoff.report import figures, html, tables, tabular, words
from bakeoff.report.load import Results, load
from bakeoff.report.text import Names, markdown


def run(spec: dict[str, Any], code: str, results: Path = Path("results")) -> Path:
    """Write the report of spec["study"] and return the path of report.html, which is written last.

    `spec` has "study", and may have "title" (else the study's id) and "labels" {id: text}. Raises Refused when a file
    of the comparison is missing or was changed by hand.
    """
    folder = results / str(spec["study"])
    found = load(folder)
    if found.study != spec["study"]:
        raise UserError(f"{folder}/comparison.json: is of study {found.study!r}, not of {spec['study']!r}")
    names = Names(spec.get("labels") or {})
    title = spec.get("title") or found.study

    papers = tables.paper(found, names)
    _write(folder / "comparison.md", _markdown(found, title, papers))
    _write(folder / "comparison.tex", _latex(found, papers))
    figures.write(found, names, folder / "figures")
    page = folder / "report.html"
    _write(page, html.render(found, names, title, folder / "figures", code))
    return page


def _markdown(results: Results, title: str, papers: list[tabular.Table]) -> str:
    stamp = f"**{markdown(words.stamp(results))}**\n\n" if results.partial else ""
    warnings = "\n## Warnings\n\n" * bool(results.warnings) + "".join(f"- {markdown(w)}\n" for w in results.warnings)
    return f"# {markdown(title)}\n\n{stamp}" + "\n".join(map(tabular.to_markdown, papers)) + warnings


def _latex(results: Results, papers: list[tabular.Table]) -> str:
    head = "% Needs \\usepackage{booktabs}. Labels in other than Latin letters need lualatex and a font for them.\n"
    warnings = "".join(f"% Warning: {' '.join(text.split())}\n" for text in results.warnings)
    return head + warnings + "\n".join(tabular.to_latex(table, results.study) for table in papers)


def _write(path: Path, text: str) -> None:
    with provenance.whole(path) as part:
        part.write_text(text, encoding="utf-8")
