"""A study's small version: what it changes, what it cannot, and that all who read a study file mean the same by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import Call
from study_fixture import TINY, study

from bakeoff import studyfile
from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.scale import versions
from bakeoff.study import load, load_workflow

SMALL: dict[str, Any] = {"seeds": [1], "recipes": {"default": {"epochs": 1, "warmup_epochs": 0}}}


def test_the_small_version_is_the_study_with_the_block_over_it() -> None:
    small = study(scale="small", small=SMALL, title="Tiny nets")
    recipe = TINY["recipes"]["default"] | {"epochs": 1, "warmup_epochs": 0}
    assert small == study(study="tiny-small", title="Tiny nets (small version)", seeds=[1], recipes={"default": recipe})


def test_the_full_version_knows_nothing_of_the_block() -> None:
    full = study(small=SMALL)
    assert full == study() == study(small=SMALL, scale="full")
    assert [cell.spec for cell in Grid(full).cells] == [cell.spec for cell in Grid(study()).cells]


def test_a_document_is_not_changed_by_reading_it(tmp_path: Path) -> None:
    path = studyfile.write({**TINY, "small": SMALL}, tmp_path / "study.json")
    full = load(path)
    assert load(path, "small") != full == load(path) == load(path, "full")
    assert versions(path) == ["full", "small"]


def test_snakemake_and_the_commands_mean_the_same(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = studyfile.write({**TINY, "small": SMALL}, tmp_path / "study.json")
    assert load_workflow([path], {"scale": "small"}, path) == load_workflow([], {"scale": "small"}, path)
    assert load_workflow([path], {"scale": "small"}, path) == load(path, "small")
    assert load_workflow([path], {}, path) == load(path)
    said = call("plan", str(path), "--scale", "small")
    assert said.status == 0
    assert said.out.startswith("Study tiny-small: 4 runs in 4 cells\n")


def test_the_command_line_wins_over_the_block(tmp_path: Path) -> None:
    path = studyfile.write({**TINY, "small": SMALL}, tmp_path / "study.json")
    given = {"scale": "small", "seeds": ["5", "6"], "recipes": {"default": {"lr": "0.2"}}, "models": ["tiny_vit"]}
    small = load_workflow([path], given, path)
    recipe = small.recipes["default"]
    assert (small.study, small.seeds, recipe.lr, recipe.epochs) == ("tiny-small", [5, 6], 0.2, 1)
    assert [entry.name for entry in small.models] == ["tiny_vit"]
    with pytest.raises(UserError, match=r"^--config: recipes.default.lr: "):
        load_workflow([path], {"scale": "small", "recipes": {"default": {"lr": "0"}}}, path)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"scale": "tiny"}, "scale: 'tiny' must be full or small"),
        ({"scale": "small"}, "scale: small: this study has no block `small:`"),
        ({"small": [1]}, "small: must be a mapping"),
        ({"small": {"modles": []}}, "small.modles: no such key; did you mean models"),
        ({"small": {"study": "x"}}, "small.study: no such key"),
        ({"small": {"models": ["lenet5"]}, "scale": "small"}, "models: small: must have the names of the full study: "),
        ({"small": {"datasets": ["digits", "mnist"]}, "scale": "small"}, "datasets: small: must be as many as in "),
        ({"small": {"recipes": {"b": {}}}, "scale": "small"}, "recipes: small: must have the names"),
        ({"small": {"recipes": {"default": {"epochs": 0}}}, "scale": "small"}, "recipes.default.epochs: 0 must be "),
    ],
)
def test_a_block_that_cannot_be_is_refused_in_a_line(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError) as caught:
        study(**changes)
    assert text in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_mistake_in_the_block_is_placed_there(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: x\ndatasets: [digits]\nmodels: [lenet5]\nsmall:\n  recipes:\n    default: {lr: 0}\n")
    assert load(path).recipes["default"].lr == 1e-3
    with pytest.raises(UserError, match=rf"^{path}:6: recipes.default.lr: 0 must be "):
        load(path, "small")
