"""`bakeoff new`: a study file to begin with, commented, that is valid as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.errors import UserError
from bakeoff.problems import NAME
from bakeoff.provenance import PACKAGE

STUDIES = Path("studies")
LEAST_SIDE, USUAL_SIDE = 16, 64
"""Pixels: below the first, small nets have nothing left after pooling; the second is for images of no common size."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


@dataclass(frozen=True)
class Wanted:
    """What the study shall hold."""

    name: str
    datasets: list[str]
    models: list[str]
    augmentations: list[str]
    seeds: int
    epochs: int
    batch_size: int
    lr: float


def new(
    path: Annotated[Path | None, typer.Argument(help="File to write; default: studies/NAME.yaml.")] = None,
    name: Annotated[str, typer.Option(help="Of the study; default: the file's name, or mine.")] = "",
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="A data set (bakeoff datasets), such as digits or folder:photos; repeat it."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model (bakeoff models), such as timm/resnet18; the first is the baseline."),
    ] = None,
    augmentation: Annotated[
        list[str] | None, typer.Option(help="A policy (bakeoff augmentations); default: none.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many; five or more let tests tell something.", min=1)] = 5,
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    lr: Annotated[float, typer.Option(help="Learning rate of AdamW.", min=0)] = 1e-3,
) -> None:
    """Write a commented study file; without --dataset and --model it asks, on a terminal."""
    if name and not re.fullmatch(NAME, name):
        raise UserError(f"new: --name {name!r} is no name (it becomes a folder); {_as_name(name)} would be one")
    name = name or (_as_name(path.stem) if path else "")
    if not dataset and not model and sys.stdin.isatty():
        wanted = _ask(name or "mine", seeds, epochs, batch_size, lr)
    elif dataset and model:
        wanted = Wanted(name or "mine", dataset, model, augmentation or ["none"], seeds, epochs, batch_size, lr)
    else:
        raise UserError(
            "new: give --dataset and --model, such as --dataset digits --model lenet5 --model timm/resnet18"
        )
    for check, given in ((_dataset, wanted.datasets), (_model, wanted.models), (_policy, wanted.augmentations)):
        for each in given:
            if problem := check(each):
                raise UserError(f"new: {problem}")
    place = path or (STUDIES if STUDIES.is_dir() else Path()) / f"{wanted.name}.yaml"
    runs = write(wanted, place)
    print(f"{place}: {runs} runs. Next: bakeoff plan {place}, then bakeoff run {place}")


def write(wanted: Wanted, path: Path) -> int:
    """Write the study file and return the number of its runs. Raises UserError when there is a file already, and for
    what the study's own check finds.
    """
    from bakeoff.grid import Grid
    from bakeoff.study import check
    from bakeoff.studyfile import parse

    if path.exists():
        raise UserError(f"new: {path}: is there already; choose another name, or delete it first")
    text = render(wanted, path)
    grid = Grid(check(parse(text.encode(), str(path))))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"new: {path}: cannot be written ({error.strerror})") from None
    return grid.n_runs


# --- what is asked ------------------------------------------------------------------------------------------------


def _ask(name: str, seeds: int, epochs: int, batch_size: int, lr: float) -> Wanted:
    name = _as_name(str(typer.prompt("Name of the study", default=name)))
    datasets = _ask_several("Data sets, apart by spaces (bakeoff datasets lists them)", "digits", _dataset)
    models = _ask_several("Models, the baseline first (bakeoff models TEXT lists them)", "lenet5 tiny_cnn", _model)
    policies = _ask_several("Augmentations (bakeoff augmentations)", "none", _policy)
    seeds = typer.prompt("Number of seeds", default=seeds, type=int)
    epochs = typer.prompt("Epochs", default=epochs, type=int)
    return Wanted(name, datasets, models, policies, max(seeds, 1), max(epochs, 1), batch_size, lr)


def _ask_several(question: str, default: str, problem: Callable[[str], str | None]) -> list[str]:
    while True:
        given = shlex.split(str(typer.prompt(question, default=default)).replace(",", " "))
        problems = [text for each in given if (text := problem(each))]
        if given and not problems:
            return given
        print("\n".join(problems))


def _dataset(source: str) -> str | None:
    from bakeoff.data import registry

    kind, colon, _ = source.partition(":")
    if colon and kind in registry.names() and registry.reads_files(kind):
        return None
    if source in registry.names() and registry.reads_files(source):
        return f"{source}: say where the images stand, as in {source}:PATH"
    return _unknown("data set", source, registry.names(), "datasets")


def _model(builder: str) -> str | None:
    from bakeoff.models import registry

    try:
        return None if registry.is_known(builder) else _unknown("model", builder, registry.names(), "models")
    except UserError as error:  # about a file of one's own
        return str(error)


def _policy(name: str) -> str | None:
    from bakeoff.train import augment

    return _unknown("augmentation", name, augment.names(), "augmentations")


def _unknown(kind: str, value: str, known: Collection[str], command: str) -> str | None:
    from bakeoff.problems import nearest

    return None if value in known else f"{value}: no such {kind}; {nearest(value, known)} (all: bakeoff {command})"


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "-", text.lower()).strip("-_.") or "mine"


