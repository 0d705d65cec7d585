"""Out of memory: the same step of smaller batches, or a result that says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_checkpoint import NAMES, SPEC, files_of
from tiny import CODE
from torch import Tensor, nn

from bakeoff.models import registry
from bakeoff.train import checkpoint, step

TrainRun = Callable[..., Path]


class Needy(nn.Module):
    """Takes no more than `most` images in training."""

    def __init__(self, most: int, error: type[BaseException], *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(144, 10))
        self.most, self.error = most, error

    def forward(self, images: Tensor) -> Tensor:
        if self.training and len(images) > self.most:
            raise self.error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        logits: Tensor = self.layers(images)
        return logits


def run_needy(train_run: TrainRun, out: Path, patch: pytest.MonkeyPatch, *needs: Any) -> Any:
    def build(*_: Any, **__: Any) -> nn.Module:
        torch.manual_seed(0)
        return Needy(*needs)

    patch.setattr(registry, "build", build)
    return files_of(train_run(out, epochs=2, batch_size=64, train_images=256, augmentation="none"))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_out_of_memory_the_same_step_is_made_of_smaller_batches(
    error: type[BaseException], tmp_path: Path, train_run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _, expected, _ = run_needy(train_run, tmp_path / "whole", monkeypatch, 64, error)
    record, _, logits, _ = run_needy(train_run, tmp_path / "small", monkeypatch, 20, error)
    assert (whole["smaller_batches"], record["status"]) == (None, "done")
    assert record["smaller_batches"] == {"batch_size": 16, "accumulate": 4}
    assert record["images_trained"] == whole["images_trained"]
    assert np.abs(logits - expected).max() < 1e-4


@pytest.mark.parametrize(("most", "layers"), [(20, [nn.BatchNorm2d(1)]), (1, [])], ids=["batch norm", "no size fits"])
def test_out_of_memory_for_good_is_a_result(
    most: int, layers: list[nn.Module], tmp_path: Path, train_run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, history, logits, _ = run_needy(train_run, tmp_path, monkeypatch, most, MemoryError, *layers)
    assert (record["status"], record["epochs_done"], record["val_accuracy"]) == ("oom", 0, None)
    assert ("batch norm" in record["reason"]) == bool(layers)
    assert "lower batch_size or image_size for all models" in record["reason"]
    assert len(history) == 1
    assert np.isnan(logits).all()


def test_seeds_that_do_not_fit_together_follow_each_other(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def together(*_: Any, keep: Callable[..., None], **__: Any) -> None:
        checkpoint.Keeper.save(keep.__self__, {"epoch": 1, "batch": 1})  # type: ignore[attr-defined]
        raise torch.OutOfMemoryError("CUDA out of memory")

    places = {name: {seed: tmp_path / name / str(seed) for seed in (0, 1)} for name in ("alone", "together")}
    step.run_seeds(SPEC, NAMES, digits, places["alone"], CODE)
    monkeypatch.setattr(step, "_at_once", lambda *_: True)
    monkeypatch.setattr(step, "fit_together", together)
    step.run_seeds(SPEC, NAMES, digits, places["together"], CODE)
    said = capsys.readouterr().err
    assert "out of memory: 2 seeds follow each other" in said
    assert "not used" not in said
    for seed in (0, 1):
        one, other = (places[name][seed] / "model.safetensors" for name in places)
        assert one.read_bytes() == other.read_bytes()


def test_other_faults_are_none(tmp_path: Path, train_run: TrainRun, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(RuntimeError):
        def __init__(self, text: str) -> None:
            super().__init__("shapes do not fit")

    with pytest.raises(Wrong):
        run_needy(train_run, tmp_path, monkeypatch, 20, Wrong)
