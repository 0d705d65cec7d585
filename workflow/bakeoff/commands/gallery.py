"""`bakeoff gallery`: a page on a finished study, for docs/studies/."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.commands.options import DEFAULT_STUDY, Scale, StudyFile
from bakeoff.errors import UserError
from bakeoff.layout import RESULTS


def gallery(
    study: StudyFile = DEFAULT_STUDY,
    scale: Scale = None,
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("docs/studies"),
    figure: Annotated[
        list[str] | None,
        typer.Option(help="A figure of its report; repeat it. Default: pareto_macs, data_amount, outputs."),
    ] = None,
) -> None:
    """Write a page on a finished study: question, answer, tables, figures, machine; and the list of all pages."""
    from bakeoff.grid import Grid
    from bakeoff.report import gallery as pages
    from bakeoff.report.order import read
    from bakeoff.study import load

    loaded = load(study, scale)
    folder = RESULTS / loaded.study
    if not (folder / "report.html").is_file():
        raise UserError(f"gallery: {folder} has no report; run the study first")
    page = pages.Page(
        *read(folder, Grid(loaded).report_spec),
        loaded.title or loaded.study,
        loaded.report.columns,
        pages.head(study.read_text(encoding="utf-8")),
        pages.command(study, DEFAULT_STUDY, scale == "small"),
    )
    print(pages.write(page, RESULTS, out, figure or []))
