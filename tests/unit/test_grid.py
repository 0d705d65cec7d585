"""The table of runs, and what each step's settings do and do not depend on: what decides which results are stale."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_fixture import TINY, grid

from bakeoff import datasets as datasets_module
from bakeoff.errors import UserError
from bakeoff.evaluate.metrics import METRICS
from bakeoff.grid import Grid
from bakeoff.provenance import canonical, parse_spec, spec_argument, spec_digest, write_record

RECIPE = TINY["recipes"]["default"]


def with_recipe(**changes: Any) -> dict[str, Any]:
    return {"recipes": {"default": {**RECIPE, **changes}}}


def runs(of: Grid) -> set[Path]:
    return {cell.run_dir(seed) for cell in of.cells for seed in cell.seeds}


def runs_of(of: Grid, **axes: str) -> set[Path]:
    cells = [cell for cell in of.cells if all(getattr(cell, axis) == value for axis, value in axes.items())]
    return {cell.run_dir(seed) for cell in cells for seed in cell.seeds}


# --- the table ---


def test_the_grid_is_the_product_in_the_order_of_the_file() -> None:
    found = grid(recipes={"b": {}, "a": {"lr": 0.5}})
    places = [(c.dataset, c.model, c.augmentation, c.recipe) for c in found.cells]
    assert places == list(product(["digits"], ["lenet5", "tiny_cnn"], ["none", "standard"], ["b", "a"]))
    assert {cell.seeds for cell in found.cells} == {(0, 1, 2)}
    assert found.n_runs == len(runs(found)) == 24


def test_the_report_is_told_the_order_of_the_file() -> None:
    order = grid(recipes={"b": {}, "a": {"lr": 0.5}}, models=["tiny_cnn", "lenet5"]).report_spec["order"]
    assert order == {
        "dataset": ["digits"],
        "model": ["tiny_cnn", "lenet5"],
        "augmentation": ["none", "standard"],
        "recipe": ["b", "a"],
    }


def test_excluded_runs_are_left_out() -> None:
    found = grid(
        exclude=[
            {"model": "lenet5", "augmentation": "standard"},
            {"model": "tiny_cnn", "seed": [0, 2]},
            {"augmentation": ["standard"], "seed": 1},
        ]
    )
    left = {(c.model, c.augmentation): c.seeds for c in found.cells}
    assert left == {("lenet5", "none"): (0, 1, 2), ("tiny_cnn", "none"): (1,)}
    assert found.n_runs == 4
    assert len(found.profiles()) == 2


def test_a_data_set_without_runs_is_not_prepared() -> None:
    found = grid(datasets=["digits", "fashion_mnist"], exclude=[{"dataset": "fashion_mnist"}])
    assert [folder.name.partition("-")[0] for folder in found.data_dirs()] == ["digits"]


def test_a_cell_is_found_by_its_place_and_no_other() -> None:
    found = grid()
    cell = found.cells[1]
    assert found.cell(cell.dataset, cell.model, cell.augmentation, cell.recipe, cell.spec) is cell
    with pytest.raises(UserError, match=r"study tiny: has no runs at digits/lenet5/none/default-000000000000"):
        found.cell("digits", "lenet5", "none", "default", "0" * 12)
    (path,) = found.profile_paths("lenet5", "digits")
    spec = path.stem.rpartition("-")[2]
    assert [found.profiled("lenet5", spec)] == found.profile_specs("lenet5", "digits")
    with pytest.raises(UserError, match="study tiny: has no profile tiny_cnn-"):
        found.profiled("tiny_cnn", spec)


# --- what a step depends on ---


def specs(of: Grid) -> dict[str, Any]:
    cell = of.cells[0]
    return {
        "data": of.data_spec("digits"),
        "train": of.train_spec(cell),
        "profile": {"all": of.profile_specs("lenet5", "digits")},
        "evaluate": of.evaluate_spec,
        "compare": of.compare_spec(),
        "report": of.report_spec,
    }


@pytest.mark.parametrize(
    ("changes", "stale"),
    [
        pytest.param(with_recipe(lr=0.2), {"train", "compare"}, id="learning rate"),
        pytest.param(with_recipe(lr=0.01, weight_decay=0.1), {"train", "compare"}, id="two values swapped"),
        pytest.param({"device": "cpu"}, {"train", "compare"}, id="device"),
        pytest.param({"threads": 2}, {"train", "compare"}, id="threads"),
        pytest.param(
            {"datasets": [{"name": "digits", "val_fraction": 0.2}]}, {"data", "train", "compare"}, id="validation share"
        ),
        pytest.param(
            {"datasets": [{"name": "digits", "image_size": 16}]},
            {"data", "train", "profile", "compare"},
            id="image size",
        ),
        pytest.param({"datasets": [{"name": "digits", "image_size": 8}]}, set(), id="default said"),
        pytest.param({"profile": {"min_calls": 3}}, {"profile", "compare"}, id="calls of the profile"),
        pytest.param({"profile": {"threads": [2]}}, {"profile", "compare"}, id="threads of the profile"),
        pytest.param({"profile": {"threads": [1], "devices": ["auto"]}}, set(), id="default condition said"),
        pytest.param(with_recipe(batch_size=32), {"train", "profile", "compare"}, id="batch of the training step"),
        pytest.param({"evaluate": {"metrics": ["accuracy"]}}, {"evaluate", "compare"}, id="metrics"),
        pytest.param({"evaluate": {"metrics": [*METRICS][::-1]}}, set(), id="order of the metrics"),
        pytest.param({"compare": {"alpha": [0.1]}}, {"compare"}, id="alpha"),
        pytest.param({"compare": {"correction": "bh"}}, {"compare"}, id="correction"),
        pytest.param({"comparisons": [{"baseline": "tiny_cnn"}]}, {"compare"}, id="baseline"),
        pytest.param({"comparisons": [{"baseline": "lenet5"}]}, set(), id="default question asked"),
        pytest.param({"requirements": ["accuracy >= 0.9", "size_mb < 100"]}, {"compare"}, id="requirements"),
        pytest.param({"title": "Other"}, {"report"}, id="title"),
        pytest.param({"report": {"labels": {"lenet5": "LeNet-5"}}}, {"report"}, id="labels"),
        pytest.param({"seeds": [0, 1, 2, 3]}, {"compare"}, id="another seed"),
        pytest.param({"models": ["lenet5", "tiny_cnn", "tiny_vit"]}, {"compare", "report"}, id="another model"),
        pytest.param({"data_root": "/elsewhere"}, set(), id="place of the data"),
        pytest.param({"study": "other"}, {"compare", "report"}, id="name of the study"),
    ],
)
def test_a_changed_key_changes_the_settings_of_the_steps_that_depend_on_it(
    changes: dict[str, Any], stale: set[str]
) -> None:
    before, after = specs(grid()), specs(grid(**changes))
    assert {step for step in before if canonical(before[step]) != canonical(after[step])} == stale


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [5, 0, 1, 2]},
        {"models": ["tiny_vit", "lenet5", "tiny_cnn"]},
        {"augmentations": ["standard", "none", {"name": "wide", "policy": "standard", "padding": 0.25}]},
        {"recipes": {"other": {"lr": 9}, "default": RECIPE}},
        {"datasets": ["digits", "fashion_mnist"]},
    ],
)
def test_what_is_added_moves_no_other_run(changes: dict[str, Any]) -> None:
    before, after = grid(), grid(**changes)
    assert runs(before) < runs(after)
    assert set(before.profiles()) <= set(after.profiles())
    assert set(before.data_dirs()) <= set(after.data_dirs())


def test_an_option_moves_the_runs_of_its_own_model_only() -> None:
    before, after = grid(), grid(models=["lenet5", {"name": "tiny_cnn", "width": 24}])
    assert runs_of(before, model="lenet5") == runs_of(after, model="lenet5")
    assert not runs_of(before, model="tiny_cnn") & runs_of(after, model="tiny_cnn")


def test_a_reverted_setting_is_found_again() -> None:
    assert runs(grid()) == runs(grid(**with_recipe()))
    assert not runs(grid()) & runs(grid(**with_recipe(lr=0.2)))


def test_no_two_cells_share_a_folder() -> None:
    twins = [{"name": "a", "builder": "lenet5"}, {"name": "b", "builder": "lenet5"}]
    found = grid(models=twins, augmentations=["none", {"name": "same", "policy": "none"}], recipes={"x": {}, "y": {}})
    folders = [cell.run_dir(0).parent for cell in found.cells]
    assert len(set(folders)) == len(folders) == 8
    assert len(found.profiles()) == 2
    # Initial weights are drawn by the model's name; the names of an augmentation and a recipe draw nothing.
    assert len({cell.spec for cell in found.cells}) == 2


def test_data_sets_of_one_shape_share_a_profile() -> None:
    same = [{"name": "a", "source": "digits"}, {"name": "b", "source": "digits", "val_fraction": 0.3}]
    assert len(grid(datasets=same, models=["lenet5"]).profiles()) == 1
    other = [*same, {"name": "c", "source": "digits", "image_size": 16}]
    assert len(grid(datasets=other, models=["lenet5"]).profiles()) == 2


def test_each_condition_has_a_profile_of_its_own() -> None:
    one, more = grid(), grid(profile={"devices": ["auto", "cuda"], "precisions": ["fp32", "bf16"]})
    found = more.profile_specs("lenet5", "digits")
    assert [(spec["device"], spec["precision"]) for spec in found] == [
        ("auto", "fp32"), ("auto", "bf16"), ("cuda", "fp32"), ("cuda", "bf16"),
    ]  # fmt: skip
    paths = more.profile_paths("lenet5", "digits")
    assert len(set(paths)) == 4
    assert paths[0] == one.profile_paths("lenet5", "digits")[0]
    assert set(one.profiles()) < set(more.profiles())
    assert len(more.profiles()) == 8
    assert [more.profiled("lenet5", path.stem.rpartition("-")[2]) for path in paths] == found


def test_the_comparison_has_the_conditions_in_the_order_of_the_file() -> None:
    there = grid(profile={"devices": ["cuda", "cpu"], "threads": [2, 1]})
    back = grid(profile={"devices": ["cpu", "cuda"], "threads": [1, 2]})
    for found, labels in (
        (there, ["GPU", "CPU, 2 threads", "CPU, 1 thread"]),
        (back, ["CPU, 1 thread", "CPU, 2 threads", "GPU"]),
    ):
        for cell in found.compare_spec()["cells"]:
            assert [profile["condition"] for profile in cell["profiles"]] == labels
            names = [path.stem for path in found.profile_paths(cell["model"], cell["dataset"])]
            assert [profile["name"] for profile in cell["profiles"]] == names
    of_cpu = [spec for spec in there.profile_specs("lenet5", "digits") if spec["device"] == "cpu"]
    assert all(spec in back.profile_specs("lenet5", "digits") for spec in of_cpu)


def test_a_step_of_training_is_measured_where_it_can_be_run() -> None:
    recipes = {
        "small": {"batch_size": 16},
        "large": {"batch_size": 64, "optimizer": "sgd"},
        "unused": {"batch_size": 512},
    }
    found = grid(
        recipes=recipes,
        exclude=[{"recipe": "unused"}],
        profile={"devices": ["cpu"], "backends": ["eager", "onnxruntime"]},
    )
    eager, onnx = (spec["training"] for spec in found.profile_specs("lenet5", "digits"))
    assert eager["batch_size"] == 64
    assert onnx is None


# --- a profile that found no GPU ---


def profile_of(found: Grid, failure: str | None, device: str = "cuda", attempt: int = 0) -> tuple[str, Path]:
    """A record at the path of the profile on this device, and that profile's spec."""
    specs = found.profile_specs("lenet5", "digits")
    place = next(i for i, spec in enumerate(specs) if spec["device"] == device)
    path = found.profile_paths("lenet5", "digits")[place]
    body = {"attempt": attempt, "failure": failure}
    write_record(path, "profile", specs[place], found.profile_code("lenet5"), body)
    return path.stem.rpartition("-")[2], path


