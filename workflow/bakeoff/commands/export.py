"""`bakeoff export`: a finished run as a folder that others can load, and that one can upload as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.provenance import Json


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as results/runs/.../seed0.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write; default: export in that of the run.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Also quantised to 8 bits, its accuracy measured.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="The run's prepared images; default: those of its results/.")
    ] = None,
) -> None:
    """Write a run's network as ONNX and torch.export, checked against torch on its test images, with a model card."""
    from bakeoff.deploy.export import run as write
    from bakeoff.deploy.session import FOLDER

    folder = out or run / FOLDER
    body = write(run, folder, data=data, int8=int8)
    for name, found in body["networks"].items():
        print(f"{folder / name}: {_told(found)}")
    print(f"{folder}: exported in {body['export_seconds']:.1f} s; README.md is its model card")


def _told(found: Json) -> str:
    text = (
        f"{found['bytes'] / 1e6:.2f} MB; torch's class for {found['same_class_as_torch']} of {found['n_checked']} "
        f"test images, logits within {found['max_difference']:.1g}"
    )
    if "accuracy" in found:
        text += f"; accuracy {found['accuracy']:.4f} on {found['n_test']}"
    return text
