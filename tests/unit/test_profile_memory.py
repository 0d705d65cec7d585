"""Peak memory: of nets whose need is known, in processes of their own, and what is said where it cannot be measured."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bakeoff.profile import memory
from bakeoff.profile.spec import ProfileSpec, TrainingStep

RESETTABLE = Path("/proc/self/clear_refs").exists()
MILLION = 1_000_000


def job(**changes: Any) -> ProfileSpec:
    model = {"name": "resnet18", "builder": "torchvision/resnet18", "options": {}}
    settings = {"model": model, "input": (3, 32, 32), "classes": 10, "device": "cpu"}
    return ProfileSpec.model_validate({**settings, "training": {"batch_size": 8}, **changes})


class Hungry(nn.Module):
    """40 MB of weights, and 80 MB more while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(10 * MILLION))

    def forward(self, images: Tensor) -> Tensor:
        return torch.ones(20 * MILLION).sum() + images


def one_pass(net: nn.Module) -> Any:
    return lambda: net(torch.zeros(1, 1, 2, 2))


@pytest.mark.skipif(not RESETTABLE, reason="peak memory can be reset on Linux only")
def test_the_peak_is_the_model_and_its_activations_and_no_earlier_peak() -> None:
    torch.ones(100 * MILLION)  # 400 MB, gone before the measurement
    for _ in range(2):
        used = memory.of_process(Hungry, one_pass)
        assert used.peak_mb == pytest.approx(120, abs=5)
        assert used.total_mb is not None
        assert used.total_mb > used.peak_mb
        assert used.how is not None
        assert "VmHWM, reset" in used.how


def test_where_the_peak_cannot_be_reset_the_record_says_upper_bound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "absent" / "status")
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "absent" / "clear_refs")
    used = memory.of_process(Hungry, one_pass)
    assert used.peak_mb is not None
    assert used.peak_mb >= 0
    assert used.how is not None
    assert "upper bound" in used.how


def test_a_failure_inside_is_a_reason() -> None:
    def fail(net: nn.Module) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory\nsecond line")

    used = memory.of_process(Hungry, fail)
    assert (used.peak_mb, used.reason) == (None, "DefaultCPUAllocator: can't allocate memory")


@pytest.mark.skipif(not RESETTABLE, reason="peak memory can be reset on Linux only")
def test_fresh_processes_measure_inference_and_training() -> None:
    measure = memory.FreshProcesses(job())
    weights = 44.7  # MB of ResNet-18 with ten classes
    one, many, step = measure.inference(1), measure.inference(64), measure.training()
    assert one.peak_mb == pytest.approx(weights, abs=8)
    assert many.peak_mb is not None
    assert many.peak_mb > weights + 64 * 3 * 32 * 32 * 4 / 1e6
    # Weights, their gradients, and AdamW's two moments.
    assert step.peak_mb is not None
    assert 4 * weights < step.peak_mb < 5.5 * weights


@pytest.mark.parametrize(("optimizer", "numbers"), [("sgd", 1), ("adam", 2), ("adamw", 2), ("lamb", 2)])
def test_the_optimizer_keeps_as_much_as_that_of_training(optimizer: Any, numbers: int) -> None:
    step = TrainingStep(batch_size=4, optimizer=optimizer)
    net = nn.Linear(50, 50)
    stepping = memory._optimizer(step, net)
    net(torch.ones(1, 50)).sum().backward()
    stepping.step()
    kept = [value for state in stepping.state.values() for value in state.values() if isinstance(value, torch.Tensor)]
    assert sum(value.numel() for value in kept if value.numel() > 1) == numbers * 2550


def test_what_is_not_measured_has_a_reason() -> None:
    without = memory.FreshProcesses(job(training=None)).training()
    assert (without.peak_mb, without.reason) == (None, "measured with eager")
    compiled = memory.FreshProcesses(job(backend="compile")).inference(1)
    assert compiled.peak_mb is None
    assert compiled.reason is not None
    assert "compile" in compiled.reason


def end_violently(answer: Connection, job: ProfileSpec, what: tuple[str, int]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def end_without_answer(answer: Connection, job: ProfileSpec, what: tuple[str, int]) -> None:
    os._exit(3)


@pytest.mark.parametrize(
    ("target", "reason"),
    [(end_violently, "more than there is: the system ended the process"), (end_without_answer, "exit status 3")],
)
def test_a_process_that_dies_is_a_reason(monkeypatch: pytest.MonkeyPatch, target: Any, reason: str) -> None:
    monkeypatch.setattr(memory, "_in_fresh_process", target)
    used = memory.FreshProcesses(job()).inference(1)
    assert (used.peak_mb, used.reason) == (None, reason)


def test_the_servers_threads_leave_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with memory._one_thread():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_room_is_what_is_free() -> None:
    assert 50 * MILLION < memory.room("cpu") < 10**15
