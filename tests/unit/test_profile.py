"""The profile step: one record whatever happens, on small nets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.profile import backends, measured, memory
from bakeoff.profile.describe import describe
from bakeoff.profile.spec import ProfileSpec
from bakeoff.profile.step import profile_model, run
from bakeoff.provenance import read_record

SPEC: dict[str, Any] = {
    "model": {"name": "lenet5", "builder": "lenet5", "options": {}},
    "input": [1, 28, 28],
    "classes": 10,
    "device": "cpu",
    "threads": 1,
    "precision": "fp32",
    "backend": "eager",
    "channels_last": True,
    "training": {"batch_size": 4, "optimizer": "sgd", "precision": "fp32", "channels_last": True},
    "min_calls": 5,
    "min_seconds": 0.01,
    "max_batch": 4,
}
TIMES = ("latency_ms", "throughput", "peak_memory_mb", "train_memory_mb", "joules_per_image", "weather", "anchor")


def job(**changes: Any) -> ProfileSpec:
    return ProfileSpec.model_validate({**SPEC, **changes})


@pytest.fixture(scope="module")
def lenet5() -> dict[str, Any]:
    """A profile that went well; not to be changed."""
    return profile_model(job())


def test_a_profile_is_one_record(tmp_path: Path) -> None:
    out = tmp_path / "profiles" / "lenet5-0a1b2c3d4e5f.json"
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    spec = {**SPEC, "device": "auto", "threads": threads + 1}
    assert run(spec, out, "0" * 16, attempt=2) == out
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    record = read_record(out, "profile", code="0" * 16)
    assert record["spec"] == spec
    assert (record["model"], record["status"], record["failure"], record["reason"]) == ("lenet5", "done", None, None)
    assert (record["threads"], record["attempt"]) == (threads + 1, 2)
    assert record["device"] == ("cpu" if record["environment"]["gpu"] is None else "cuda")
    assert record["condition"] == ("GPU" if record["device"] == "cuda" else f"CPU, {threads + 1} threads")
    assert (record["params"], record["macs"], record["macs_fvcore"]) == (61706, 416520, 416520)
    assert record["activations"] == 6 * 28**2 + 16 * 10**2 + 120 + 84 + 10
    assert [module["name"] for module in record["modules"]]
    assert record["latency_ms"]["n"] == len(record["latency_ms"]["samples"]) >= 5
    assert 0 < record["latency_ms"]["p50"] <= record["latency_ms"]["p90"] <= record["latency_ms"]["p99"]
    assert record["throughput"]["images_per_second"] > 0
    assert [tried["batch_size"] for tried in record["throughput"]["tried"]][:2] == [1, 2]
    assert record["train_batch_size"] == 4
    assert record["memory"].keys() == {"one_image", "best_batch", "training_step"}
    assert record["anchor"]["before_ms"] > 0
    assert record["weather"]["cores"] >= 1
    assert isinstance(record["marks"], list)


def test_memory_grows_from_one_image_to_a_step_of_training(lenet5: dict[str, Any]) -> None:
    assert lenet5["peak_memory_mb"] >= 0
    assert lenet5["best_batch_memory_mb"] >= 0
    assert lenet5["train_memory_mb"] > 3 * lenet5["size_mb"]  # weights, gradients, momentum


def test_energy_is_a_number_or_a_reason(lenet5: dict[str, Any]) -> None:
    assert (lenet5["joules_per_image"] is None) == (lenet5["energy"]["reason"] is not None)


def test_other_conditions_are_measured_as_told() -> None:
    body = profile_model(job(backend="onnxruntime", training=None))
    assert (body["status"], body["condition"]) == ("done", "CPU, 1 thread, onnxruntime")
    assert 0 <= body["difference"] < 1e-4
    assert body["peak_memory_mb"] is body["train_memory_mb"] is body["train_batch_size"] is None
    assert "onnxruntime" in body["memory"]["one_image"]["reason"]


# --- what cannot be measured


def test_a_model_that_cannot_take_the_images_is_a_result_with_a_reason(tmp_path: Path) -> None:
    out = run({**SPEC, "input": [1, 8, 8]}, tmp_path / "lenet5.json", "0" * 16)
    record = read_record(out, "profile")
    assert (record["status"], record["failure"]) == ("failed", "not built")
    assert record["reason"].startswith("lenet5: cannot be built for images of 1x8x8 and 10 classes: needs images of")
    assert [record[name] for name in ("params", "macs", "size_mb", *TIMES)] == [None] * (3 + len(TIMES))
    assert record["marks"] == []


def test_all_outcomes_have_the_same_keys(lenet5: dict[str, Any]) -> None:
    failed = profile_model(job(input=[1, 8, 8]))
    control = profile_model(job(model={"name": "knn", "builder": "sklearn/knn"}))
    assert lenet5.keys() == failed.keys() == control.keys()
    assert (control["status"], control["failure"]) == ("skipped", "fitted")
    json.dumps([lenet5, failed, control], allow_nan=False)


def test_weights_larger_than_the_machine_are_a_result() -> None:
    body = profile_model(job(classes=10**10))
    assert (body["status"], body["failure"]) == ("oom", "no memory")
    assert body["reason"].startswith("its weights take 3,400.0 GB, and ")
    assert body["params"] > 8 * 10**11
    assert [body[name] for name in TIMES] == [None] * len(TIMES)


def test_no_memory_for_one_image_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> nn.Module:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(measured, "measure", fail)
    body = profile_model(job())
    assert (body["status"], body["failure"]) == ("oom", "no memory")
    assert body["reason"] == "out of memory on cpu with one image"
    assert body["macs"] == 416520


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_leaves_what_no_machine_changes(tmp_path: Path) -> None:
    record = read_record(run({**SPEC, "device": "cuda"}, tmp_path / "lenet5.json", "0" * 16), "profile")
    assert (record["status"], record["failure"], record["condition"]) == ("failed", "no GPU", "GPU")
    assert record["reason"] == "device: cuda: torch sees no GPU here; use cpu or auto"
    assert (record["params"], record["macs"]) == (61706, 416520)
    assert record["latency_ms"] is None


def test_a_back_end_that_cannot_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> backends.Ready:
        raise backends.BackendError("onnxruntime in fp32 cannot run this model: no such operator")

    monkeypatch.setattr(backends, "prepare", refuse)
    body = profile_model(job(backend="onnxruntime"))
    assert (body["status"], body["failure"]) == ("failed", "not in onnxruntime")
    assert body["reason"].endswith("no such operator")
    body = profile_model(job(precision="bf16"))
    assert body["failure"] == "not in bf16"


def test_other_errors_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> nn.Module:
        raise RuntimeError("a bug")

    monkeypatch.setattr(measured, "measure", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        profile_model(job())


# --- settings


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--spec: input: must be \[channels, size, size\]"):
        run({**SPEC, "input": [1, 28, 32]}, tmp_path / "x.json", "0" * 16)
    with pytest.raises(UserError, match="--spec: tf32 is an arithmetic of GPUs"):
        run({**SPEC, "precision": "tf32"}, tmp_path / "x.json", "0" * 16)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("device", "gpu"),
        ("threads", 0),
        ("threads", True),
        ("precision", "int8"),
        ("backend", "tensorrt"),
        ("min_calls", 0),
        ("min_seconds", -1),
        ("min_seconds", float("nan")),
        ("max_batch", 0),
        ("classes", 0),
        ("input", [0, 28, 28]),
        ("training", {"batch_size": 0}),
        ("repeats", 3),
    ],
)
def test_settings_out_of_range_are_refused(key: str, wrong: object) -> None:
    with pytest.raises(ValidationError, match=key):
        job(**{key: wrong})


# --- for a terminal


def test_a_terminal_shows_the_costs_and_the_notes(lenet5: dict[str, Any]) -> None:
    energy = {"reason": "no counter"}
    body = {
        **lenet5,
        "macs_note": "fvcore counts less",
        "marks": ["others"],
        "joules_per_image": None,
        "energy": energy,
    }
    lines = describe(body).splitlines()
    assert lines[0].startswith("lenet5 on ")
    assert lines[0].endswith("(CPU, 1 thread)")
    assert "61,706 (61,706 trainable), 0.2 MB" in lines[1]
    assert [line.split()[0] for line in lines[1:-3]] == [
        "parameters", "MACs", "activations", "latency", "throughput", "peak"
    ]  # fmt: skip
    assert [line.strip() for line in lines[-3:]] == [
        "note: fvcore counts less",
        "note: no energy: no counter",
        "note: others: these times do not compare with those of a quiet machine",
    ]


def test_complexity_alone_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "measure", lambda _: pytest.fail("measured"))
    monkeypatch.setattr(memory, "room", lambda _: 0)
    body = profile_model(job(), complexity_only=True)
    assert (body["status"], body["macs"]) == ("done", 416520)
    assert [line.split()[0] for line in describe(body).splitlines()] == ["lenet5", "parameters", "MACs", "activations"]


def test_models_of_a_file_of_ones_own_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\ndef build(channels, size, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    body = profile_model(job(model={"name": "mine", "builder": "mine.py:build"}))
    assert (body["status"], body["params"]) == ("done", 28 * 28 * 10 + 10)
    assert body["train_memory_mb"] is not None
    registry.load("mine.py:build")
