"""`bakeoff predict`: which class images are of, by the network of a finished run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff.errors import UserError
from bakeoff.problems import printable

if TYPE_CHECKING:
    from bakeoff.deploy.predict import Answer


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as results/runs/.../seed0, or of an export.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, and folders of them.")],
    top: Annotated[int, typer.Option(help="Classes to name for an image.", min=1)] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line an image.")] = False,
    backend: Annotated[str, typer.Option(help="onnxruntime or torch.")] = "onnxruntime",
    int8: Annotated[bool, typer.Option("--int8", help="By the quantised network of the export.")] = False,
    batch_size: Annotated[int, typer.Option(help="Images worked on at once.", min=1, max=4096)] = 64,
    data: Annotated[
        Path | None, typer.Option(help="The run's prepared images; default: those of its results/.")
    ] = None,
) -> None:
    """Tell which class images are of, with calibrated probabilities. Exit status 1 if an image cannot be read."""
    from bakeoff.deploy import predict as step
    from bakeoff.deploy.session import load

    if backend not in ("onnxruntime", "torch"):
        raise UserError(f"--backend: {backend!r} is neither onnxruntime nor torch")
    files = step.files_of(images)
    predictor = load(run, "torch" if backend == "torch" else "onnxruntime", data=data, int8=int8)
    unread = 0
    for answer in step.predict(predictor, files, top, batch_size):
        if answer.problem is not None:
            unread += 1
            print(printable(f"{answer.file}: {answer.problem}"), file=sys.stderr)
        if as_json:
            print(json.dumps(answer.as_json(), ensure_ascii=False))
        elif answer.problem is None:
            print(_line(answer))
    if unread:
        raise UserError(f"predict: {unread} of {len(files)} images could not be read")


def _line(answer: Answer) -> str:
    return printable(f"{answer.file}: " + ", ".join(f"{label} {probability:.1%}" for label, probability in answer.top))
