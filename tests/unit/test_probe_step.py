"""The probe of a run: what the study asks for, in one record, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bakeoff.combine import step as combine
from bakeoff.errors import Refused, UserError
from bakeoff.evaluate import verification_output
from bakeoff.evaluate.verification import Options
from bakeoff.probe import corruptions, step
from bakeoff.probe.restore import restore
from bakeoff.provenance import check_files, read_record, spec_digest

CODE = "0" * 16
RECIPE: dict[str, Any] = {"epochs": 3, "batch_size": 64, "lr": 3e-3}
NAMES = {"dataset": "digits", "model": "lenet5.tta", "augmentation": "standard", "recipe": "default", "seed": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, train_run: Callable[..., Path]) -> Path:
    return train_run(tmp_path_factory.mktemp("run"), **RECIPE)


def probe(run: Path, data: Path, out: Path, **settings: Any) -> dict[str, Any]:
    path = step.run(settings, run, data, out, CODE)
    record = read_record(path, "probe", spec=spec_digest(settings), code=CODE)
    check_files(path, record)
    return record


def test_what_is_not_asked_for_is_not_done(run: Path, digits: Path, tmp_path: Path) -> None:
    record = probe(run, digits, tmp_path)
    assert record["tta"] is record["corruptions"] is record["embeddings"] is None
    assert record["run_digest"] == read_record(run / "run.json", "run")["record_digest"]
    assert [path.name for path in tmp_path.iterdir()] == ["probe.json"]


def test_test_time_augmentation_becomes_a_run(run: Path, digits: Path, tmp_path: Path) -> None:
    settings = {"tta": True}
    out = tmp_path / "run" / f"probe-{spec_digest(settings)}"
    (tmp_path / "run").mkdir()
    for file in run.iterdir():
        (tmp_path / "run" / file.name).write_bytes(file.read_bytes())
    record = probe(tmp_path / "run", digits, out, **settings)
    assert record["tta"]["passes"] == len(record["tta"]["views"]) == 7  # no flips of digits
    of_run = read_record(run / "run.json", "run")
    member = {"model": "lenet5", "spec": of_run["spec_digest"], "seed": None}
    spec = {"method": "tta", "members": [member], "probe": spec_digest(settings)}
    made = read_record(combine.run(spec, NAMES, [tmp_path / "run"], tmp_path / "tta", CODE), "run")
    assert (made["passes"], made["method"]) == (7, "tta")
    with np.load(tmp_path / "tta" / "predictions.npz") as after, np.load(run / "predictions.npz") as before:
        assert np.array_equal(after["y_true"], before["y_true"])
        with np.load(out / "tta.npz") as probed:
            assert after["logits"] == pytest.approx(probed["logits"], abs=1e-5)
        accuracy = [(arrays["logits"].argmax(1) == arrays["y_true"]).mean() for arrays in (before, after)]
    assert abs(accuracy[0] - accuracy[1]) < 0.1


def test_corruptions_lower_the_accuracy(run: Path, digits: Path, tmp_path: Path) -> None:
    found = probe(run, digits, tmp_path, corruptions=True)["corruptions"]
    with np.load(run / "predictions.npz") as own:
        assert found["clean"] == pytest.approx((own["logits"].argmax(1) == own["y_true"]).mean())
    assert found["by_severity"].keys() == set(corruptions.names())
    assert all(len(values) == 5 for values in found["by_severity"].values())
    assert found["mean"] == pytest.approx(np.mean(list(found["by_severity"].values())))
    assert found["mean"] < found["clean"]


def test_embeddings_come_with_their_images(run: Path, digits: Path, tmp_path: Path) -> None:
    record = probe(run, digits, tmp_path, embeddings=True)
    assert record["embeddings"] == {"dimensions": 84, "reason": None}
    with np.load(tmp_path / "embeddings.npz") as found, np.load(run / "predictions.npz") as own:
        assert np.array_equal(found["example_id"], own["example_id"])
        classifier = list(restore(run, digits).net.modules())[-1]
        logits = classifier(torch.from_numpy(found["embeddings"])).detach().numpy()
        assert logits == pytest.approx(own["logits"], abs=1e-4)
    with np.load(tmp_path / "embeddings_val.npz") as found, np.load(run / "predictions.npz") as own:
        assert np.array_equal(found["example_id"], own["val_example_id"])


def test_embeddings_are_verified_with_a_threshold_of_the_validation_images(
    run: Path, digits: Path, tmp_path: Path
) -> None:
    probe(run, digits, tmp_path, embeddings=True)
    body = verification_output.of_probe(tmp_path / "probe.json", Options(resamples=100), tmp_path / "out", CODE)
    record = read_record(tmp_path / "out" / "verification.json", "verification", code=CODE)
    check_files(tmp_path / "out" / "verification.json", record)
    assert record["probe_digest"] == read_record(tmp_path / "probe.json", "probe")["record_digest"]
    assert (record["model"], record["reason"], record["identities"]) == ("lenet5", None, 10)
    assert record["best_threshold"]["chosen_on"] == "validation"
    assert body["auc"]["lo"] < body["auc"]["value"] < body["auc"]["hi"]
    assert body["auc"]["value"] > 0.8
    assert (tmp_path / "out" / "roc.svg").read_text().startswith("<?xml")
    (tmp_path / "embeddings.npz").write_bytes(b"others")
    with pytest.raises(Refused, match=r"embeddings\.npz: is not the file"):
        verification_output.of_probe(tmp_path / "probe.json", Options(), None)


def test_what_keeps_no_embeddings_is_not_verified(
    run: Path, digits: Path, tmp_path: Path, train_run: Callable[..., Path]
) -> None:
    probe(run, digits, tmp_path / "none")
    with pytest.raises(UserError, match=r"keeps no embeddings; the study must say probe: \{embeddings: true\}"):
        verification_output.of_probe(tmp_path / "none" / "probe.json", Options(), None)
    diverged = train_run(tmp_path / "run", **{**RECIPE, "optimizer": "sgd", "lr": 1e30})
    probe(diverged, digits, tmp_path / "probe", embeddings=True)
    body = verification_output.of_probe(tmp_path / "probe" / "probe.json", Options(), tmp_path / "out", CODE)
    assert body["reason"] == "its run diverged"
    assert read_record(tmp_path / "out" / "verification.json", "verification")["files"] == {}


def test_explanations_are_judged_beside_random_maps(run: Path, digits: Path, tmp_path: Path) -> None:
    found = probe(run, digits, tmp_path, explain=12)["explain"]["hirescam"]
    assert found["reason"] is None
    assert found["n"] == 32
    assert found["gain"] == pytest.approx(found["difference"] - found["random_mean"])
    with np.load(tmp_path / "explain.npz") as drawn, np.load(run / "predictions.npz") as own:
        assert drawn["maps-hirescam"].shape == (12, 12, 12)
        assert drawn["y_true"].tolist() == [*range(10), 0, 1]
        rows = {example: row for row, example in enumerate(own["example_id"].tolist())}
        answers = own["logits"].argmax(1)
        assert drawn["predicted"].tolist() == [answers[rows[example]] for example in drawn["example_id"].tolist()]


@pytest.mark.skipif(find_spec("shap") is None, reason="needs the extra shap")
def test_shap_is_judged_and_drawn_beside_the_other_maps(run: Path, digits: Path, tmp_path: Path) -> None:
    methods = ["hirescam", "shap"]
    found = probe(run, digits, tmp_path / "both", explain=4, explain_methods=methods)["explain"]
    assert (found["shap"]["layer"], found["shap"]["side"]) == ("pixels", 12)
    assert found["shap"]["gain"] > 2 * found["shap"]["gain_se"]
    assert found["hirescam"] == probe(run, digits, tmp_path / "one", explain=4)["explain"]["hirescam"]
    with np.load(tmp_path / "both" / "explain.npz") as drawn:
        assert drawn["maps-shap"].shape == drawn["maps-hirescam"].shape == (4, 12, 12)
        assert drawn["maps-shap"].max(axis=(1, 2)).tolist() == [255] * 4


def test_images_are_chosen_class_by_class() -> None:
    assert step.in_turn(np.array([2, 0, 0, 2, 1, 0]), 5).tolist() == [1, 4, 0, 2, 3]


def test_a_diverged_run_tells_nothing(digits: Path, tmp_path: Path, train_run: Callable[..., Path]) -> None:
    diverged = train_run(tmp_path / "run", **{**RECIPE, "optimizer": "sgd", "lr": 1e30})
    record = probe(diverged, digits, tmp_path / "probe", tta=True, corruptions=True)
    assert record["status"] == "diverged"
    assert record["tta"] is record["corruptions"] is None
