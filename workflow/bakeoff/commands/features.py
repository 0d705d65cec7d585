"""`bakeoff features`: what networks see in folders of images, for `bakeoff score --task generation`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.errors import UserError

_LPIPS = "lpips/"


def features(
    folder: Annotated[Path, typer.Argument(help="Folder of images, with any folders in it.")],
    out: Annotated[Path, typer.Option(help="The .npz to write, for bakeoff score.")],
    model: Annotated[
        str, typer.Option(help="Net whose features are taken, or lpips/alex, lpips/vgg, lpips/squeeze.")
    ] = "torchvision/inception_v3",
    weights: Annotated[
        str, typer.Option(help="Its weights: pretrained (downloaded), a file, or package:NAME/FILE.")
    ] = "pretrained",
    size: Annotated[int, typer.Option(help="Pixels that images are squeezed to.", min=8, max=4096)] = 299,
    originals: Annotated[
        Path | None, typer.Option(help="Of LPIPS: folder with the original of each image, under the same name.")
    ] = None,
) -> None:
    """Write the features and logits of a folder of images, or their perceptual distances to their originals."""
    from bakeoff.models import registry
    from bakeoff.problems import nearest
    from bakeoff.score import pictures

    if out.suffix != ".npz":
        raise UserError(f"--out: {out} must end in .npz")
    if model.startswith(_LPIPS):
        net = model.removeprefix(_LPIPS)
        if net not in pictures.LPIPS:
            raise UserError(f"--model: {model!r} is none; choose from {', '.join(_LPIPS + n for n in pictures.LPIPS)}")
        if originals is None:
            raise UserError("--originals: LPIPS compares each image with its original; name their folder")
        arrays = pictures.distances(folder, originals, net, weights)
    else:
        if originals is not None:
            raise UserError("--originals: is for --model lpips/...")
        if not registry.publishes_weights(model) or not registry.is_known(model):
            raise UserError(f"--model: {model!r} has no published weights; {nearest(model, registry.names())}")
        arrays = pictures.features(folder, model, weights, size)
    pictures.save(arrays, out)
    print(f"{len(arrays['example_id']):,} images of {folder} by {arrays['made_by']}: {out}")
