"""Runs made from other runs' predictions: the arithmetic, and the record that all later steps take for a run's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays
from scipy.special import softmax

from bakeoff.combine import costs, methods, step
from bakeoff.errors import Refused, UserError
from bakeoff.evaluate import step as evaluate
from bakeoff.provenance import read_record, spec_digest, write_record

CODE = "0" * 16
NAMES = {"dataset": "digits", "augmentation": "standard", "recipe": "default"}
RECIPE: dict[str, Any] = {"epochs": 1, "batch_size": 64, "train_images": 200}


def log_probas(k: int, n: int, classes: int, seed: int = 0) -> methods.FloatArray:
    return methods.log_proba(np.random.default_rng(seed).normal(0, 3, (k, n, classes)))


# --- methods


@given(numpy_arrays(np.float64, (3, 5, 4), elements=st.floats(-50, 50)))
@settings(deadline=None)
def test_the_mean_is_that_of_probabilities(logits: methods.FloatArray) -> None:
    pooled = methods.mean(methods.log_proba(logits))
    assert np.exp(pooled) == pytest.approx(softmax(logits, axis=-1).mean(axis=0), abs=1e-12)
    assert softmax(pooled, axis=-1) == pytest.approx(np.exp(pooled), abs=1e-12)


def test_one_member_is_itself() -> None:
    (only,) = members = log_probas(1, 6, 3)
    assert methods.mean(members) == pytest.approx(only)
    assert methods.fitted_weights(members, np.zeros(6, dtype=np.int64)) == pytest.approx([1.0])


def test_votes_decide_and_the_mean_breaks_ties() -> None:
    sure, leaning = np.log([0.98, 0.01, 0.01]), np.log([0.3, 0.4, 0.3])
    # Two lean to class 1, one is sure of class 0: the mean says 0, the vote 1.
    members = np.array([[sure], [leaning], [leaning]])
    assert methods.mean(members).argmax() == 0
    assert methods.vote(members).argmax() == 1
    assert np.exp(methods.vote(members)).sum() == pytest.approx(1)
    assert methods.vote(members[:2]).argmax() == 0  # one vote each, and the surer one has it


def test_weights_find_the_member_that_knows() -> None:
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 3, 400)
    knows = np.log(np.where(np.eye(3)[y_true] == 1, 0.9, 0.05))
    guesses = methods.log_proba(rng.normal(size=(400, 3)))
    weights = methods.fitted_weights(np.stack([guesses, knows]), y_true)
    assert weights.sum() == pytest.approx(1)
    assert weights[1] > 0.95


def test_weights_give_the_least_loss_of_a_grid() -> None:
    members, y_true = log_probas(2, 60, 3, seed=2), np.random.default_rng(3).integers(0, 3, 60)

    def loss(first: float) -> float:
        return float(-methods.mean(members, np.array([first, 1 - first]))[np.arange(60), y_true].mean())

    found = methods.fitted_weights(members, y_true)
    assert loss(found[0]) <= min(loss(w) for w in np.linspace(0.001, 0.999, 500)) + 1e-6


# --- the step


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory, train_run: Callable[..., Path]) -> list[Path]:
    """Runs of two models at two seeds, lenet5 first."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        train_run(folder / model / str(seed), model=model, seed=seed, **RECIPE)
        for model in ("lenet5", "tiny_cnn")
        for seed in (0, 1)
    ]


def spec_of(folders: list[Path], method: str = "mean", seeds: bool = False) -> dict[str, Any]:
    records = [read_record(folder / "run.json", "run") for folder in folders]
    members = [
        {"model": record["model"], "spec": record["spec_digest"], "seed": record["seed"] if seeds else None}
        for record in records
    ]
    return {"method": method, "members": members, "probe": None}


def combined(folders: list[Path], out: Path, spec: dict[str, Any]) -> dict[str, Any]:
    return read_record(step.run(spec, {**NAMES, "model": "both", "seed": 0}, folders, out, CODE), "run")


def test_an_ensemble_of_models_is_a_run_like_any_other(members: list[Path], tmp_path: Path) -> None:
    folders = [members[0], members[2]]
    record = combined(folders, tmp_path, spec_of(folders))
    assert (record["status"], record["model"], record["passes"], record["member_weights"]) == ("done", "both", 2, None)
    seconds = [read_record(folder / "run.json", "run")["train_seconds"] for folder in folders]
    assert record["train_seconds"] == pytest.approx(sum(seconds), abs=2e-3)
    files = [np.load(folder / "predictions.npz") for folder in (*folders, tmp_path)]
    for part in ("", "val_"):
        first, second, both = (softmax(file[f"{part}logits"].astype(float), axis=1) for file in files)
        assert both == pytest.approx((first + second) / 2, abs=1e-6)
        assert np.array_equal(files[0][f"{part}y_true"], files[2][f"{part}y_true"])
    evaluate.run({}, tmp_path, CODE)
    metrics = read_record(tmp_path / "metrics.json", "metrics")["metrics"]
    assert 0 < metrics["accuracy"]["value"] <= 1


def test_an_ensemble_of_seeds_names_them(members: list[Path], tmp_path: Path) -> None:
    folders = members[:2]
    record = combined(folders, tmp_path, spec_of(folders, seeds=True))
    assert [member["record_digest"] for member in record["members"]] == [
        read_record(folder / "run.json", "run")["record_digest"] for folder in folders
    ]
    with pytest.raises(Refused, match="is of seed 1, not 0"):
        combined(folders[::-1], tmp_path, spec_of(folders, seeds=True))


