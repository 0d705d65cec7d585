"""Runs made from others in the grid: which there are, what their settings hold, and what is wrong with a study's."""

from __future__ import annotations

from typing import Any

import pytest
from study_fixture import grid, study

from bakeoff.cells import Combined
from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.provenance import spec_digest

MODELS = ["lenet5", "tiny_cnn", "control/majority"]


def made(**changes: Any) -> Grid:
    return grid(**{"models": MODELS, "seeds": [0, 1], "augmentations": ["none"], **changes})


def named(of: Grid) -> dict[str, Combined]:
    return {cell.model: cell for cell in of.combined}


def test_a_study_that_asks_for_nothing_has_none() -> None:
    of = made()
    assert of.combined == []
    assert of.probes() == []
    assert of.every_cell == of.cells


def test_every_network_has_its_test_time_augmentation() -> None:
    of = made(probe={"tta": True})
    assert named(of).keys() == {"lenet5.tta", "tiny_cnn.tta"}
    cell = named(of)["lenet5.tta"]
    assert cell.seeds == (0, 1)
    assert cell.spec == spec_digest(cell.combine_spec)
    assert cell.combine_spec["probe"] == of.probe_digest
    (member,) = of.member_folders(cell, 1)
    assert member.parts[2:4] == ("digits", "lenet5")
    assert member.name == "seed1"
    assert of.member_files(cell, 1) == [member / "run.json", member / f"probe-{of.probe_digest}" / "probe.json"]
    assert len(of.probes()) == 4  # two networks, two seeds; a control method is none
    assert member / f"probe-{of.probe_digest}" / "probe.json" in of.probes()


def test_an_ensemble_of_models_has_the_seeds_they_share() -> None:
    ensembles = [{"name": "both", "models": ["lenet5", "control-majority"]}]
    of = made(ensembles=ensembles, exclude=[{"model": "lenet5", "seed": 0}])
    cell = named(of)["both"]
    assert cell.seeds == (1,)
    assert [folder.parts[3] for folder in of.member_folders(cell, 1)] == ["lenet5", "control-majority"]
    assert cell.combine_spec["probe"] is None


def test_an_ensemble_of_seeds_is_one_run() -> None:
    of = made(ensembles=[{"name": "five", "models": ["lenet5"], "over": "seeds", "method": "vote"}])
    cell = named(of)["five"]
    assert cell.seeds == (0,)
    assert [folder.name for folder in of.member_folders(cell, 0)] == ["seed0", "seed1"]
    assert cell.parts() == {"lenet5": (2, 2)}


def test_an_ensemble_whose_model_is_left_out_somewhere_is_not_there() -> None:
    ensembles = [{"name": "both", "models": ["lenet5", "tiny_cnn"]}]
    of = made(
        ensembles=ensembles, augmentations=["none", "standard"], exclude=[{"model": "lenet5", "augmentation": "none"}]
    )
    assert [cell.augmentation for cell in of.combined] == ["standard"]


def test_the_same_runs_by_another_method_are_other_runs() -> None:
    def spec(**changes: Any) -> str:
        return named(made(ensembles=[{"name": "both", "models": ["lenet5", "tiny_cnn"], **changes}]))["both"].spec

    assert len({spec(), spec(method="vote"), spec(over="seeds"), spec(models=["tiny_cnn", "lenet5"])}) == 4


def test_what_follows_takes_them_for_runs() -> None:
    of = made(probe={"tta": True}, ensembles=[{"name": "both", "models": ["lenet5", "tiny_cnn"]}])
    cells = {cell["model"]: cell for cell in of.compare_spec()["cells"]}
    assert {"lenet5.tta", "tiny_cnn.tta", "both"} < cells.keys()
    assert cells["both"]["train_code"] == of.combine_code(named(of)["both"])
    assert len(of.run_files(["metrics.json"])) == 2 * (3 + 3)
    cell = named(of)["both"]
    assert of.cell("digits", "both", cell.augmentation, cell.recipe, cell.spec) == cell
    (ref,) = cells["both"]["profiles"]
    spec = of.profiled("both", ref["spec"])
    assert [part["passes"] for part in spec["parts"]] == [1, 1]
    assert of.cost_files("both", ref["spec"]) == [
        *of.profile_paths("lenet5", "digits"),
        *of.profile_paths("tiny_cnn", "digits"),
    ]
    assert of.cost_run("both", ref["spec"]) == cell.run_dir(0) / "run.json"
    assert ref["code"] == of.profile_code("both") != of.profile_code("lenet5.tta")


@pytest.mark.parametrize(
    ("ensemble", "problem"),
    [
        (
            {"name": "lenet5", "models": ["lenet5", "tiny_cnn"]},
            "'lenet5' is a model of this study; give it another name",
        ),
        ({"name": "lenet5.tta", "models": ["lenet5", "tiny_cnn"]}, "'lenet5.tta' is a model of this study"),
        ({"name": "both", "models": ["lenet5", "lenet"]}, "'lenet' is no model of this study; did you mean lenet5?"),
        ({"name": "both", "models": ["lenet5"]}, "over: models needs at least two"),
        ({"name": "both", "models": ["lenet5", "lenet5"]}, "'lenet5' stands twice"),
        ({"name": "both", "models": []}, "is empty; give at least one"),
        ({"name": "../up", "models": ["lenet5", "tiny_cnn"]}, "ensembles[0].name"),
        ({"name": "both", "models": ["lenet5", "tiny_cnn"], "method": "sum"}, "must be 'mean', 'weighted' or 'vote'"),
    ],
)
def test_mistakes_are_named(ensemble: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError) as caught:
        study(models=MODELS, ensembles=[ensemble])
    assert problem in str(caught.value)
