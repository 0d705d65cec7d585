"""`bakeoff plan`: what is to do, and why, from the records that are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from study_fixture import TINY, bakeoff, grid

from bakeoff import studyfile
from bakeoff.grid import Cell, Grid
from bakeoff.plan import Item, describe, examine
from bakeoff.provenance import write_record

SMALL: dict[str, Any] = {"models": ["lenet5"], "augmentations": ["none"], "seeds": [0, 1]}
RECIPE = TINY["recipes"]["default"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def small(**changes: Any) -> Grid:
    return grid(**{**SMALL, **changes})


def with_recipe(**changes: Any) -> Grid:
    return small(recipes={"default": {**RECIPE, **changes}})


def write_run(of: Grid, cell: Cell, seed: int) -> Path:
    folder = cell.run_dir(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.npz").write_text("predictions")
    record = folder / "run.json"
    body = {"train_seconds": 1.5}
    write_record(record, "run", of.train_spec(cell), of.train_code(cell), body, [folder / "predictions.npz"])
    return record


def write_all(of: Grid) -> list[Path]:
    records = [write_run(of, cell, seed) for cell in of.cells for seed in cell.seeds]
    for cell in of.cells:
        paths, specs = of.profile_paths(cell.model, cell.dataset), of.profile_specs(cell.model, cell.dataset)
        for path, spec in zip(paths, specs, strict=True):
            write_record(path, "profile", spec, of.profile_code(cell.model), {})
    return records


def reasons(of: Grid) -> list[str | None]:
    return [item.reason for item in examine(of)]


def test_everything_is_new_at_first() -> None:
    found = examine(grid())
    assert {item.reason for item in found} == {"new"}
    assert [item.step for item in found] == ["train"] * 12 + ["profile"] * 2
    assert found[0].name == "digits/lenet5/none/default seed 0"


def test_what_is_done_is_cached() -> None:
    write_all(small())
    found = examine(small())
    assert [item.reason for item in found] == [None, None, None]
    assert [item.train_seconds for item in found] == [1.5, 1.5, None]
    assert reasons(small(seeds=[0, 1, 2])) == [None, None, "new", None]


def test_a_condition_more_is_a_profile_more() -> None:
    write_all(small())
    assert reasons(small(profile={"devices": ["auto", "cuda"]})) == [None, None, None, "new"]


def test_labels_and_statistics_leave_it_cached() -> None:
    write_all(small())
    assert reasons(small(title="Other", compare={"alpha": [0.1]}, report={"labels": {"lenet5": "X"}})) == [None] * 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lr": 0.01}, "settings changed: recipe.lr 0.1 -> 0.01"),
        ({"lr": 0.01, "weight_decay": 0.1}, "settings changed: recipe.lr 0.1 -> 0.01, recipe.weight_decay 0.01 -> 0.1"),
        ({"train_images": 100}, "settings changed: recipe.train_images all -> 100"),
    ],
)
def test_a_changed_setting_is_named_with_both_values(changes: dict[str, Any], said: str) -> None:
    write_all(small())
    assert reasons(with_recipe(**changes)) == [said, said, None]


def test_the_most_similar_earlier_run_is_the_one_to_name() -> None:
    for lr, epochs in ((0.5, 9), (0.2, 2), (0.3, 8)):
        write_all(with_recipe(lr=lr, epochs=epochs))
    assert reasons(with_recipe(lr=0.4))[0] == "settings changed: recipe.lr 0.2 -> 0.4"


def test_a_strangers_record_is_no_earlier_run() -> None:
    for i, text in enumerate(("", "[1]", '{"spec": {}}')):
        path = small().cells[0].run_dir(0).parent.with_name(f"default-{i:012}") / "seed0" / "run.json"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert reasons(small(seeds=[0]))[0] == "new"


def test_changed_code_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(small())
    monkeypatch.setattr("bakeoff.stages.train", lambda builder, policy: "0" * 16)
    assert reasons(small()) == ["code or package versions changed"] * 2 + [None]


def test_an_edited_record_is_told() -> None:
    first, _ = write_all(small())
    first.write_text(json.dumps({**json.loads(first.read_text()), "train_seconds": 0}))
    assert reasons(small()) == ["was changed after it was written; delete it to have it made anew", None, None]


def test_a_lost_file_is_told() -> None:
    first, _ = write_all(small())
    (first.parent / "predictions.npz").unlink()
    assert reasons(small()) == ["predictions.npz is missing", None, None]


def test_the_text_counts_and_names() -> None:
    write_all(small())
    items = examine(small(seeds=[0, 1, 2, 3]))
    text = describe(small(seeds=[0, 1, 2, 3]), items)
    assert "Study tiny: 4 runs in 1 cells, 1 profiles" in text
    assert "runs: 2 cached, 2 to do" in text
    assert "   2 because new" in text
    assert "    digits/lenet5/none/default seed 3: new" in text
    assert "profiles: 1 cached, 0 to do" in text


def test_a_long_plan_is_cut() -> None:
    items = [Item("train", f"run {i}", "new") for i in range(50)]
    text = describe(small(), items)
    assert text.count(": new") == 20
    assert "... and 30 more" in text


def test_the_command_prints_it(tmp_path: Path) -> None:
    write_all(small())
    changed = {**TINY, **SMALL, "recipes": {"default": {**RECIPE, "lr": 0.01}}}
    path = studyfile.write(changed, tmp_path / "study.yaml")
    run = bakeoff("plan", str(path), cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "runs: 0 cached, 2 to do" in run.stdout
    assert "   2 because settings changed: recipe.lr 0.1 -> 0.01" in run.stdout
