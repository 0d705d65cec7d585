"""The task of a study: that of its data sets. What a regression has no use for is refused, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bakeoff.data.source import Info, Task
from bakeoff.evaluate.metrics import METRICS
from bakeoff.evaluate.regression import OF_TARGETS, are_a_point
from bakeoff.evaluate.spec import EvaluateSettings
from bakeoff.models import registry
from bakeoff.problems import Problem, nearest
from bakeoff.studyfile import KeyPath
from bakeoff.train.policies import _pipeline

PRIMARY = "rmse"
"""The metric that a regression is judged by where its study names none."""
_FOR_CLASSES = "is for classes, and the data sets of this study have targets"
# Recipe keys, each with the value that means nothing of it.
_OF_RECIPES = {"label_smoothing": 0.0, "class_weights": "none", "sampling": "shuffled"}
_OF_EVALUATION = ("thresholds", "positive", "worst")


def task_of(infos: Mapping[str, Info]) -> Task:
    """The task of a study: that of the first of its data sets, by name, whose facts can be told."""
    return next((info.task for info in infos.values()), "classification")


def defaults(data: Mapping[str, Any], infos: Mapping[str, Info]) -> dict[str, Any]:
    """The values of the keys of a study that mean something else in a regression where they do not say."""
    if task_of(infos) == "classification":
        return {}
    meant: dict[str, dict[str, Any]] = {
        "evaluate": {"metrics": list(OF_TARGETS)},
        "compare": {"metric": PRIMARY, "rope": {}},
    }
    given = {key: data.get(key, {}) for key in meant}
    return {key: {**meant[key], **value} for key, value in given.items() if isinstance(value, dict)}


def problems(parts: Mapping[str, Any], infos: Mapping[str, Info]) -> Iterator[Problem]:
    """What does not go with the task; of data sets whose facts cannot be told, nothing is said."""
    if not infos:
        return
    first, task = next(iter(infos)), task_of(infos)
    for i, entry in enumerate(parts["datasets"]):
        info = infos.get(entry.name)
        if info and info.task != task:
            yield (
                ("datasets", i),
                f"{entry.name} is for {info.task} and {first} for {task}; give each a study of its own",
            )
    yield from _metric_problems(parts, task)
    if task == "classification":
        yield from _of_targets(parts)
    else:
        yield from _of_classes(parts)
        yield from _moving(parts)
        yield from _no_points(parts, infos)


def _metric_problems(parts: Mapping[str, Any], task: Task) -> Iterator[Problem]:
    known = list(METRICS if task == "classification" else OF_TARGETS)
    named: list[tuple[KeyPath, str]] = []
    if "evaluate" in parts:
        named += [(("evaluate", "metrics"), name) for name in parts["evaluate"].metrics]
    if "compare" in parts:
        named += [(("compare", "rope", name), name) for name in parts["compare"].rope]
    for path, name in named:
        if name not in known:
            yield path, f"{name} is no metric of {task}; {nearest(name, known)}"


def _of_targets(parts: Mapping[str, Any]) -> Iterator[Problem]:
    for name, recipe in parts.get("recipes", {}).items():
        if "loss" in recipe.model_fields_set:
            yield ("recipes", name, "loss"), f"{recipe.loss!r} is of a regression, and these are classes; leave it out"


def _of_classes(parts: Mapping[str, Any]) -> Iterator[Problem]:
    for name, recipe in parts.get("recipes", {}).items():
        for key, none in _OF_RECIPES.items():
            if getattr(recipe, key) != none:
                yield ("recipes", name, key), f"{_FOR_CLASSES}; leave it out"
    for i, entry in enumerate(parts.get("models", [])):
        if registry.is_control(entry.builder):
            yield ("models", i), f"{entry.name} {_FOR_CLASSES}; networks can learn them"
    if parts.get("ensembles"):
        yield ("ensembles",), f"{_FOR_CLASSES}: it averages probabilities; leave it out"
    if "probe" in parts and parts["probe"].wanted:
        yield ("probe",), f"{_FOR_CLASSES}; leave it out"
    if "evaluate" in parts:
        evaluate: EvaluateSettings = parts["evaluate"]
        given = [key for key in _OF_EVALUATION if key in evaluate.model_fields_set]
        for key in [*given, *(["verification"] if evaluate.verification else [])]:
            yield ("evaluate", key), f"{_FOR_CLASSES}; leave it out"


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


def _no_points(parts: Mapping[str, Any], infos: Mapping[str, Info]) -> Iterator[Problem]:
    """Data sets whose targets are no point in a plane, where the study is judged by the distance between two."""
    if "compare" not in parts or parts["compare"].metric != "distance":
        return
    for name, info in infos.items():
        if info.targets and not are_a_point([target.unit for target in info.targets]):
            yield ("compare", "metric"), f"distance is of two targets in one unit, and {name} has {info.predicts}"