def test_fitted_weights_are_in_the_record(members: list[Path], tmp_path: Path) -> None:
    folders = [members[0], members[2]]
    record = combined(folders, tmp_path, spec_of(folders, "weighted"))
    assert sum(record["member_weights"]) == pytest.approx(1)


def test_other_runs_than_the_spec_names_are_refused(members: list[Path], tmp_path: Path) -> None:
    folders = [members[0], members[2]]
    with pytest.raises(Refused, match="was made with other settings"):
        combined(folders[::-1], tmp_path, spec_of(folders))
    with pytest.raises(UserError, match="1 folders of runs are given for the 2 members"):
        combined(folders[:1], tmp_path, spec_of(folders))
    with pytest.raises(UserError, match="--spec: method"):
        combined(folders, tmp_path, {**spec_of(folders), "method": "sum"})
    assert not list(tmp_path.iterdir())


# --- costs


def profile(model: str, **changes: Any) -> dict[str, Any]:
    body = {
        "model": model, "status": "done", "failure": None, "reason": None, "condition": "CPU, 1 thread",
        "device": "cpu", "threads": 1, "precision": "fp32", "backend": "eager", "channels_last": True, "attempt": 0,
        "environment": {"cpu": "a CPU", "gpu": None}, "params": 100, "trainable_params": 90, "size_mb": 4.0,
        "activations": 10, "macs": 1000, "macs_fvcore": None, "macs_note": None, "modules": [], "difference": 0.0,
        "prepare_seconds": 0.5, "latency_ms": {"p50": 2.0, "p90": 3.0, "p95": 4.0, "p99": 5.0},
        "throughput": {"batch_size": 8, "images_per_second": 1000.0, "lo": 900.0, "hi": None},
        "peak_memory_mb": 6.0, "best_batch_memory_mb": 14.0, "train_memory_mb": 50.0, "train_batch_size": 64,
        "memory": {}, "joules_per_image": None, "energy": {"reason": "no counter"}, "anchor": None, "weather": None,
        "marks": [],
    }  # fmt: skip
    return {**body, **changes}


def cost(folder: Path, parts: list[tuple[dict[str, Any], int, int | None]], passes: int = 9) -> dict[str, Any]:
    """The profile of a combined run of these profiles, each with its number of networks and passes."""
    paths, spec_parts = [], []
    for i, (body, networks, each) in enumerate(parts):
        spec = {"model": body["model"], "i": i}
        paths.append(folder / f"{i}.json")
        write_record(paths[-1], "profile", spec, CODE, body)
        spec_parts.append({"profile": spec_digest(spec), "networks": networks, "passes": each})
    write_record(folder / "run.json", "run", {}, CODE, {"passes": passes})
    out = costs.run({"model": "both", "parts": spec_parts}, paths, folder / "run.json", folder / "both.json", CODE)
    return read_record(out, "profile")


def test_passes_of_one_network_multiply_its_time_and_not_its_weights(tmp_path: Path) -> None:
    found = cost(tmp_path, [(profile("a"), 1, None)], passes=9)
    assert (found["params"], found["size_mb"], found["macs"], found["activations"]) == (100, 4.0, 9000, 90)
    assert found["latency_ms"]["p50"] == pytest.approx(18)
    assert found["throughput"]["images_per_second"] == pytest.approx(1000 / 9)
    assert (found["throughput"]["lo"], found["throughput"]["hi"]) == (pytest.approx(100), None)
    assert (found["peak_memory_mb"], found["best_batch_memory_mb"], found["macs_fvcore"]) == (6.0, 14.0, None)
    assert found["derived"].startswith("9 passes one after another")


def test_networks_add_up(tmp_path: Path) -> None:
    second = profile("b", params=10, size_mb=1.0, macs=500, peak_memory_mb=8.0, marks=["busy"], train_memory_mb=70.0)
    found = cost(tmp_path, [(profile("a"), 1, 1), (second, 3, 3)])
    assert (found["params"], found["size_mb"], found["macs"]) == (130, 7.0, 2500)
    assert found["latency_ms"]["p95"] == pytest.approx(16)
    assert found["peak_memory_mb"] == pytest.approx(7 + 7)  # all weights, and the largest activations
    assert (found["train_memory_mb"], found["marks"]) == (70.0, ["busy"])


def test_what_one_part_lacks_the_whole_lacks(tmp_path: Path) -> None:
    nothing = {"latency_ms": None, "throughput": None, "peak_memory_mb": None}
    failed = profile("b", status="failed", failure="no GPU", reason="torch sees no GPU here", **nothing)
    found = cost(tmp_path, [(profile("a"), 1, 1), (failed, 1, 1)])
    assert (found["status"], found["failure"]) == ("failed", "no GPU")
    assert (found["params"], found["macs"]) == (200, 2000)
    assert found["latency_ms"] is found["throughput"] is found["peak_memory_mb"] is None


def test_a_combined_profile_has_the_keys_of_a_measured_one(tmp_path: Path) -> None:
    from bakeoff.profile.spec import ProfileSpec
    from bakeoff.profile.step import profile_model

    model = {"name": "a", "builder": "lenet5"}
    job = ProfileSpec.model_validate({"model": model, "input": (1, 28, 28), "classes": 10, "device": "cpu"})
    measured = profile_model(job, complexity_only=True)
    found = cost(tmp_path, [({"attempt": 0, **measured}, 1, 1)])
    assert measured.keys() <= found.keys()
