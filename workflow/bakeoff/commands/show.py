"""`bakeoff show`: the tables of a finished study on the terminal; the Snakefile prints them at the end."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bakeoff.commands.options import DEFAULT_STUDY, Scale, StudyFile
from bakeoff.errors import UserError
from bakeoff.spreadsheet import as_text

if TYPE_CHECKING:
    from bakeoff.report.tabular import Table
    from bakeoff.study import Study


Format = Literal["table", "plain", "md", "csv"]


def show(
    study: StudyFile = DEFAULT_STUDY,
    scale: Scale = None,
    format: Annotated[Format, typer.Option(help="table for eyes, plain without wrapping, md, or csv.")] = "table",
) -> None:
    """Print the tables of a study's results, with what their marks mean."""
    from bakeoff.study import load

    loaded = load(study, scale)
    found = tables(loaded)
    if found is None:
        raise UserError(_why_not(loaded, study))
    print(render(found, format))


def tables(study: Study, results: Path = Path("results")) -> list[Table] | None:
    """The tables of a study's comparison; None where there is none yet. Raises Refused for one edited by hand."""
    folder = results / study.study
    if not (folder / "comparison.json").is_file():
        return None
    from bakeoff.grid import Grid
    from bakeoff.report import gates
    from bakeoff.report.order import read
    from bakeoff.report.tables import paper

    found, names = read(folder, Grid(study).report_spec)
    asked = gates.table(found.gates, names)
    return [*paper(found, names, study.report.columns), *([asked] if asked else [])]


def render(found: list[Table], format: Format, width: int | None = None) -> str:
    """The tables as text; for eyes as wide as the terminal, 80 where there is none."""
    if format == "md":
        from bakeoff.report.tabular import to_markdown

        return "\n".join(map(to_markdown, found)).rstrip()
    if format == "csv":
        return _csv(found)
    return "\n\n".join(_plain(table) if format == "plain" else _table(table, width) for table in found)


def _table(table: Table, width: int | None) -> str:
    from rich.console import Console

    from bakeoff.report import terminal

    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        terminal.show(table, console)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).rstrip()


def _plain(table: Table) -> str:
    """Columns apart by two spaces, one line a row, * after what is best."""
    from rich.cells import cell_len

    lines = [table.title]
    for group in table.groups:
        texts = [[head.text for head in table.heads]]
        texts += [[f"{entry.text}*" if entry.bold else entry.text for entry in row] for row in group.rows]
        widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
        lines += ["", *[group.title] * bool(group.title)]
        for row in texts:
            padded = (
                text + " " * (width - cell_len(text)) if head.left else " " * (width - cell_len(text)) + text
                for text, width, head in zip(row, widths, table.heads, strict=True)
            )
            lines.append("  ".join(padded).rstrip())
    return "\n".join([*lines, "", *(f"- {note}" for note in table.notes)]).rstrip()


def _csv(found: list[Table]) -> str:
    """The rows of all tables, which of them and which group in front; numbers are those of comparison.csv."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    for table in found:
        lines.writerow(["table", "group", *(head.text for head in table.heads)])
        for group in table.groups:
            for row in group.rows:
                lines.writerow(map(as_text, (table.name, group.title, *(entry.text for entry in row))))
    return text.getvalue().rstrip()


def _why_not(study: Study, file: Path) -> str:
    from bakeoff.grid import Grid
    from bakeoff.plan import examine

    items = [item for item in examine(Grid(study)) if item.step == "train"]
    done = sum(item.reason is None for item in items)
    todo = (
        f"{done} of {len(items)} runs are done; `bakeoff run {file} partial` compares these"
        if done
        else f"none of its {len(items)} runs is done; `bakeoff run {file}` makes them"
    )
    return f"show: results/{study.study}/comparison.json is not there yet: {todo}"