@pytest.mark.parametrize(
    ("failure", "device", "attempt", "has_gpu", "wanted"),
    [
        pytest.param("no GPU", "cuda", 0, True, 1, id="a GPU came"),
        pytest.param("no GPU", "cuda", 1, True, 2, id="a GPU came again"),
        pytest.param("no GPU", "cuda", 0, False, 0, id="still none"),
        pytest.param("no GPU", "cuda", 2, False, 2, id="still none after two attempts"),
        pytest.param(None, "cuda", 0, True, 0, id="measured"),
        pytest.param(None, "cuda", 1, True, 1, id="measured at the second attempt"),
        pytest.param(None, "cuda", 1, False, 1, id="measured elsewhere"),
        pytest.param("no memory", "cuda", 0, True, 0, id="failed for another reason"),
        pytest.param("no GPU", "cpu", 0, True, 0, id="of a CPU"),
    ],
)
def test_only_a_profile_that_found_no_gpu_has_another_attempt(
    failure: str | None,
    device: str,
    attempt: int,
    has_gpu: bool,
    wanted: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bakeoff.device.machine_has_gpu", lambda: has_gpu)
    found = grid(profile={"devices": ["cpu", "cuda"]})
    spec, _ = profile_of(found, failure, device, attempt)
    assert found.profile_attempt("lenet5", spec) == wanted


def test_a_profile_that_is_not_there_or_no_record_is_at_its_first_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bakeoff.device.machine_has_gpu", lambda: True)
    found = grid(profile={"devices": ["cuda"]})
    spec, path = profile_of(found, "no GPU")
    path.write_text(path.read_text().replace("no GPU", "other"))
    assert found.profile_attempt("lenet5", spec) == 0
    path.unlink()
    assert found.profile_attempt("lenet5", spec) == 0


# --- studies and comparisons ---


def test_studies_that_share_runs_share_them() -> None:
    one = grid(study="one", models=["lenet5"], seeds=[1, 2])
    other = grid(study="other", models=["tiny_vit", "lenet5"], seeds=[2, 3])
    assert len(runs(one) & runs(other)) == 2


def test_the_comparison_is_told_which_digests_to_expect() -> None:
    found = grid()
    spec = found.compare_spec(partial=True)
    assert spec["partial"] is True
    assert [cell["spec"] for cell in spec["cells"]] == [spec_digest(found.train_spec(cell)) for cell in found.cells]
    assert {cell["evaluate_spec"] for cell in spec["cells"]} == {spec_digest(found.evaluate_spec)}
    for cell in spec["cells"]:
        (profile,), (wanted,) = cell["profiles"], found.profile_specs(cell["model"], "digits")
        assert profile["name"] == f"{cell['model']}-{profile['spec']}"
        assert profile["spec"] == spec_digest(wanted)
        assert (profile["code"], profile["condition"]) == (found.profile_code(cell["model"]), "auto, 1 thread")


def test_code_is_that_of_the_plug_ins_used() -> None:
    found = grid()
    by_place = {(cell.model, cell.augmentation): found.train_code(cell) for cell in found.cells}
    assert len(set(by_place.values())) == 4
    assert found.profile_code("lenet5") != found.profile_code("tiny_cnn")


_order = st.permutations(["lenet5", "tiny_cnn", "tiny_vit"]), st.permutations([0, 1, 2, 7]), st.permutations(["a", "b"])


@settings(deadline=None)
@given(*_order)
def test_the_order_in_the_file_moves_nothing(models: list[str], seeds: list[int], recipes: list[str]) -> None:
    def of(models: list[str], seeds: list[int], recipes: list[str]) -> Grid:
        return grid(models=models, seeds=seeds, recipes={name: {"lr": {"a": 1, "b": 2}[name]} for name in recipes})

    straight, shuffled = of(["lenet5", "tiny_cnn", "tiny_vit"], [0, 1, 2, 7], ["a", "b"]), of(models, seeds, recipes)
    assert runs(straight) == runs(shuffled)
    assert straight.profiles() == shuffled.profiles()


# --- digests and the command line ---


def test_two_settings_of_one_digest_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets_module, "spec_digest", lambda spec: "0" * 12)
    with pytest.raises(UserError, match="two settings of this study have the same digest 000000000000"):
        _ = grid().cells


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _json, max_size=3))
def test_settings_survive_the_command_line(spec: dict[str, Any]) -> None:
    assert parse_spec(spec_argument(spec)) == spec


@pytest.mark.parametrize("make", [Grid.compare_spec, lambda of: of.report_spec, lambda of: of.train_spec(of.cells[0])])
def test_a_steps_settings_survive_the_command_line(make: Callable[[Grid], dict[str, Any]]) -> None:
    spec = make(grid())
    assert canonical(parse_spec(spec_argument(spec))) == canonical(spec)


def test_a_very_large_study_fits_one_argument() -> None:
    models = [{"name": f"m{i}", "builder": "lenet5"} for i in range(250)]
    spec = grid(models=models, seeds=list(range(20))).compare_spec()
    argument = spec_argument(spec)
    assert len(canonical(spec)) > 128 * 1024 > len(argument.encode())
    assert canonical(parse_spec(argument)) == canonical(spec)


def test_weights_after_each_epoch_are_no_setting_and_no_storage_carries_them() -> None:
    every = grid(train={"keep": "all"})
    assert runs(every) == runs(grid())
    grid().check_carried()
    with pytest.raises(UserError, match=r"set train\.keep to best"):
        every.check_carried()
