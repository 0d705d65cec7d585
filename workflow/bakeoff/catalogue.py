"""What there is to choose from: the commands that list models, data sets, augmentations and metrics, or show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff import plugins
from bakeoff.errors import UserError
from bakeoff.provenance import Json

if TYPE_CHECKING:
    from bakeoff.train.policies._sheet import Examples

DataRoot = Annotated[Path, typer.Option(help="Folder in which data sets are looked for.")]


def models(search: Annotated[str, typer.Argument(help="Only names with this text.")] = "") -> None:
    """List the models that a study may name; a function in a file of one's own is named nets/mynet.py:build."""
    from bakeoff.models import registry
    from bakeoff.problems import nearest

    found = [name for name in registry.names() if search.lower() in name]
    if not found:
        raise UserError(f"models: no name has {search!r} in it; {nearest(search.lower(), registry.names())}")
    for name in found:
        print(f"{name:32} {registry.about(name)}".rstrip())


def datasets(search: Annotated[str, typer.Argument(help="Only names with this text.")] = "") -> None:
    """List the data sets that a study may name, with the options of each; all of torchvision's have the same."""
    from bakeoff.data import registry
    from bakeoff.problems import nearest

    found = [name for name in registry.names() if search.lower() in name.lower()]
    if not found:
        raise UserError(f"datasets: no name has {search!r} in it; {nearest(search, registry.names())}")
    for name in found:
        options = "" if "/" in name and len(found) > 1 else ", ".join(registry.options_of(name))
        print(f"{name:32} {registry.about(name)}" + (f" [{options}]" if options else ""))


def audit(
    target: Annotated[str, typer.Argument(help="A data set, such as digits or folder:photos, or a study file.")],
    data_root: DataRoot = Path("data"),
    image_size: Annotated[
        int | None, typer.Option(help="Side in pixels; default: the data set's own, else 64.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON, by data set.")] = False,
) -> None:
    """Print how large the classes of a data set are, and which images are copies, contradictory or empty."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from bakeoff import audits

    grid = audits.grid_of(target, data_root, image_size)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")
        found = dict(
            audits.manifests(
                grid, lambda what, done, of: progress.update(task, description=what, completed=done, total=of)
            )
        )
    if as_json:
        print(json.dumps({name: manifest["audit"] for name, manifest in found.items()}, indent=1))
    else:
        print("\n\n".join(map(audits.describe, found.values())))


def augmentations(
    sheet: Annotated[Path | None, typer.Option(help="Draw them into this file, such as sheet.png.")] = None,
    policy: Annotated[str, typer.Option(help="Only this one.")] = "",
    study: Annotated[Path | None, typer.Option(help="Those of a study, with their settings.")] = None,
    dataset: Annotated[str, typer.Option(help="Whose images are drawn.")] = "digits",
    data_root: DataRoot = Path("data"),
) -> None:
    """List the augmentation policies that a study may name, with their options; or draw what they do to images."""
    from bakeoff.train import augment

    if sheet is None:
        for name in augment.names():
            options = ", ".join(plugins.options(augment.FOLDER, name))
            print(f"{name:24} {plugins.about(augment.FOLDER, name)}" + (f" [{options}]" if options else ""))
        return
    from bakeoff.train.policies import _sheet

    chosen = _policies(policy, study)
    _sheet.draw(chosen, _examples(dataset, data_root, 2 if len(chosen) > 1 else 6), sheet)


def _policies(policy: str, study: Path | None) -> dict[str, Json]:
    """The policies to draw, by name: a study's, or all with their default options that do not need any."""
    from bakeoff.problems import nearest
    from bakeoff.study import load
    from bakeoff.train import augment

    if study is not None:
        found = {entry.name: {"policy": entry.policy, "options": entry.options} for entry in load(study).augmentations}
    else:
        found = {name: {"policy": name, "options": {}} for name in augment.names() if name != "albumentations"}
    if policy and policy not in found:
        raise UserError(f"--policy: {policy}: no such policy; {nearest(policy, found)}")
    return {policy: found[policy]} if policy else {name: p for name, p in found.items() if "/" not in name}


def _examples(dataset: str, data_root: Path, n: int) -> Examples:
    """The first images of a data set, one a class."""
    import numpy as np
    import torch

    from bakeoff.data import registry
    from bakeoff.train.policies._sheet import Examples

    options = registry.complete(dataset, {})
    info, raw = registry.info(dataset, options, data_root), registry.load(dataset, options, data_root)
    rows = np.unique(raw.train.labels, return_index=True)[1][:n].astype(np.int64)
    pixels = raw.train.pixels
    images = pixels[rows] if isinstance(pixels, np.ndarray) else pixels.take(rows, info.size or 64, 1)
    return Examples(torch.from_numpy(np.ascontiguousarray(images)), info.flip)


def metrics() -> None:
    """List the metrics that are worked out for every run: what each is, its unit and range, who defined it."""
    from bakeoff.evaluate.metrics import METRICS

    for metric in METRICS.values():
        better = "higher" if metric.direction == "max" else "lower"
        low, high = (f"{end:g}" if end is not None else "infinity" for end in metric.range)
        print(f"{metric.name:20} {metric.unit}, {low} to {high}, {better} is better; {metric.about} [{metric.source}]")


def schema() -> None:
    """Print the JSON schema of study files, for editors."""
    from bakeoff.study import json_schema

    print(json.dumps(json_schema(), indent=1))
