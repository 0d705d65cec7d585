"""`bakeoff audit`: what is wrong with a data set, as a rule asks it and as a person does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.commands.options import Code
from bakeoff.errors import UserError
from bakeoff.provenance import Json, parse_spec


def audit(
    target: Annotated[
        str | None, typer.Argument(help="A data set, such as digits or folder:photos, or a study file; without --spec.")
    ] = None,
    data_root: Annotated[Path, typer.Option(help="Folder in which data sets are looked for.")] = Path("data"),
    image_size: Annotated[
        int | None, typer.Option(help="Side in pixels; default: the data set's own, else 64.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON, by data set.")] = False,
    spec: Annotated[str | None, typer.Option(help="The step's settings; the rule hands them over.")] = None,
    code: Code = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the prepared images; with --spec.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the record; with --spec.")] = None,
) -> None:
    """Tell how large the classes of a data set are, and which images are copies, contradictory or empty."""
    if spec is not None and data is not None and out is not None:
        from bakeoff import stages
        from bakeoff.audit import step

        step.run(parse_spec(spec), data, out, code or stages.audit())
        return
    if target is None or (spec, data, out) != (None, None, None):
        raise UserError("audit: give a data set or a study file, or all of --spec, --data and --out")
    from bakeoff import audits

    found = _watched(target, data_root, image_size)
    if as_json:
        print(json.dumps({name: manifest["audit"] for name, manifest in found.items()}, indent=1))
    else:
        print("\n\n".join(map(audits.describe, found.values())))


def _watched(target: str, data_root: Path, image_size: int | None) -> dict[str, Json]:
    """Manifest and audit of each data set that is meant, with a bar while it takes."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from bakeoff import audits

    grid = audits.grid_of(target, data_root, image_size)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")

        def watch(what: str, done: int, of: int) -> None:
            progress.update(task, description=what, completed=done, total=of)

        return dict(audits.manifests(grid, watch))
