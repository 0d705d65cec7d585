"""Recipes as people write them: presets, phases, tuning, and what is said about mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.study import Study, json_schema, load
from bakeoff.train.presets import PRESETS
from bakeoff.train.spec import Phase, Recipe

STUDY = "study: x\ndatasets: [digits]\nmodels: [timm/resnet18]\n"  # which has published weights


def study_of(folder: Path, recipe: str) -> Study:
    """A study whose one recipe is this YAML; its first line is the sixth of the file."""
    path = folder / "study.yaml"
    lines = "".join(f"    {line}\n" for line in recipe.splitlines())
    path.write_text(f"{STUDY}recipes:\n  mine:\n{lines}")
    return load(path)


def recipe_of(folder: Path, recipe: str) -> Recipe:
    return study_of(folder, recipe).recipes["mine"]


def said_of(folder: Path, recipe: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        study_of(folder, recipe)
    return [line.removeprefix(str(folder / "study.yaml")) for line in str(caught.value).splitlines()]


# --- presets


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_the_same_settings_written_out(tmp_path: Path, name: str) -> None:
    short = recipe_of(tmp_path, f"preset: {name}")
    long = recipe_of(tmp_path, yaml.safe_dump(PRESETS[name]))
    assert short == long
    assert short.model_dump() == long.model_dump()
    assert {**short.model_dump(), **PRESETS[name]} == short.model_dump()


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_runs_are_found_again_by_its_settings_written_out(tmp_path: Path, name: str) -> None:
    specs = [
        [cell.spec for cell in Grid(study_of(tmp_path, recipe)).cells]
        for recipe in (f"preset: {name}", yaml.safe_dump(PRESETS[name]))
    ]
    assert specs[0] == specs[1]
    assert len(specs[0]) == 1


@pytest.mark.parametrize("recipe", ["preset: cnn-sgd\nlr: 0.05\nepochs: 9", "lr: 0.05\nepochs: 9\npreset: cnn-sgd"])
def test_keys_beside_a_preset_win(tmp_path: Path, recipe: str) -> None:
    got = recipe_of(tmp_path, recipe)
    assert got.model_dump() == Recipe(**{**PRESETS["cnn-sgd"], "lr": 0.05, "epochs": 9}).model_dump()


def test_phases_take_the_place_of_a_presets_epochs(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "preset: cnn-sgd\nphases: [{size: 8, epochs: 6}, {size: 12, epochs: 5, lr: 0.02}]")
    assert recipe.phases == [Phase(size=8, epochs=6), Phase(size=12, epochs=5, lr=0.02)]
    assert recipe.total_epochs == recipe.epochs == 11
    assert recipe.optimizer == "sgd"


def test_no_phases_leave_a_presets_epochs(tmp_path: Path) -> None:
    assert recipe_of(tmp_path, "preset: cnn-sgd\nphases: []").epochs == PRESETS["cnn-sgd"]["epochs"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("phases: [{size: 8, epochs: 2}, {size: 12, epochs: 3}]", "epochs: 5\n@"),
        ("milestones: [0.25, 0.5]", "milestones: [0.5, 0.25]"),
        ("lr: 1", "lr: 1.0"),
    ],
)
def test_settings_that_mean_the_same_are_the_same(tmp_path: Path, one: str, other: str) -> None:
    assert recipe_of(tmp_path, one).model_dump() == recipe_of(tmp_path, other.replace("@", one)).model_dump()


@pytest.mark.parametrize("name", [*PRESETS, None])
def test_settings_written_out_mean_the_same_when_read_again(name: str | None) -> None:
    """A run gets its recipe as JSON of all its settings."""
    recipe = Recipe(**{"preset": name} if name else {}, phases=[Phase(size=8, epochs=3)], trained={"last": 2})
    assert Recipe.model_validate(json.loads(json.dumps(recipe.model_dump()))) == recipe


# --- nested settings


def test_the_last_blocks(tmp_path: Path) -> None:
    trained = recipe_of(tmp_path, "trained: {last: 2}").trained
    assert not isinstance(trained, str)
    assert trained.last == 2
    assert [recipe_of(tmp_path, f"trained: {word}").trained for word in ("all", "head")] == ["all", "head"]


def test_tuning(tmp_path: Path) -> None:
    tuning = recipe_of(tmp_path, "tuning: {trials: 8, lr: [1e-4, 1e-2], epochs: 5}").tuning
    assert tuning is not None
    assert (tuning.trials, tuning.lr, tuning.weight_decay, tuning.epochs, tuning.seed) == (8, [1e-4, 1e-2], None, 5, 0)


# --- mistakes


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (
            "lr: 0.1\npreset: cnn-sdg",
            ":7: recipes.mine.preset: 'cnn-sdg' is no such preset; there are cnn-sgd, cnn-adamw, cnn-lamb, ",
        ),
        ("preset: [cnn-sgd]", ":6: recipes.mine.preset: ['cnn-sgd'] is no such preset; there are "),
        ("preset:", ":6: recipes.mine.preset: None is no such preset; there are "),
        ("preset: cnn-sgd\nlearning_rate: 1", ":7: recipes.mine.learning_rate: no such key; the keys here are "),
        ("presett: cnn-sgd", ":6: recipes.mine.presett: no such key; did you mean preset?"),
        ("wieght_decay: 1", ":6: recipes.mine.wieght_decay: no such key; did you mean weight_decay or layer_decay?"),
        ("preset: cnn-sgd\nlr: -1", ":7: recipes.mine.lr: -1 must be greater than 0"),
        ("optimizer: rmsprop", ":6: recipes.mine.optimizer: 'rmsprop' must be 'sgd', 'adam', 'adamw' or 'lamb'"),
        ("tuning: {trials: 4, lr: [0.1]}", ":6: recipes.mine.tuning.lr: has 1 value; give at least 2"),
        ("tuning: {trials: 4, lr: []}", ":6: recipes.mine.tuning.lr: has 0 values; give at least 2"),
        ("tuning: {trials: 4, lr: [1, 2, 3]}", ":6: recipes.mine.tuning.lr: has 3 values; give at most 2"),
        ("tuning: {trials: 1}", ":6: recipes.mine.tuning.trials: 1 must be greater than or equal to 2"),
        ("tuning: {lr: [1, 2]}", ":6: recipes.mine.tuning.trials: is missing"),
        ("tuning:\n  trials: 3\n  epoch: 2", ":8: recipes.mine.tuning.epoch: no such key; did you mean epochs?"),
        ("phases: [{sise: 8, size: 8, epochs: 1}]", ":6: recipes.mine.phases[0].sise: no such key; did you mean size?"),
        ("phases: [3]", ":6: recipes.mine.phases[0]: 3 must be a mapping of keys to values"),
        ("phases: 3", ":6: recipes.mine.phases: 3 must be a list, as in [a, b]"),
        (
            "lr: 1\nepochs: 5\nphases: [{size: 8, epochs: 1}]",
            ":7: recipes.mine.epochs: 5 and the phases' 1 epochs differ; give the phases alone",
        ),
        ("milestones: [1.5]", ":6: recipes.mine.milestones[0]: 1.5 must be less than 1"),
        ("milestones: []", ":6: recipes.mine.milestones: is empty; give at least one"),
        ("tuning: {trials: 4, lr: [1, 0.5]}", ":6: recipes.mine.tuning.lr: the lower end comes first: [0.5, 1.0]"),
        ("epochs: 3\npreset: cnn-sgd", "recipes.mine.warmup_epochs: 5 is more than the 3 epochs of training"),
        (
            "warmup_epochs: 3\nphases: [{size: 8, epochs: 4}, {size: 12, epochs: 2}]",
            ":6: recipes.mine.warmup_epochs: 3 is more than the 2 epochs of the shortest phase; set it lower",
        ),
        ("schedule: step", "recipes.mine.step_epochs: 30 is not less than the 20 epochs of training, so nothing "),
        ("restart_epochs: 20\nschedule: restarts", ":6: recipes.mine.restart_epochs: 20 is not less than the 20 "),
        (
            "warmup_epochs: 5\nschedule: restarts\nrestart_epochs: 5",
            ":8: recipes.mine.restart_epochs: 5 is not more than warmup_epochs",
        ),
        ("restart_epochs: 8\nschedule: restarts", ":6: recipes.mine.restart_epochs: 8 does not divide 20 epochs: "),
        ("warmup_epochs: 5\ntuning: {trials: 2, epochs: 4}", ":7: recipes.mine.tuning: its epochs: 4 are less than "),
        ("trained: last", ":6: recipes.mine.trained: 'last' must be 'all' or 'head' or "),
        ("trained: {last: 0}", ":6: recipes.mine.trained.last: 0 must be greater than or equal to 1"),
    ],
)
def test_a_mistake_is_a_line_with_place_and_remedy(tmp_path: Path, recipe: str, said: str) -> None:
    lines = said_of(tmp_path, recipe)
    assert any(said in line for line in lines), lines


def test_what_was_not_meant_is_not_complained_of(tmp_path: Path) -> None:
    """`trained` may be a word or a mapping; of a faulty mapping it is not said that it is no word."""
    lines = said_of(tmp_path, "trained: {last: 0}")
    assert lines == [":6: recipes.mine.trained.last: 0 must be greater than or equal to 1"]


@pytest.mark.parametrize(
    ("recipe", "said"),
    [("trained: {last: 2, first: 1}", "the keys here are last"), ("trained: {lst: 2}", "did you mean last?")],
)
def test_the_keys_offered_are_those_of_the_place(tmp_path: Path, recipe: str, said: str) -> None:
    assert any(line.endswith(f": no such key; {said}") for line in said_of(tmp_path, recipe))


def test_a_preset_that_no_recipe_has_is_refused_in_python_too() -> None:
    with pytest.raises(ValidationError, match="'x' is no such preset"):
        Recipe(preset="x")


def test_the_schema_knows_presets() -> None:
    keys: dict[str, Any] = json_schema()["$defs"]["Recipe"]["properties"]
    assert keys["preset"]["enum"] == list(PRESETS)
    assert set(keys) == {*Recipe.model_fields, "preset"}
