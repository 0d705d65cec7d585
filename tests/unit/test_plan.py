"""`bakeoff plan`: what is to do, and why, from the records that are there."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from study_fixture import TINY, bakeoff, grid

from bakeoff import studyfile
from bakeoff.commands.plan import make
from bakeoff.grid import Cell, Grid
from bakeoff.plan import examine
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


def write_run(of: Grid, cell: Cell, seed: int, **facts: Any) -> Path:
    folder = cell.run_dir(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.npz").write_text("predictions")
    record = folder / "run.json"
    body = {"train_seconds": 1.5, **facts}
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
    """Of the runs and profiles."""
    return [item.reason for item in examine(of) if item.step in ("train", "profile")]


def test_everything_is_new_at_first() -> None:
    found = examine(grid())
    assert Counter((item.step, item.reason) for item in found) == {
        ("prepare", "new"): 1,
        ("audit", "its images are to do"): 1,
        ("samples", "its images are to do"): 1,
        ("train", "new"): 12,
        ("profile", "new"): 2,
        ("evaluate", "its run is to do"): 12,
        ("compare", "what it compares is to do"): 1,
        ("report", "its comparison is to do"): 1,
    }
    assert found[2].name == "digits/lenet5/none/default seed 0"


def test_what_is_done_is_cached() -> None:
    write_all(small())
    assert reasons(small()) == [None, None, None]
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


def test_what_comes_after_a_run_waits_for_it_and_follows_it() -> None:
    def after(of: Grid) -> list[tuple[str, str | None]]:
        return [(item.step, item.reason) for item in examine(of) if item.step in ("evaluate", "compare")]

    of = small()
    records = write_all(of)
    assert after(of) == [("evaluate", "new")] * 2 + [("compare", "what it compares is to do")]
    for record in records:
        body = {"run_digest": json.loads(record.read_text())["record_digest"]}
        write_record(record.parent / "metrics.json", "metrics", of.evaluate_spec, of.evaluate_code, body)
    assert after(of) == [("evaluate", None)] * 2 + [("compare", "what it compares is to do")]  # no data are there
    assert after(small(evaluate={"worst": 10}))[0] == ("evaluate", "settings changed")
    write_run(of, of.cells[0], 0, train_seconds=9.0)
    assert after(of)[0] == ("evaluate", "its run was made again")
    records[1].unlink()
    assert after(of)[1] == ("evaluate", "its run is to do")


def test_probes_and_ensembles_are_counted() -> None:
    deep = grid(
        augmentations=["none"], probe={"tta": True}, ensembles=[{"name": "both", "models": ["lenet5", "tiny_cnn"]}]
    )
    steps = Counter(item.step for item in examine(deep))
    assert steps == Counter(
        prepare=1, audit=1, train=6, profile=5, probe=6, combine=9, evaluate=15, compare=1, samples=1, report=1
    )
    assert {i.reason for i in examine(deep) if i.step in ("combine", "evaluate")} == {
        "its runs are to do",
        "its run is to do",
    }


def test_verifications_follow_their_probes() -> None:
    asked = grid(augmentations=["none"], probe={"embeddings": True}, evaluate={"verification": True})
    found = [item for item in examine(asked) if item.step == "verification"]
    assert [item.path for item in found] == asked.verifications()
    assert {item.reason for item in found} == {"its probe is to do"}


def test_a_search_is_counted_for_each_cell() -> None:
    tuned = with_recipe(tuning={"trials": 4})
    assert [(item.name, item.reason) for item in examine(tuned) if item.step == "tune"] == [
        ("digits/lenet5/none/default", "new")
    ]


def test_the_command_prints_it(tmp_path: Path) -> None:
    write_all(small())
    changed = {**TINY, **SMALL, "recipes": {"default": {**RECIPE, "lr": 0.01}}}
    path = studyfile.write(changed, tmp_path / "study.yaml")
    run = bakeoff("plan", str(path), cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "train            0       2" in run.stdout
    assert "   2 because settings changed: recipe.lr 0.1 -> 0.01" in run.stdout


def test_a_long_plan_is_cut() -> None:
    text = make(small(seeds=list(range(50)))).describe()
    assert "    50 because new\n         digits/lenet5/none/default seed 0\n" in text
    assert "\n         digits/lenet5/none/default seed 19\n         ... and 30 more\nprofile:" in text
    assert "because its run" not in text  # what only follows from it


def test_when_all_is_done_it_says_so() -> None:
    made = make(small())
    done = replace(made, items=[replace(item, reason=None) for item in made.items], costs=[])
    assert "Nothing to do.\nDisk: " in done.describe()
