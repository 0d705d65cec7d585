"""`bakeoff verification`: how well embeddings recognise identities; `bakeoff embed` makes embeddings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.commands.options import Code
from bakeoff.errors import UserError


def verification(
    embeddings: Annotated[
        Path, typer.Argument(help=".npz with embeddings [N, D], identity [N], perhaps ids [N]; or probe.json.")
    ],
    pairs: Annotated[Path | None, typer.Option(help="CSV with columns a, b (ids); without it, all pairs.")] = None,
    validation: Annotated[Path | None, typer.Option(help=".npz whose pairs choose the best threshold.")] = None,
    thresholds: Annotated[str, typer.Option(help="Of the table.")] = "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1.0",
    far: Annotated[str, typer.Option(help="False accept rates to give the TAR at.")] = "1e-1,1e-2,1e-3,1e-4",
    resamples: Annotated[int, typer.Option(help="Draws of identities for the intervals.", min=100)] = 1000,
    seed: Annotated[int, typer.Option(help="Of these draws.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the record, tables and figure.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
    code: Code = None,
) -> None:
    """Tell how well embeddings recognise identities: cosine similarity of pairs, ROC, TAR at FAR, EER, thresholds."""
    from bakeoff.evaluate import verification_output
    from bakeoff.evaluate.verification import Options
    from bakeoff.evaluate.verification_file import numbers

    options = Options(
        numbers(thresholds, "--thresholds", -1, 1), numbers(far, "--far", 1e-9, 1), resamples=resamples, seed=seed
    )
    if embeddings.suffix == ".json":
        if pairs or validation:
            raise UserError("verification: a probe's record brings its pairs and its validation images; give neither")
        body = verification_output.of_probe(embeddings, options, out, code)
    else:
        body = verification_output.run(embeddings, pairs, validation, options, out, code)
    print(json.dumps(body, indent=1, allow_nan=False) if as_json else verification_output.describe(body, options))


def embed(
    model: Annotated[Path, typer.Argument(help="ONNX model from images [B, C, H, W] to vectors [B, D].")],
    images: Annotated[Path, typer.Argument(help="Folder with one folder of images for each identity.")],
    out: Annotated[Path, typer.Option(help="The .npz to write, for bakeoff verification.")],
    mean: Annotated[str, typer.Option(help="Of pixels in 0..1: one figure, or one a channel.")] = "0.5",
    std: Annotated[str, typer.Option(help="The same.")] = "0.5",
) -> None:
    """Embed a folder of images by an ONNX model of anybody's, for bakeoff verification."""
    from bakeoff.evaluate.verification_onnx import Normalisation, figures
    from bakeoff.evaluate.verification_onnx import run as embed_images

    n = embed_images(model, images, out, Normalisation(figures(mean, "--mean"), figures(std, "--std")))
    print(f"{n} images of {images} embedded: {out}")
