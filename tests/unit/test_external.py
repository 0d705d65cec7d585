"""Predictions made elsewhere: a file of any form becomes a run, or one line says what is wrong with it."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import study_fixture
from grid_fixture import grid as scores_grid
from tiny import CODE, DIGITS

from bakeoff.compare import grid as compare_grid
from bakeoff.compare import paired, resampling
from bakeoff.compare.spec import Comparison, Elsewhere
from bakeoff.errors import UserError
from bakeoff.evaluate import step as evaluate
from bakeoff.evaluate.predictions import ANSWERS_ONLY
from bakeoff.external import costs, step
from bakeoff.external.answers import Images, of_classes
from bakeoff.provenance import read_record, sha256
from bakeoff.score import classification

NAMES = {"dataset": "digits", "model": "theirs", "augmentation": "none", "recipe": "default", "seed": 1000}
NO_VALIDATION = "there are no validation predictions to fit a temperature on"
SPEC = {"model": "theirs", "dataset": DIGITS}
Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def theirs(digits: Path) -> Arrays:
    """Predictions of the test images, which no model made: the rows of their file."""
    ids, labels = (np.load(digits / f"test_{field}.npy") for field in ("ids", "labels"))
    logits = np.random.default_rng(0).normal(0, 3, (len(ids), 10)).astype(np.float32)
    return {"example_id": ids, "y_true": labels, "logits": logits}


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **arrays)
    return file.getvalue()


def csv(**arrays: Any) -> bytes:
    columns = {}
    for name, values in arrays.items():
        several = np.asarray(values).reshape(len(values), -1).T
        names = [name] if np.ndim(values) == 1 else [f"{name}_{i}" for i in range(len(several))]
        columns |= dict(zip(names, several.tolist(), strict=True))
    lines = [",".join(columns), *(",".join(map(repr, row)) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines).encode()


def parquet(**arrays: Any) -> bytes:
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    data: bytes = pandas.read_csv(io.BytesIO(csv(**arrays)), float_precision="round_trip").to_parquet()
    return data


def made(content: bytes, name: str, digits: Path, folder: Path) -> Path:
    file = folder / name
    file.write_bytes(content)
    return step.run(SPEC, NAMES, file, digits, folder / "run", CODE).parent


def shuffled(arrays: Arrays) -> Arrays:
    order = np.random.default_rng(1).permutation(len(arrays["example_id"]))
    return {name: values[order] for name, values in arrays.items()}


def by_id(arrays: Arrays) -> Arrays:
    order = np.argsort(arrays["example_id"])
    return {name: values[order] for name, values in arrays.items() if name != "example_id"}


def probabilities(arrays: Arrays) -> Arrays:
    logits = arrays["logits"].astype(np.float64)
    proba = np.exp(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    return {"example_id": arrays["example_id"], "probabilities": proba}


@pytest.mark.parametrize(
    ("write", "change"),
    [(npz, shuffled), (csv, shuffled), (parquet, shuffled), (csv, by_id), (npz, by_id), (csv, probabilities)],
)
def test_a_file_of_any_form_is_a_run(
    write: Callable[..., bytes], change: Callable[[Arrays], Arrays], theirs: Arrays, digits: Path, tmp_path: Path
) -> None:
    run = made(write(**change(theirs)), "seed0.file", digits, tmp_path)
    with np.load(run / "predictions.npz") as found:
        assert np.array_equal(found["example_id"], theirs["example_id"])
        assert np.array_equal(found["y_true"], theirs["y_true"])
        softmax = [np.exp(x - np.log(np.exp(x).sum(1, keepdims=True))) for x in (found["logits"], theirs["logits"])]
        assert np.allclose(*softmax, rtol=1e-5, atol=1e-7)
        if change is not probabilities:
            assert found["logits"].dtype == np.float32
            assert np.array_equal(found["logits"], theirs["logits"])
    record = read_record(run / "run.json", "run")
    assert record["external"]["sha256"] == sha256(tmp_path / "seed0.file")
    assert record["status"] == "done"
    assert {record[key] for key in ("train_seconds", "n_train", "n_val", "images_trained", "device")} == {None}
    evaluate.run({}, run, CODE)
    metrics = read_record(run / "metrics.json", "metrics")["metrics"]
    assert {name for name, value in metrics.items() if value["value"] is None} == {
        "overfitting_gap", "ece_calibrated", "log_loss_calibrated",
    }  # fmt: skip


def answers(arrays: Arrays) -> Arrays:
    return {"example_id": arrays["example_id"], "y_pred": arrays["logits"].argmax(axis=1)}


@pytest.mark.parametrize("write", [npz, csv])
def test_of_answers_alone_all_that_answers_tell_is_there_and_nothing_else(
    write: Callable[..., bytes], theirs: Arrays, digits: Path, tmp_path: Path
) -> None:
    records = {}
    for kind, arrays in {"scores": theirs, "answers": answers(shuffled(theirs))}.items():
        (tmp_path / kind).mkdir()
        run = made(write(**arrays), "seed0.file", digits, tmp_path / kind)
        evaluate.run({}, run, CODE)
        records[kind] = read_record(run / "metrics.json", "metrics")
    scores, alone = records["scores"], records["answers"]
    known = {name: value for name, value in alone["metrics"].items() if value["value"] is not None}
    assert set(known) == set(classification.OF_ANSWERS)
    assert known == {name: scores["metrics"][name] for name in known}
    reasons = {value["why_null"] for name, value in alone["metrics"].items() if name not in known}
    assert reasons == {ANSWERS_ONLY, "the history of the training is not known", NO_VALIDATION}
    assert alone["confusion"] == scores["confusion"]
    assert alone["calibration"]["bins"] == []
    assert alone["calibration"]["why_null"] == ANSWERS_ONLY
    assert {row["auroc"] for row in alone["per_class"]} == {None}
    assert [row["recall"] for row in alone["per_class"]] == [row["recall"] for row in scores["per_class"]]
    assert {row["confidence"] for row in alone["worst"]} == {None}


def test_answers_may_be_names_of_classes(theirs: Arrays) -> None:
    named = {"example_id": theirs["example_id"], "y_pred": np.array(["cat", "dog"])[theirs["y_true"] % 2]}
    images = Images("pets", theirs["example_id"], theirs["y_true"] % 2)
    said = of_classes(npz(**named), "theirs.npz", images, ["cat", "dog"])
    assert np.array_equal(said.arrays["logits"].argmax(axis=1), images.truth)


def edited(name: str, row: int, value: Any) -> Callable[[Arrays], Arrays]:
    def change(arrays: Arrays) -> Arrays:
        values = np.array(arrays[name], dtype=np.float64)
        values[row] = value
        return {**arrays, name: values}

    return change


def without(*names: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {name: values for name, values in arrays.items() if name not in names}


def numbered_from_0(arrays: Arrays) -> Arrays:
    return {**arrays, "example_id": np.arange(len(arrays["logits"]))}


class _Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("pwned",))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: {name: values[1:] for name, values in a.items()}, r"example_id: lacks 1 of the 449 test images of"),
        (lambda a: edited("example_id", 5, a["example_id"][2])(a), r"row 6: example_id: '\d+\.0' is there already"),
        (edited("example_id", 4, 99999), r"row 5: example_id: '99999.0' is no test image of digits"),
        (edited("example_id", 4, 0.5), r"row 5: example_id: '0.5' is no whole number"),
        (numbered_from_0, r"is no test image of digits.*rows in the order of the test set may go without this column"),
        (lambda a: edited("y_true", 2, (a["y_true"][2] + 1) % 10)(a), r"row 3: y_true: .* is not the class that"),
        (edited("y_true", 2, 11), r"row 3: y_true: '11.0' is no class of 0 to 9"),
        (edited("logits", 7, np.nan), r"row 8: logits_0: 'nan' is no finite number"),
        (lambda a: {**a, "logits": a["logits"][:, 1:]}, r"has 9 classes, and digits has 10: 0, 1, 2"),
        (lambda a: edited("probabilities", 3, 0.2)(probabilities(a)), r"row 4: probabilities: they do not sum to 1"),
        (without("logits"), r"needs logits or probabilities of each class, or else y_pred"),
        (lambda a: {**without("logits")(a), "y_pred": a["y_true"] + 1}, r"row \d+: y_pred: '10' is no class of 0 to 9"),
        (
            lambda a: {**without("logits")(a), "y_pred": np.char.add("no", a["y_true"].astype(str))},
            r"row 1: y_pred: 'no\d' is no class of digits \(0, 1, 2",
        ),
        (without("example_id", "y_true"), r"needs example_id, or y_true with rows in the order"),
        (lambda a: {name: values[1:] for name, values in by_id(a).items()}, r"has 448 rows and no example_id"),
        (without("example_id"), r"row \d+: y_true: .* is not the class that digits has"),
        (lambda a: {**a, "logits": np.array([_Hostile()] * 449)}, r"holds Python objects, which are never loaded"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_file_and_row(
    change: Callable[[Arrays], Arrays],
    said: str,
    theirs: Arrays,
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said) as error:
        made(npz(**change(theirs)), "given.npz", digits, tmp_path)
    assert re.match(r"\S*given\.npz: ", str(error.value))
    assert "\n" not in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {"given.npz"}


def test_a_file_that_is_too_large_is_not_read(digits: Path, tmp_path: Path) -> None:
    with (tmp_path / "given.csv").open("wb") as file:
        file.truncate(1_000_000_001)  # a hole: no disk is used
    with pytest.raises(UserError, match=r"given\.csv: has more than 1,000,000,000 bytes"):
        step.run(SPEC, NAMES, tmp_path / "given.csv", digits, tmp_path / "run", CODE)


# --- in a study


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two files of predictions."""
    folder = tmp_path / "work"
    (folder / "given").mkdir(parents=True)
    for name in ("a.csv", "b.csv"):
        (folder / "given" / name).write_text("example_id\n")
    (folder / "results").mkdir()
    (folder / "results/own.npz").write_text("")
    (tmp_path / "secret.csv").write_text("")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    monkeypatch.chdir(folder)
    return folder


