"""The evaluate step on a run folder: what it writes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.errors import Refused, UserError
from bakeoff.evaluate.step import run
from bakeoff.provenance import read_record, sha256, write_record

SPEC = {"metrics": ["accuracy", "auroc_ovr", "log_loss"]}
CODE = "0" * 16
Y_TRUE = np.array([0, 0, 1, 2])
HISTORY = "epoch,phase,train_accuracy,val_accuracy\n1,main,0.5,0.5\n2,main,0.75,0.5\n3,main,1.0,\n"
# What metrics.json always holds beside what names the run.
PARTS = {
    "metrics",
    "per_class",
    "confusion",
    "calibration",
    "curves",
    "thresholds",
    "worst",
    "class_counts",
    "imbalance",
}
LOGITS = np.array([[9, 0, 0], [0, 9, 0], [0, 9, 0], [9, 0, 0]], dtype=np.float32)  # answers 0, 1, 1, 0


def write_run(folder: Path, status: str = "done", facts: dict[str, Any] | None = None, **arrays: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    n = len(Y_TRUE)
    np.savez(folder / "predictions.npz", **{"example_id": np.arange(n), "y_true": Y_TRUE, "logits": LOGITS, **arrays})
    describe(folder, status=status, **(facts or {}))
    return folder


def write_binary_run(folder: Path, **facts: Any) -> Path:
    """Two classes; test probabilities of the second are 0.25, 0.75, 0.75, 0.25, and validation images beside them."""
    odds = np.log(3) * np.array([-1, 1, 1, -1])
    logits = np.stack([np.zeros(4), odds], axis=1)
    validation = np.log([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    facts = {"class_names": ["no", "yes"], "n_val": 4, "best_epoch": 2, **facts}
    (folder / "history.csv").write_text(HISTORY)
    return write_run(
        folder,
        facts=facts,
        y_true=np.array([0, 1, 0, 1]),
        logits=logits,
        val_example_id=np.arange(4, 8),
        val_y_true=np.array([0, 0, 1, 1]),
        val_logits=validation,
    )


def describe(folder: Path, **facts: Any) -> None:
    body = {
        "dataset": "digits",
        "model": "lenet5",
        "augmentation": "none",
        "recipe": "default",
        "seed": 3,
        "reason": None,
        "class_names": ["a", "b", "c"],
        "n_test": len(Y_TRUE),
        **facts,
    }
    write_record(
        folder / "run.json",
        "run",
        {"epochs": 1},
        "f" * 16,
        body,
        [folder / "predictions.npz", *folder.glob("history.csv")],
    )


def test_metrics_stand_beside_the_run_and_name_what_they_were_made_from(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "seed3")
    path = run(SPEC, folder, CODE)
    record = read_record(path, "metrics", code=CODE)
    assert path == folder / "metrics.json"
    assert record["spec"] == SPEC
    assert [record[key] for key in ("dataset", "model", "augmentation", "recipe", "seed")] == [
        "digits",
        "lenet5",
        "none",
        "default",
        3,
    ]
    assert (record["status"], record["reason"], record["n"], record["files"]) == ("done", None, 4, {})
    assert record["predictions_sha256"] == sha256(folder / "predictions.npz")
    assert record["run_digest"] == json.loads((folder / "run.json").read_text())["record_digest"]
    assert list(record["metrics"]) == SPEC["metrics"]
    assert record["metrics"]["accuracy"] == {
        "value": 0.5,
        "lo": None,
        "hi": None,
        "unit": "fraction",
        "direction": "max",
        "why_null": None,
    }
    assert record["confusion"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    rows = [[row[key] for key in ("class", "precision", "recall", "f1", "support")] for row in record["per_class"]]
    assert rows == [["a", 0.5, 0.5, 0.5, 2], ["b", 0.5, 1.0, pytest.approx(2 / 3), 1], ["c", None, 0.0, 0.0, 1]]
    # Class a: scores 1, 0, 0, 1 of images a, a, b, c. Class b: 0, 1, 1, 0. Class c: the same for all.
    assert [row["auroc"] for row in record["per_class"]] == pytest.approx([0.5, 5 / 6, 0.5], abs=1e-12)
    assert [row["average_precision"] for row in record["per_class"]] == pytest.approx([0.5, 0.5, 0.25])
    assert record["class_counts"] == [2, 1, 1]
    assert record["imbalance"] == 2.0


def test_a_class_that_never_occurs_has_nulls(tmp_path: Path) -> None:
    folder = write_run(tmp_path, y_true=np.array([0, 0, 1, 1]))
    record = read_record(run(SPEC, folder, CODE), "metrics")
    nulls = dict.fromkeys(("precision", "recall", "f1", "auroc", "average_precision"))
    assert record["per_class"][2] == {"class": "c", **nulls, "support": 0}
    assert record["curves"]["roc"]["classes"]["c"] is None
    assert record["curves"]["roc"]["macro"] is None
    assert record["imbalance"] is None
    assert record["metrics"]["auroc_ovr"]["why_null"] == "1 of 3 classes have no test image"


def test_a_diverged_run_has_null_metrics(tmp_path: Path) -> None:
    folder = write_run(tmp_path, status="diverged", facts={"reason": "loss is nan"}, logits=np.full((4, 3), np.nan))
    record = read_record(run(SPEC, folder, CODE), "metrics")
    assert (record["status"], record["reason"], record["n"]) == ("diverged", "loss is nan", 4)
    assert {m["value"] for m in record["metrics"].values()} == {None}
    assert {m["why_null"] for m in record["metrics"].values()} == {"diverged"}
    assert record["metrics"]["log_loss"]["direction"] == "min"
    assert (record["per_class"], record["confusion"]) == ([], None)
    assert record["calibration"] == {"temperature": None, "why_null": "diverged", "bins": [], "bins_calibrated": []}
    assert [record["curves"][kind]["classes"] for kind in ("roc", "pr")] == [{}, {}]
    assert [record["curves"][kind]["macro"] for kind in ("roc", "pr")] == [None, None]
    assert (record["thresholds"], record["worst"]) == (None, [])
    assert (record["class_counts"], record["imbalance"]) == ([], None)


def test_a_run_has_the_same_keys_whatever_became_of_it(tmp_path: Path) -> None:
    def keys(value: Any) -> Any:
        return {key: keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None

    done = read_record(run(SPEC, write_run(tmp_path / "done"), CODE), "metrics")
    diverged = read_record(run(SPEC, write_run(tmp_path / "diverged", status="diverged"), CODE), "metrics")
    assert done.keys() >= PARTS
    assert done.keys() == diverged.keys()
    for part in ("metrics", "calibration"):
        assert keys(done[part]) == keys(diverged[part])
    assert {kind: set(curve) for kind, curve in done["curves"].items()} == {
        kind: set(curve) for kind, curve in diverged["curves"].items()
    }


def test_validation_predictions_and_history_add_what_needs_them(tmp_path: Path) -> None:
    record = read_record(run({}, write_binary_run(tmp_path), CODE), "metrics")
    assert record["metrics"]["overfitting_gap"]["value"] == 0.25
    assert record["metrics"]["log_loss_calibrated"]["value"] is not None
    assert record["metrics"]["top5"]["why_null"] == "there are 2 classes, so every answer is among the first 5"
    calibration = record["calibration"]
    assert calibration["temperature"] > 0
    assert calibration["why_null"] is None
    bins = {round(row["lo"] * 15): row for row in calibration["bins"]}
    assert len(bins) == len(calibration["bins_calibrated"]) == 15
    assert bins[11] == {  # (11/15, 12/15] holds 0.75
        "lo": 11 / 15,
        "hi": 12 / 15,
        "count": 4,
        "confidence": pytest.approx(0.75),
        "accuracy": 0.5,
    }
    assert {(row["count"], row["confidence"], row["accuracy"]) for b, row in bins.items() if b != 11} == {
        (0, None, None)
    }


def test_a_run_without_them_says_so(tmp_path: Path) -> None:
    record = read_record(run({}, write_run(tmp_path), CODE), "metrics")
    why = "there are no validation predictions to fit a temperature on"
    assert record["calibration"]["why_null"] == why
    assert record["calibration"]["temperature"] is None
    assert record["calibration"]["bins_calibrated"] == []
    assert len(record["calibration"]["bins"]) == 15
    assert record["metrics"]["ece_calibrated"]["why_null"] == why
    assert record["metrics"]["overfitting_gap"]["why_null"] == "the history of the training is not known"


def test_two_classes_have_a_table_of_thresholds(tmp_path: Path) -> None:
    found = read_record(run({"thresholds": [0.8, 0.5]}, write_binary_run(tmp_path), CODE), "metrics")["thresholds"]
    assert (found["positive"], found["grid"]) == ("yes", [0.5, 0.8])
    assert list(found["rows"][0]) == ["threshold", "accuracy", "precision", "recall", "f1", "tp", "fp", "tn", "fn"]
    assert [list(row.values()) for row in found["rows"]] == [
        [0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1],
        [0.8, 0.5, None, 0.0, 0.0, 0, 0, 2, 2],
    ]
    chosen = found["chosen"]
    # Validation scores are 0.1 and 0.6 of class "no", 0.8 and 0.3 of "yes": three of four are right below 0.3 and above
    # 0.6, and both gaps are as wide.
    assert chosen["threshold"] == pytest.approx(0.2)
    assert chosen["lo"] <= 0.2 <= chosen["hi"]
    assert (chosen["test"]["threshold"], chosen["test"]["tp"], chosen["test"]["fp"]) == (chosen["threshold"], 2, 2)


def test_the_positive_class_may_be_named(tmp_path: Path) -> None:
    folder = write_binary_run(tmp_path)
    found = read_record(run({"positive": "no", "thresholds": [0.75]}, folder, CODE), "metrics")["thresholds"]
    assert (found["positive"], found["rows"][0]["tp"], found["rows"][0]["fp"]) == ("no", 1, 1)
    with pytest.raises(UserError, match=r"evaluate\.positive: no class 'maybe' .*; choose no or yes"):
        run({"positive": "maybe"}, folder, CODE)


def test_several_classes_do_not_heed_the_positive_one(tmp_path: Path) -> None:
    assert read_record(run({"positive": "maybe"}, write_run(tmp_path), CODE), "metrics")["thresholds"] is None


def test_validation_images_of_one_class_choose_no_threshold(tmp_path: Path) -> None:
    arrays = {"val_example_id": np.arange(2), "val_y_true": np.zeros(2, dtype=int), "val_logits": np.zeros((2, 2))}
    folder = write_run(
        tmp_path, facts={"class_names": ["a", "b"]}, y_true=np.array([0, 0, 1, 1]), logits=LOGITS[:, :2], **arrays
    )
    assert read_record(run({}, folder, CODE), "metrics")["thresholds"]["chosen"] is None


def test_the_worst_errors_are_those_the_run_was_surest_of(tmp_path: Path) -> None:
    logits = np.array([[0, 1, 0], [0, 9, 0], [0, 9, 0], [9, 0, 0]], dtype=np.float32)  # answers b, b, b, a
    folder = write_run(tmp_path, logits=logits, example_id=np.array([40, 30, 20, 10]))
    sure = np.exp(9) / (np.exp(9) + 2)
    errors = read_record(run({}, folder, CODE), "metrics")["worst"]
    assert errors == [
        {"example_id": 10, "true": "c", "predicted": "a", "confidence": pytest.approx(sure)},
        {"example_id": 30, "true": "a", "predicted": "b", "confidence": pytest.approx(sure)},
        {"example_id": 40, "true": "a", "predicted": "b", "confidence": pytest.approx(np.e / (np.e + 2))},
    ]
    assert read_record(run({"worst": 1}, folder, CODE), "metrics")["worst"] == errors[:1]
    assert read_record(run({"worst": 0}, folder, CODE), "metrics")["worst"] == []


def test_an_edited_record_is_refused(tmp_path: Path) -> None:
    path = write_run(tmp_path) / "run.json"
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    with pytest.raises(Refused, match=r"run\.json: was changed after it was written"):
        run(SPEC, tmp_path, CODE)
    assert not (tmp_path / "metrics.json").exists()


def test_predictions_of_another_run_are_refused(tmp_path: Path) -> None:
    one, other = write_run(tmp_path / "seed0"), write_run(tmp_path / "seed1", logits=LOGITS + 1)
    (other / "predictions.npz").replace(one / "predictions.npz")
    with pytest.raises(Refused, match=r"seed0/predictions\.npz: is not the file that run\.json describes"):
        run(SPEC, one, CODE)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"logits": np.where(np.eye(4, 3) > 0, np.inf, LOGITS)}, "logits that are no numbers"),
        ({"logits": LOGITS[:, :2]}, "does not hold 4 predictions over 3 classes"),
        ({"y_true": Y_TRUE[:3]}, "does not hold 4 predictions"),
        ({"y_true": np.array([0, 1, 2, 3])}, r"true classes outside 0\.\.2"),
        ({"y_true": Y_TRUE.astype(float)}, "y_true is float64"),
        ({"logits": LOGITS.astype(object)}, r"is damaged \(ValueError\)"),
        ({"example_id": np.array([5, 5, 6, 7])}, "an image more than once"),
        ({"example_id": np.array(["a", "b", "c", "d"])}, "example_id is <U1"),
        ({"val_logits": LOGITS}, "has no val_example_id, val_y_true"),
        (
            {"val_example_id": np.arange(4), "val_y_true": Y_TRUE, "val_logits": LOGITS[:, :2]},
            "does not hold 4 validation predictions over 3 classes",
        ),
    ],
)
def test_predictions_that_no_run_would_have_written_are_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused, match=rf"predictions\.npz: .*{message}"):
        run(SPEC, write_run(tmp_path, **arrays), CODE)


def test_validation_predictions_are_those_that_the_record_speaks_of(tmp_path: Path) -> None:
    with pytest.raises(
        Refused, match=r"has no val_example_id, val_y_true, val_logits, though .* there are 3 such images"
    ):
        run(SPEC, write_run(tmp_path, facts={"n_val": 3}), CODE)
    with pytest.raises(Refused, match="does not hold 3 validation predictions"):
        run(SPEC, write_binary_run(tmp_path, n_val=3), CODE)


def test_a_history_that_lacks_the_best_epoch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        Refused, match=r"history\.csv: has no line of epoch 9, which run\.json beside it calls the best"
    ):
        run(SPEC, write_binary_run(tmp_path, best_epoch=9), CODE)
    folder = write_binary_run(tmp_path)
    (folder / "history.csv").write_text(HISTORY + "4,main,1.0,1.0\n")
    with pytest.raises(Refused, match=r"history\.csv: is not the file that run\.json describes"):
        run(SPEC, folder, CODE)


def test_an_epoch_without_a_number_has_no_gap(tmp_path: Path) -> None:
    record = read_record(run({}, write_binary_run(tmp_path, best_epoch=3), CODE), "metrics")
    assert record["metrics"]["overfitting_gap"]["why_null"] == "the history has no accuracies of the best epoch"


def test_the_command_imports_nothing_that_takes_seconds(tmp_path: Path) -> None:
    code = (
        "import json, sys; from bakeoff.evaluate import step; from pathlib import Path; "
        f"step.run({{}}, Path(sys.argv[1]), {CODE!r}); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(write_binary_run(tmp_path))], capture_output=True, text=True, check=True
    )
    assert not {"torch", "sklearn", "pandas", "matplotlib"} & set(json.loads(done.stdout))


def test_a_damaged_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = (write_run(tmp_path) / "predictions.npz").read_bytes()
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        (tmp_path / "predictions.npz").write_bytes(damaged[: rng.integers(len(whole)) if rng.random() < 0.3 else None])
        describe(tmp_path, status="done")
        try:
            run(SPEC, tmp_path, CODE)
        except Refused as error:
            messages.append(str(error))
    assert len(messages) > 75  # the rest hit bytes that zip does not use
    for message in messages:
        assert message.startswith(f"{tmp_path / 'predictions.npz'}: ")
        assert "\n" not in message


def test_a_record_without_what_a_run_has_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path, facts={"class_names": []})
    with pytest.raises(Refused, match=r"run\.json: has either class_names or targets"):
        run(SPEC, tmp_path, CODE)


def test_settings_that_are_wrong_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--spec: metrics: no such metric: acc; there are accuracy"):
        run({"metrics": ["acc"]}, write_run(tmp_path), CODE)
    with pytest.raises(UserError, match="--spec: metric: Extra inputs are not permitted"):
        run({"metric": ["accuracy"]}, tmp_path, CODE)
