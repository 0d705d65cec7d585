"""The report step: results/{study}/ of the comparison -> comparison.md and .tex, tables/, figures/, report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff import layout, provenance
from bakeoff.errors import UserError
from bakeoff.report import figures, gates, html, latex, papers, tables, tabular, words
from bakeoff.report.language import Code, Translator, translator
from bakeoff.report.load import Results
from bakeoff.report.order import read


def run(spec: dict[str, Any], code: str, results: Path = layout.RESULTS, processes: int = 1) -> Path:
    """Write the report of spec["study"] and return the path of report.html, which is written last. Figures are drawn by
    so many processes.

    `spec` has "study", and may have "title" (else the study's id), "labels" {id: text}, "order" {axis: [id]}, "columns"
    [id], "language", "files", the study's own, for the commands that make it again, and "partial" for a comparison of a
    part of the runs.
    Raises Refused when a file of the comparison is missing or was changed by hand.
    """
    folder = results / layout.study_dir(spec["study"], bool(spec.get("partial"))).relative_to(layout.RESULTS)
    found, names = read(folder, spec)
    if found.study != spec["study"]:
        raise UserError(f"{folder}/comparison.json: is of study {found.study!r}, not of {spec['study']!r}")
    title = spec.get("title") or found.study

    say = _translator(spec.get("language") or "en", found, {*names.labels.values(), title})
    columns = spec.get("columns") or []
    made = [say.table(table) for table in tables.paper(found, names, columns)]
    published = tables.references(found, names)
    asked = gates.table(found.gates, names)
    every = [*made, *(say.table(table) for table in (asked, published) if table)]
    _write(folder / "comparison.md", papers.to_markdown(found, title, every, say=say))
    _write(folder / "comparison.tex", papers.to_latex(found, every))
    _write_tables(found, made, say.table(asked) if asked else None, folder / "tables", say)
    figures.write(found, names, folder / "figures", say, _formats(spec), processes)
    page = folder / "report.html"
    _write(page, html.render(found, names, title, folder / "figures", code, columns, spec.get("files") or [], say))
    return page


def _translator(code: Code, results: Results, names: set[str]) -> Translator:
    """The language of the report, which changes no name of the study and knows the sentences of rows."""
    kept = {results.study, *names}
    for cell in results.cells:
        kept.update((cell.dataset, cell.model, cell.augmentation, cell.recipe))
    for matrix in results.confusion:
        kept.update(matrix.class_names)
    kept.update(check.requirement for candidate in results.gates.candidates[:1] for check in candidate.checks)
    sentences = [(row.values.get("sentence"), row.values.get("sentence_ja")) for row in results.rows]
    sentences += [(advice.sentence, advice.sentence_ja) for advice in results.gates.advice]
    return translator(code, kept, {str(english): str(said) for english, said in sentences if english and said})


def _formats(spec: dict[str, Any]) -> tuple[str, ...]:
    """Of the figures; the page shows the first one."""
    first, *prints = figures.FORMATS
    return (first, *spec.get("prints", prints))


def _write_tables(
    results: Results, made: list[tabular.Table], asked: tabular.Table | None, folder: Path, say: Translator
) -> None:
    """Each table of its own in every format, as {comparison}/{dataset}.{format}, that of the requirements as
    gates.{format}, and preview.tex, which prints them all. Tables of what is no longer asked go.
    """
    written: list[Path] = []
    places = [Path(rows[0].comparison, rows[0].dataset) for rows in words.by_question(results)]
    wanted = [*zip(places, made, strict=True), *([(Path("gates"), asked)] if asked else [])]
    for place, table in wanted:
        formats = {
            "md": tabular.to_markdown(table),
            "csv": tabular.to_csv(table, say("Group")),
            "json": tabular.to_json(table),
            "html": tabular.to_html(table, say.code),
            "tex": latex.to_latex(table, results.study),
        }
        for extension, text in formats.items():
            path = folder / place.parent / f"{place.name}.{extension}"
            _write(path, text)
            written.append(path)
    inputs = [path.relative_to(folder).as_posix() for path in written if path.suffix == ".tex"]
    _write(folder / "preview.tex", latex.document(inputs))
    for path in {*folder.glob("*/*"), *folder.glob("gates.*")}.difference(written):
        path.unlink()


def _write(path: Path, text: str) -> None:
    with provenance.whole(path) as part:
        part.write_text(text, encoding="utf-8")