GIVEN = {"dataset": "digits", "predictions": ["given/a.csv", "./given/b.csv"]}


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("lenet5", {}, "external.lenet5: is the name of another row of this study"),
        ("Theirs", {}, "is no name"),
        ("theirs", {"dataset": "cifar10"}, "external.theirs.dataset: 'cifar10' is no data set of this study"),
        ("theirs", {"predictions": ["../secret.csv"]}, "predictions[0]: '../secret.csv' must stand in the folder that"),
        ("theirs", {"predictions": ["/etc/passwd"]}, "must stand in the folder that the study runs in"),
        ("theirs", {"predictions": ["link.csv"]}, "must stand in the folder that the study runs in"),
        ("theirs", {"predictions": ["results/own.npz"]}, "is a result of bakeoff"),
        ("theirs", {"predictions": ["given/c.csv"]}, "predictions[0]: 'given/c.csv' there is no such file in"),
        ("theirs", {"predictions": ["given/a.csv", "./given/a.csv"]}, "predictions[1]: 'given/a.csv' stands twice"),
        ("theirs", {"paired": True, "predictions": ["given/a.csv"] * 4}, "4 files have no seeds to pair with"),
        ("theirs", {"costs": {"latency_ms": 1.0}}, "say nothing without measured_on"),
        ("theirs", {"weights": "theirs.pt"}, "no such key"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_study_is_one_line(here: Path, name: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        study_fixture.study(external={name: {**GIVEN, **changes}})
    assert said in str(error.value)


def test_they_stand_beside_all_of_ours_and_nothing_pairs_them(here: Path) -> None:
    given = {"theirs": {**GIVEN, "label": "Theirs"}, "vendor": GIVEN, "rerun": {**GIVEN, "paired": True}}
    grid = study_fixture.grid(external=given, comparisons=[{"factor": "model", "baseline": "theirs"}])
    plain = study_fixture.grid()
    assert [cell.spec for cell in grid.cells] == [cell.spec for cell in plain.cells]  # nothing is trained for it
    seeds = {cell.model: cell.seeds for cell in grid.external}
    assert seeds == {"theirs": (1000, 1001), "vendor": (2000, 2001), "rerun": (0, 1)}
    assert {(cell.augmentation, cell.recipe) for cell in grid.external} == {
        ("none", "default"),
        ("standard", "default"),
    }
    assert grid.external[0].files == {1000: "given/a.csv", 1001: "given/b.csv"}
    assert grid.report_spec["labels"] == {"theirs": "Theirs"}
    assert len(set(grid.profiles()) - set(plain.profiles())) == 3
    json.dumps(grid.compare_spec())
    with pytest.raises(UserError, match="stand in this folder, not in the storage"):
        grid.check_carried()


def test_they_are_no_level_of_an_augmentation_or_recipe() -> None:
    questions, _ = scores_grid(lambda **_: 0.9, recipes=("short", "long"))
    away = Elsewhere(files={0: "a.csv"})
    cells = [cell.model_copy(update={"external": away if cell.model == "other" else None}) for cell in questions.cells]
    of_recipes = compare_grid.groups(Comparison(factor="recipe", baseline="short"), cells)
    assert [group.context["model"] for group in of_recipes] == ["base"]
    of_models = compare_grid.groups(Comparison(factor="model", baseline="base"), cells)
    assert [sorted(group.sides) for group in of_models] == [["base", "other"]] * 2


def test_a_single_run_that_nothing_pairs_has_a_difference_and_no_test() -> None:
    found = paired.compare({1000: 0.93}, {0: 0.90, 1: 0.92}, np.random.default_rng(0), 100)
    assert (found.status, found.diff, found.p_used, found.seeds) == ("one_run", pytest.approx(0.02), None, ())


def test_models_that_no_seed_connects_are_drawn_by_themselves() -> None:
    ours = {seed: seed / 10 for seed in range(5)}
    theirs = {1000 + seed: seed / 10 for seed in range(5)}
    scores = {"a": ours, "b": {0: 0.5, 4: 0.7}, "c": theirs, "single": {2000: 0.9}}
    found = resampling.draw(scores, None, np.random.default_rng(0), 4000)
    drawn = dict(zip(found.names, found.means, strict=True))
    assert np.ptp(drawn["single"]) == 0  # there in every draw
    assert np.isfinite(drawn["a"]).all()
    assert np.isnan(drawn["b"]).any()  # of a's seeds, as before
    assert abs(np.corrcoef(drawn["a"], drawn["c"])[0, 1]) < 0.1
    assert drawn["a"].std() == pytest.approx(np.std(list(ours.values())) / np.sqrt(5), rel=0.05)
    alone = resampling.draw({"a": ours}, None, np.random.default_rng(0), 4000)
    assert alone.means.shape[1] == 3125


def test_costs_have_the_keys_of_a_measured_profile(tmp_path: Path) -> None:
    from bakeoff.profile.spec import ProfileSpec
    from bakeoff.profile.step import profile_model

    model = {"name": "a", "builder": "lenet5"}
    job = ProfileSpec.model_validate({"model": model, "input": (1, 28, 28), "classes": 10, "device": "cpu"})
    measured = profile_model(job, complexity_only=True)
    known = {"params": 12, "throughput": 900.0, "measured_on": "one TPU"}
    spec = {"model": "theirs", "condition": "CPU", "source": "Doe 2020", "costs": known}
    record = read_record(costs.run(spec, tmp_path / "costs.json", CODE), "profile")
    assert measured.keys() <= record.keys()
    assert (record["params"], record["macs"], record["latency_ms"]) == (12, None, None)
    assert record["throughput"]["images_per_second"] == 900
    assert record["published"] == "Doe 2020; times on one TPU"
    nothing = read_record(costs.run({**spec, "costs": None}, tmp_path / "costs.json", CODE), "profile")
    assert (nothing["published"], nothing["failure"]) == (None, "made elsewhere")
