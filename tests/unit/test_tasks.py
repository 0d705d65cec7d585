"""The task of a study is that of its data sets; what has no meaning for it is refused at the door, never ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from study_fixture import TINY, study

from bakeoff import tasks
from bakeoff.compare.spec import CompareSettings
from bakeoff.data.source import Info, Target
from bakeoff.errors import UserError
from bakeoff.evaluate.regression import OF_TARGETS
from bakeoff.grid import Grid

REGRESSION = {**TINY, "datasets": ["square_position"], "augmentations": ["none"], "models": ["tiny_cnn", "tiny_vit"]}
RECIPE = TINY["recipes"]["default"]


def recipe(**changes: Any) -> dict[str, Any]:
    return {"recipes": {"default": {**RECIPE, **changes}}}


def pipeline(*transforms: str) -> dict[str, Any]:
    steps = [{name: {}} for name in transforms]
    return {"augmentations": [{"name": "mine", "policy": "albumentations", "pipeline": steps}]}


def test_a_study_of_a_regression_has_its_own_metrics_and_outputs() -> None:
    one = study(**REGRESSION)
    assert one.evaluate.metrics == tuple(OF_TARGETS)
    assert one.compare.metric == "rmse"
    assert one.compare.rope == {}
    assert study(**REGRESSION, compare={"tolerance": {"rmse": 0.02}}).compare.tolerance["rmse"] == 0.02
    assert Grid(one).profile_specs("tiny_cnn", "square_position")[0]["classes"] == 2
    narrow = study(**REGRESSION, evaluate={"metrics": ["mae"]}, compare={"metric": "mae", "rope": {"mae": 0.1}})
    assert narrow.evaluate.metrics == ("mae",)
    assert study().compare.metric == "accuracy"
    assert not set(study().evaluate.metrics) & set(OF_TARGETS)


def test_the_loss_is_in_the_settings_only_where_it_is_another() -> None:
    specs = [Grid(study(**{**REGRESSION, **recipe(**changes)})) for changes in ({}, {"loss": "mse"}, {"loss": "l1"})]
    first, same, other = (grid.train_spec(grid.cells[0]) for grid in specs)
    assert first == same
    assert "loss" not in first["recipe"]
    assert other["recipe"]["loss"] == "l1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"datasets": ["square_position", "digits"]}, r"datasets\[1\]: digits is for classification and square"),
        ({"models": ["lenet5", "control/majority"]}, r"models\[1\]: control-majority is for classes"),
        ({"augmentations": ["standard"]}, r"augmentations\[0\]: standard moves, hides or mixes pixels"),
        ({"augmentations": ["mixup"]}, r"mixup moves, hides or mixes pixels"),
        (pipeline("GaussNoise", "HorizontalFlip"), "HorizontalFlip of it moves"),
        (pipeline("GaussNoise", "RandomSunFlare"), "RandomSunFlare of it moves, hides"),
        (recipe(label_smoothing=0.1), r"recipes.default.label_smoothing: is for classes"),
        (recipe(sampling="balanced"), r"recipes.default.sampling: is for classes"),
        ({"probe": {"tta": True}}, "probe: is for classes"),
        ({"ensembles": [{"name": "e", "models": ["tiny_cnn"], "over": "seeds"}]}, "ensembles: is for classes"),
        ({"evaluate": {"metrics": ["rmse", "accuracy"]}}, "accuracy is no metric of regression"),
        ({"evaluate": {"positive": "x"}}, "evaluate.positive: is for classes"),
        ({"evaluate": {"thresholds": [0.5]}}, "evaluate.thresholds: is for classes"),
        ({"evaluate": {"worst": 3}}, "evaluate.worst: is for classes"),
        ({"compare": {"rope": {"accuracy": 0.01}}}, "compare.rope.accuracy: accuracy is no metric of regression"),
        ({"compare": {"tolerance": {"accuracy": 0.01}}}, "compare.tolerance: 'accuracy' is no cost and not the metric"),
        ({"compare": {"metric": "accuracy"}}, "'accuracy' is not among the metrics evaluated"),
        ({"requirements": ["accuracy >= 0.9"]}, "accuracy is a metric that this study does not evaluate"),
        ({"requirements": ["rmse >= 1"]}, "rmse is better when it is smaller"),
    ],
    ids=lambda value: "" if isinstance(value, str) else json.dumps(value)[:40],
)
def test_what_has_no_meaning_for_targets_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        study(**{**REGRESSION, **changes})


@pytest.mark.parametrize("names", [["digits", "square_position"], ["square_position", "digits"]])
def test_data_sets_of_two_tasks_are_one_problem(names: list[str]) -> None:
    with pytest.raises(UserError) as refused:
        study(**{**REGRESSION, "datasets": names})
    assert f"{names[1]} is for" in str(refused.value)
    assert "evaluate" not in str(refused.value)


def test_a_distance_is_between_points() -> None:
    units = {"point": ("px", "px"), "one": ("px",), "apart": ("px", "kg")}
    facts = {name: Info("T", "x", 1, 4, (), True, False, tuple(map(Target, "xy", of))) for name, of in units.items()}
    parts = {"datasets": [], "compare": CompareSettings(metric="distance", rope={})}
    assert [text.partition(", and ")[2] for _, text in tasks.problems(parts, facts)] == [
        "one has x (px)",
        "apart has x (px), y (kg)",
    ]


def test_colours_may_change() -> None:
    assert study(**{**REGRESSION, **pipeline("GaussNoise", "RandomBrightnessContrast")}).augmentations[0].name == "mine"


@pytest.mark.parametrize("loss", ["l1", "mse"])
def test_classes_have_no_loss_of_targets(loss: str) -> None:
    with pytest.raises(UserError, match=f"recipes.default.loss: '{loss}' is of a regression"):
        study(**recipe(loss=loss))
