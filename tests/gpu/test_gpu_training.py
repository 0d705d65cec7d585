"""Training on a GPU: it repeats itself, and learns what the CPU learns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from needy import run_needy

from bakeoff.provenance import read_record

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

RECIPE = {"epochs": 2, "lr": 3e-3, "batch_size": 32}


@pytest.mark.parametrize("model", ["lenet5", "tiny_cnn", "tiny_vit"])
def test_training_twice_gives_the_same_bytes(tmp_path: Path, train_run: Callable[..., Path], model: str) -> None:
    one, two = (train_run(tmp_path / name, model=model, device="cuda", **RECIPE) for name in ("one", "two"))
    for name in ("predictions.npz", "model.safetensors"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    record = read_record(one / "run.json", "run")
    assert (record["status"], record["device"]) == ("done", "cuda")
    assert record["environment"]["gpu"] == torch.cuda.get_device_name()


def test_it_learns_what_the_cpu_learns(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    runs = {device: train_run(tmp_path / device, device=device, **RECIPE) for device in ("cpu", "cuda")}
    records = {device: read_record(run / "run.json", "run") for device, run in runs.items()}
    # The same weights, images, order and draws: only rounding differs, and it grows over 70 steps.
    assert records["cuda"]["val_accuracy"] == pytest.approx(records["cpu"]["val_accuracy"], abs=0.05)
    cpu, cuda = (np.load(runs[device] / "predictions.npz")["logits"] for device in ("cpu", "cuda"))
    assert np.mean(cpu.argmax(1) == cuda.argmax(1)) > 0.9


def test_auto_takes_the_gpu(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    run = train_run(tmp_path / "run", device="auto", epochs=1)
    assert read_record(run / "run.json", "run")["device"] == "cuda"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_take_the_steps_of_one(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    runs = [train_run(tmp_path / str(n), model="tiny_cnn", device="cuda", gpus=n, **RECIPE) for n in (1, 2)]
    one, two = (np.load(run / "predictions.npz")["logits"] for run in runs)
    assert np.mean(one.argmax(1) == two.argmax(1)) > 0.9
    again = train_run(tmp_path / "again", model="tiny_cnn", device="cuda", gpus=2, **RECIPE)
    assert (again / "predictions.npz").read_bytes() == (runs[1] / "predictions.npz").read_bytes()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("rank", [0, 1])
def test_out_of_memory_on_one_of_two_gpus_both_take_smaller_batches(
    rank: int, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other waits on its GPU for gradients that do not come, and is woken."""
    record = run_needy(digits, tmp_path, monkeypatch, {"rank": rank, "most": 16}, device="cuda", batch_size=64)
    assert (record["status"], record["smaller_batches"]) == ("done", {"batch_size": 32, "accumulate": 2})


def test_a_run_has_a_device_of_its_own() -> None:
    """In a process of its own, as CUDA looks at what is visible once."""
    code = (
        "import torch; from bakeoff import leases\n"
        "with leases.leased('cuda') as lease: print(torch.cuda.device_count(), *lease.devices,"
        " torch.cuda.get_device_properties(0).uuid)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    count, leased, has = said[-3:]
    assert count == "1"
    assert leased == f"GPU-{has}"
