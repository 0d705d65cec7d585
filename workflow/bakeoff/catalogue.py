"""What there is to choose from: the commands that list models, data sets, augmentations and metrics, or show them."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff import plugins
from bakeoff.errors import UserError
from bakeoff.provenance import Json

if TYPE_CHECKING:
    from bakeoff.train.policies._sheet import Examples

Search = Annotated[str, typer.Argument(help="Only names with this text.")]
Filter = Annotated[str, typer.Option(help="The same as an option.")]
DataRoot = Annotated[Path, typer.Option(help="Folder in which data sets are looked for.")]


def models(search: Search = "", filter: Filter = "") -> None:
    """List the models that a study may name; a function in a file of one's own is named nets/mynet.py:build."""
    from bakeoff.commands import library
    from bakeoff.models import registry

    for name in _found("models", registry.names(), filter or search):
        _line(name, registry.about(name) or library.about(name))


def datasets(search: Search = "", filter: Filter = "") -> None:
    """List the data sets that a study may name, with the options of each; all of torchvision's have the same."""
    from bakeoff.data import registry

    found = _found("datasets", registry.names(), filter or search)
    for name in found:
        options = "" if "/" in name and len(found) > 1 else ", ".join(registry.options_of(name))
        _line(name, registry.about(name) + (f" [{options}]" if options else ""))


def _found(command: str, names: Iterable[str], text: str) -> list[str]:
    """The names with this text in them, in any case."""
    from bakeoff.problems import nearest

    names = list(names)
    found = [name for name in names if text.lower() in name.lower()]
    if not found:
        raise UserError(f"{command}: no name has {text!r} in it; {nearest(text.lower(), names)}")
    return found


def _line(name: str, about: str) -> None:
    """One line an entry; a terminal that is narrower gets the rest of it below."""
    line = f"{name:32} {about}".rstrip()
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(line, width, subsequent_indent=" " * 33, break_on_hyphens=False)
    print(line)


def augmentations(
    search: Search = "",
    sheet: Annotated[Path | None, typer.Option(help="Draw them into this file, such as sheet.png.")] = None,
    filter: Filter = "",
    policy: Annotated[str, typer.Option(help="Draw only this one.")] = "",
    study: Annotated[Path | None, typer.Option(help="Those of a study, with their settings.")] = None,
    dataset: Annotated[str, typer.Option(help="Whose images are drawn.")] = "digits",
    data_root: DataRoot = Path("data"),
) -> None:
    """List the augmentation policies that a study may name, with their options; or draw what they do to images."""
    from bakeoff.train import augment

    if sheet is None:
        for name in _found("augmentations", augment.names(), filter or search):
            options = ", ".join(plugins.options(augment.FOLDER, name))
            _line(name, plugins.about(augment.FOLDER, name) + (f" [{options}]" if options else ""))
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
    rows = np.unique(raw.train.labels, axis=0, return_index=True)[1][:n].astype(np.int64)
    pixels = raw.train.pixels
    images = pixels[rows] if isinstance(pixels, np.ndarray) else pixels.take(rows, info.size or 64, 1)
    return Examples(torch.from_numpy(np.ascontiguousarray(images)), info.flip)


def metrics(search: Search = "", filter: Filter = "") -> None:
    """List the metrics that are worked out for every run, last those of a regression: what each is, its unit and range,
    who defined it.
    """
    from bakeoff.evaluate.spec import KNOWN

    for name in _found("metrics", KNOWN, filter or search):
        metric = KNOWN[name]
        better = "higher" if metric.direction == "max" else "lower"
        low, high = (f"{end:g}" if end is not None else "infinity" for end in metric.range)
        _line(name, f"{metric.unit}, {low} to {high}, {better} is better; {metric.about} [{metric.source}]")


def columns() -> None:
    """List the columns that the table of a study may have (report: columns), those of a study that names none first."""
    from bakeoff.report.columns import DEFAULT, KINDS

    for name in [*DEFAULT, *(name for name in KINDS if name not in DEFAULT)]:
        print(f"{name:20} {KINDS[name].about}{' [default]' if name in DEFAULT else ''}")
    print(f"{'any metric':20} mean ± standard deviation over seeds; `bakeoff metrics` lists them")


def schema() -> None:
    """Print the JSON schema of study files, for editors."""
    from bakeoff.study import json_schema

    print(json.dumps(json_schema(), indent=1))
