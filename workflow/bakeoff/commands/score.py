"""`bakeoff score`: predictions of any system, from files to metrics, tests and tables."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import typer

from bakeoff.commands import compare
from bakeoff.commands.options import AsJson
from bakeoff.errors import UserError


def score(
    files: Annotated[list[Path], typer.Argument(help="CSV, npz or parquet of predictions, one a run: NAME_seed0.npz.")],
    task: Annotated[
        Literal["classification", "regression", "verification", "generation", "text"],
        typer.Option(help="What the predictions are."),
    ],
    baseline: Annotated[
        str | None, typer.Option(help="What all others are compared with; default: the system of the first file.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The one that is judged; default: the task's own.")] = None,
    floor: Annotated[float, typer.Option(help="Regression: what |y_true| counts as at least in MAPE.")] = 1e-3,
    far: Annotated[str, typer.Option(help="Verification: false accept rates to give the TAR at.")] = "0.1,0.01,0.001",
    reference: Annotated[
        Path | None, typer.Option(help="Generation: file with the features of real images, for FID.")
    ] = None,
    features: Annotated[str | None, typer.Option(help="Generation: what made the features; part of the name.")] = None,
    alpha: Annotated[str | None, typer.Option(help="Levels of the stars, as in 0.05,0.01.")] = None,
    correction: Annotated[
        Literal["holm", "bh", "none"] | None, typer.Option(help="For the number of comparisons; default holm.")
    ] = None,
    rope: Annotated[float | None, typer.Option(help="Differences below it do not matter.", min=0)] = None,
    seeds_planned: Annotated[int | None, typer.Option(help="Runs that were planned, before any was seen.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for comparison.csv, .json, .md and .tex.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score predictions of any system, and test which differences are real, as between runs of a study."""
    from bakeoff.compare.outside import Request
    from bakeoff.evaluate.verification_file import numbers
    from bakeoff.score.assemble import TASKS, assemble
    from bakeoff.score.columns import read
    from bakeoff.score.runs import FACTS
    from bakeoff.score.task import Options

    if floor <= 0:
        raise UserError(f"--floor: must be above 0, and is {floor:g}")
    chosen = TASKS[task]
    contents = [(str(path), compare.contents(path)) for path in files]
    real = None
    if reference is not None:
        real = read(compare.contents(reference), str(reference), chosen.plain, chosen.wide, FACTS)
    settings = {"alpha": compare.levels(alpha, "--alpha"), "correction": correction, "seeds_planned": seeds_planned}
    request = Request(
        baseline,
        metric,
        rope=rope,
        settings={name: value for name, value in settings.items() if value is not None},
    )
    options = Options(floor, numbers(far, "--far", 1e-9, 1), real, features)
    made = assemble(contents, chosen, options, request)
    inputs = {name: hashlib.sha256(data).hexdigest() for name, data in contents}
    compare.of_scores(made, inputs, out, as_json)