# --- the file -----------------------------------------------------------------------------------------------------


def render(wanted: Wanted, path: Path) -> str:
    """The text of the study file that shall stand at `path`."""
    models = [f"  - {_text(builder)}" for builder in wanted.models]
    lines = [
        f"# Made by: {_command(wanted, path)}",
        f"# Run it: bakeoff run {shlex.quote(str(path))} --cores all --resources gpu=1",
        f"# What it will take: bakeoff plan {shlex.quote(str(path))}",
        *_schema(path),
        f"study: {_text(wanted.name)} # results/{wanted.name}/ will hold its tables and its report",
        f"title: {json.dumps(_title(wanted), ensure_ascii=False)}",
        "",
        "# Runs are data sets x models x augmentations x recipes x seeds.",
        "datasets:",
        *(line for source in wanted.datasets for line in _dataset_lines(source)),
        "",
        "models: # an option of a model goes beside its name: {name: resnet18, builder: timm/resnet18, stem: small}",
        *models,
        "",
        f"augmentations: [{', '.join(map(_text, wanted.augmentations))}] # `bakeoff augmentations` lists them",
        "",
        "recipes: # one recipe for all models; a second one is a further row to compare",
        "  default:",
        f"    epochs: {wanted.epochs} # the one that is best on the validation images is kept",
        f"    batch_size: {wanted.batch_size}",
        "    optimizer: adamw",
        f"    lr: {wanted.lr!r} # at its highest; the schedule takes it to zero",
        "    weight_decay: 0.05",
        "    schedule: cosine",
        f"    warmup_epochs: {min(1, wanted.epochs - 1)}",
        "    # train_images: 1000 # fewer images, for a quick look",
        "    # weights: pretrained # begin from published weights, for timm/ and torchvision/ models",
        "",
        f"seeds: [{', '.join(map(str, range(wanted.seeds)))}] # repetitions; below five, few differences can be proved",
        "",
        *_comparisons(wanted),
        "",
        "# device: cuda # default: auto, a GPU where there is one",
        "# threads: 1 # CPU threads of a run; runs beside each other use the cores better",
        "# report:",
        "#   labels: {NAME: what tables and figures call it}",
    ]
    return "\n".join(lines) + "\n"


def _command(wanted: Wanted, path: Path) -> str:
    parts = ["bakeoff", "new", str(path), "--name", wanted.name]
    for option, values in (
        ("--dataset", wanted.datasets),
        ("--model", wanted.models),
        ("--augmentation", wanted.augmentations),
    ):
        parts += [part for value in values for part in (option, value)]
    parts += ["--seeds", str(wanted.seeds), "--epochs", str(wanted.epochs)]
    return shlex.join([*parts, "--batch-size", str(wanted.batch_size), "--lr", repr(wanted.lr)])


def _schema(path: Path) -> list[str]:
    """The line by which editors find the keys, where the file stands in this project."""
    schema = PACKAGE.parent / "study.schema.json"
    home = schema.parent.parent
    if not path.absolute().is_relative_to(home):
        return []
    return [f"# yaml-language-server: $schema={Path(os.path.relpath(schema, path.absolute().parent)).as_posix()}"]


def _title(wanted: Wanted) -> str:
    return f"{', '.join(wanted.models)} on {', '.join(wanted.datasets)}"[:200]


def _dataset_lines(source: str) -> list[str]:
    """One data set, with a size where it has none of its own, or one too small for most nets."""
    from bakeoff.data import registry as sources
    from bakeoff.models.registry import default_name

    if ":" in source:
        return [
            f"  - source: {_text(source)}",
            f"    image_size: {USUAL_SIDE} # pixels; larger is slower, by its square",
        ]
    side = sources.info(source, sources.complete(source, {}), Path("data")).size
    if side is not None and side >= LEAST_SIDE:
        return [f"  - {_text(source)} # {side}x{side} pixels"]
    why = "most nets need 16 or more" if side else "its images have no size of their own"
    own = [f"    source: {_text(source)}"] if default_name(source) != source else []
    return [
        f"  - name: {default_name(source)}",
        *own,
        f"    image_size: {LEAST_SIDE if side else USUAL_SIDE} # pixels; {why}",
    ]


def _comparisons(wanted: Wanted) -> list[str]:
    from bakeoff.models.registry import default_name

    factors = [("model", [default_name(builder) for builder in wanted.models])]
    factors += [("augmentation", [default_name(policy) for policy in wanted.augmentations])]
    lines = [f"  - {{factor: {factor}, baseline: {_text(names[0])}}}" for factor, names in factors if len(names) > 1]
    if not lines:
        return ["# comparisons: [{factor: model, baseline: NAME}] # once there are two models"]
    return ["comparisons: # each candidate is tested against the baseline", *lines]


def _text(value: str) -> str:
    """A word as YAML has it: quoted where it is not plain."""
    reserved = value.lower() in ("true", "false", "null", "yes", "no", "on", "off")
    return value if _PLAIN.fullmatch(value) and not reserved else json.dumps(value, ensure_ascii=False)
