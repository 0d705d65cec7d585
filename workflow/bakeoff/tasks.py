"""The task of a study: that of its data sets. What a regression has no use for is refused, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bakeoff.data.source import Info
from bakeoff.evaluate.metrics import METRICS
from bakeoff.evaluate.regression import OF_TARGETS
from bakeoff.models import registry
from bakeoff.problems import Problem, nearest
from bakeoff.train.policies import _pipeline

PRIMARY = "rmse"
"""The metric that a regression is judged by where its study names none."""
_NO_CLASSES = "is for classes, and the data sets of this study have targets"
# Recipe keys, each with the value that means nothing of it.
_OF_CLASSES = {"label_smoothing": 0.0, "class_weights": "none", "sampling": "shuffled"}


def lay_defaults(data: dict[str, Any], parts: dict[str, Any], infos: Mapping[str, Info]) -> None:
    """Give a study of a regression, as data and as the parts read from them, the metrics that are meant by none."""
    if not any(info.targets for info in infos.values()):
        return
    for key, setting, value in (("evaluate", "metrics", list(OF_TARGETS)), ("compare", "metric", PRIMARY)):
        given = data.get(key, {})
        if key in parts and setting not in given:
            data[key] = {**given, setting: value}
            parts[key] = parts[key].model_copy(update={setting: value})


def problems(parts: Mapping[str, Any], infos: Mapping[str, Info]) -> Iterator[Problem]:
    """What does not go with the task; of data sets whose facts cannot be told, nothing is said."""
    tasks = {name: info.task for name, info in infos.items()}
    first = next(iter(tasks), None)
    if first is None:
        return
    for i, entry in enumerate(parts["datasets"]):
        if tasks.get(entry.name, tasks[first]) != tasks[first]:
            yield (
                ("datasets", i),
                f"{entry.name} is for {tasks[entry.name]} and {first} for {tasks[first]}; give each a study of its own",
            )
    regression = tasks[first] == "regression"
    yield from _metric_problems(parts, OF_TARGETS if regression else METRICS, tasks[first])
    for name, recipe in parts.get("recipes", {}).items():
        if not regression and recipe.loss != "mse":
            yield ("recipes", name, "loss"), f"{recipe.loss!r} is of a regression, and these are classes; leave it out"
    if regression:
        yield from _of_classes(parts)
        yield from _moving(parts)


def _metric_problems(parts: Mapping[str, Any], known: Mapping[str, Any], task: str) -> Iterator[Problem]:
    for name in parts["evaluate"].metrics if "evaluate" in parts else ():
        if name not in known:
            yield ("evaluate", "metrics"), f"{name} is no metric of {task}; {nearest(name, list(known), 'there are')}"


def _of_classes(parts: Mapping[str, Any]) -> Iterator[Problem]:
    for name, recipe in parts.get("recipes", {}).items():
        for key, none in _OF_CLASSES.items():
            if getattr(recipe, key) != none:
                yield ("recipes", name, key), f"{_NO_CLASSES}; leave it out"
    for i, entry in enumerate(parts.get("models", [])):
        if registry.is_control(entry.builder):
            yield ("models", i), f"{entry.name} {_NO_CLASSES}; networks can learn them"
    if parts.get("ensembles"):
        yield ("ensembles",), f"{_NO_CLASSES}: it averages probabilities; leave it out"
    if parts.get("external"):
        yield ("external",), f"{_NO_CLASSES}; `bakeoff score --task regression` compares predictions of others"
    if "probe" in parts and parts["probe"].wanted:
        yield ("probe",), f"{_NO_CLASSES}; leave it out"
    if "evaluate" in parts and parts["evaluate"].verification:
        yield ("evaluate", "verification"), f"{_NO_CLASSES}; leave it out"


def _moving(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """Policies that may make a target wrong: nobody says how it goes with the pixels."""
    for i, entry in enumerate(parts.get("augmentations", [])):
        if entry.policy == "albumentations":
            moving = _pipeline.not_photometric(entry.options["pipeline"])
            if moving is None:
                continue
            what = f"{moving} of it"
        elif entry.policy == "none":
            continue
        else:
            what = entry.policy
        yield (
            ("augmentations", i),
            f"{what} moves, hides or mixes pixels, and the targets would not follow; take none, or a pipeline of "
            "albumentations that changes colours alone",
        )
