"""Precision, memory order, and an allocator that keeps what it has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_training import fit, linear, weights
from torch import nn

from bakeoff.errors import UserError
from bakeoff.train import arithmetic
from bakeoff.train.spec import Recipe

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    flash = torch.backends.cuda.flash_sdp_enabled()
    yield
    torch.backends.cuda.enable_flash_sdp(flash)


def test_tf32_on_a_cpu_is_the_users_mistake(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"precision: tf32 is an arithmetic of GPUs .* set fp32 or bf16"):
        train_run(tmp_path / "run", precision="tf32")
    assert not (tmp_path / "run").exists()


def test_bf16_trains_and_is_recorded(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    runs = {
        precision: train_run(tmp_path / precision, precision=precision, epochs=2, batch_size=32, lr=3e-3)
        for precision in ("bf16", "fp32")
    }
    records = {precision: json.loads((run / "run.json").read_text()) for precision, run in runs.items()}
    assert records["bf16"]["status"] == "done"
    assert records["bf16"]["arithmetic"]["precision"] == "bf16"
    assert isinstance(records["bf16"]["arithmetic"]["native_bf16"], bool)
    assert records["fp32"]["arithmetic"] == {
        "precision": "fp32",
        "channels_last": True,
        "deterministic": True,
        "native_bf16": None,
    }
    assert records["bf16"]["val_accuracy"] > 0.5
    assert records["bf16"]["val_accuracy"] == pytest.approx(records["fp32"]["val_accuracy"], abs=0.1)


class Dtypes(nn.Module):
    """A linear classifier that remembers which numbers it computed with."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(16, 2)
        self.seen: set[torch.dtype] = set()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear(images.flatten(1))
        self.seen.add(logits.dtype)
        return logits


def test_bf16_is_for_layers_while_weights_stay_fp32() -> None:
    net = Dtypes()
    fit(net, precision="bf16", epochs=1)
    assert net.seen == {torch.bfloat16}  # in training and in validation
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
    fit(other := Dtypes(), epochs=1)
    assert other.seen == {torch.float32}


def test_channels_last_is_the_memory_order_of_convolutions() -> None:
    for wanted in (True, False):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
        arithmetic.in_order(net, Recipe(channels_last=wanted))
        assert net[0].weight.is_contiguous(memory_format=torch.channels_last) == wanted


FRESH_PROCESS = """
import hashlib, sys, torch
from bakeoff.train import arithmetic
if sys.argv[1] == "keep":
    assert arithmetic.keep_freed_memory()
torch.set_num_threads(1)
torch.manual_seed(0)
net = torch.nn.Sequential(
    torch.nn.Conv2d(3, 16, 3), torch.nn.BatchNorm2d(16), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(14400, 5)
)
for step in range(4):
    loss = net(torch.rand(32, 3, 32, 32)).square().mean()
    loss.backward()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter -= 0.1 * parameter.grad
            parameter.grad = None
digest = hashlib.sha256()
for tensor in net.state_dict().values():
    digest.update(tensor.numpy().tobytes())
print(digest.hexdigest())
"""


def test_keeping_memory_changes_no_bit() -> None:
    kept = arithmetic.keep_freed_memory()
    assert isinstance(kept, bool)
    if not kept:
        pytest.skip("the C library here has no mallopt")
    outputs = [
        subprocess.run(
            [sys.executable, "-c", FRESH_PROCESS, how], capture_output=True, text=True, check=True
        ).stdout.strip()
        for how in ("keep", "as it is")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 64


@pytest.mark.parametrize("failing", [OSError("no such library"), AttributeError("mallopt"), TypeError("no name")])
def test_another_c_library_is_no_error(monkeypatch: pytest.MonkeyPatch, failing: Exception) -> None:
    def refuse(_: Any) -> Any:
        raise failing

    monkeypatch.setattr(arithmetic.ctypes, "CDLL", refuse)
    assert arithmetic.keep_freed_memory() is False


def test_set_up_on_a_cpu_changes_no_result() -> None:
    before, after = linear(), linear()
    fit(before, epochs=2)
    arithmetic.set_up(Recipe(), CPU)
    fit(after, epochs=2)
    assert all(torch.equal(tensor, weights(after)[name]) for name, tensor in weights(before).items())


def test_describe_names_what_was_used() -> None:
    assert arithmetic.describe(Recipe(channels_last=False, deterministic=False), CPU) == {
        "precision": "fp32",
        "channels_last": False,
        "deterministic": True,
        "native_bf16": None,
    }
