"""The evaluate step on a run folder: what it writes, and what it refuses."""

from __future__ import annotations

import json
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
LOGITS = np.array([[9, 0, 0], [0, 9, 0], [0, 9, 0], [9, 0, 0]], dtype=np.float32)  # answers 0, 1, 1, 0


def write_run(folder: Path, status: str = "done", facts: dict[str, Any] | None = None, **arrays: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    n = len(Y_TRUE)
    np.savez(folder / "predictions.npz", **{"example_id": np.arange(n), "y_true": Y_TRUE, "logits": LOGITS, **arrays})
    describe(folder, status=status, **(facts or {}))
    return folder


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
    write_record(folder / "run.json", "run", {"epochs": 1}, "f" * 16, body, [folder / "predictions.npz"])


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
    assert record["metrics"]["accuracy"] == {"value": 0.5, "unit": "fraction", "direction": "max", "why_null": None}
    assert record["confusion"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert record["per_class"] == [
        {"class": "a", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
        {"class": "b", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1},
        {"class": "c", "precision": None, "recall": 0.0, "f1": 0.0, "support": 1},
    ]


def test_a_class_that_never_occurs_has_nulls(tmp_path: Path) -> None:
    folder = write_run(tmp_path, y_true=np.array([0, 0, 1, 1]))
    record = read_record(run(SPEC, folder, CODE), "metrics")
    assert record["per_class"][2] == {"class": "c", "precision": None, "recall": None, "f1": None, "support": 0}
    assert record["metrics"]["auroc_ovr"]["why_null"] == "1 of 3 classes have no test image"


def test_a_diverged_run_has_null_metrics(tmp_path: Path) -> None:
    folder = write_run(tmp_path, status="diverged", facts={"reason": "loss is nan"}, logits=np.full((4, 3), np.nan))
    record = read_record(run(SPEC, folder, CODE), "metrics")
    assert (record["status"], record["reason"], record["n"]) == ("diverged", "loss is nan", 4)
    assert {m["value"] for m in record["metrics"].values()} == {None}
    assert {m["why_null"] for m in record["metrics"].values()} == {"diverged"}
    assert record["metrics"]["log_loss"]["direction"] == "min"
    assert (record["per_class"], record["confusion"]) == ([], None)


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
    ],
)
def test_predictions_that_no_run_would_have_written_are_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused, match=rf"predictions\.npz: .*{message}"):
        run(SPEC, write_run(tmp_path, **arrays), CODE)


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
    with pytest.raises(Refused, match=r"run\.json: class_names: "):
        run(SPEC, tmp_path, CODE)


def test_settings_that_are_wrong_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--spec: metrics: no such metric: acc; there are accuracy"):
        run({"metrics": ["acc"]}, write_run(tmp_path), CODE)
    with pytest.raises(UserError, match="--spec: metric: Extra inputs are not permitted"):
        run({"metric": ["accuracy"]}, tmp_path, CODE)
