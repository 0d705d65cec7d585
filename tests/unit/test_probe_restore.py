"""A restored network is the trained one, bit for bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bakeoff.errors import Refused, UserError
from bakeoff.probe.restore import restore

RECIPE: dict[str, Any] = {"epochs": 1, "batch_size": 64, "train_images": 200}


@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        ("lenet5", {}),
        ("tiny_vit", {"channels_last": False}),
        ("timm/resnet18", {}),
        ("tiny_cnn", {"precision": "bf16"}),
    ],
)
def test_it_gives_the_runs_own_predictions(
    tmp_path: Path, digits: Path, train_run: Callable[..., Path], model: str, recipe: dict[str, Any]
) -> None:
    run = train_run(tmp_path, model=model, **RECIPE, **recipe)
    restored = restore(run, digits)
    with torch.inference_mode():
        logits = torch.cat([restored(batch) for batch in torch.split(restored.pixels("test"), 256)])
    with np.load(run / "predictions.npz") as predictions:
        assert np.array_equal(logits.numpy(), predictions["logits"])


def test_what_does_not_belong_together_is_refused(tmp_path: Path, digits: Path, train_run: Callable[..., Path]) -> None:
    run = train_run(tmp_path / "run", **RECIPE)
    other = shutil.copytree(digits, tmp_path / "data")
    (other / "test_pixels.npy").write_bytes(b"no array")
    with pytest.raises(Refused, match=r"is not the file that manifest\.json describes"):
        restore(run, other)
    (run / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"is not the file that run\.json describes"):
        restore(run, digits)
