"""Ways to run a step on a GPU: whole-step graphs, the compiler, stacked seeds, lower precision. All learn the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bakeoff.models import registry
from bakeoff.provenance import read_record
from bakeoff.train import augment
from bakeoff.train.feed import Normalise, Part, Streams
from bakeoff.train.loop import train
from bakeoff.train.spec import Recipe
from bakeoff.train.together import train_together

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

RECIPE: dict[str, Any] = {"epochs": 2, "lr": 3e-3, "batch_size": 32}


def accuracy(run: Path) -> float:
    with np.load(run / "predictions.npz") as saved:
        return float((saved["logits"].argmax(1) == saved["y_true"]).mean())


@pytest.mark.parametrize("acceleration", ["graph", "compile", "auto"])
@pytest.mark.parametrize("model", ["lenet5", "tiny_cnn", "tiny_vit"])
def test_a_faster_step_is_the_same_step(
    tmp_path: Path, train_run: Callable[..., Path], model: str, acceleration: str
) -> None:
    runs = {
        way: train_run(tmp_path / way, model=model, device="cuda", acceleration=way, **RECIPE)
        for way in ("eager", acceleration)
    }
    first = [json.loads((run / "run.json").read_text()) for run in runs.values()]
    lines = [(run / "history.csv").read_text().splitlines()[1].split(",") for run in runs.values()]
    assert float(lines[0][3]) == pytest.approx(float(lines[1][3]), rel=1e-2)
    assert accuracy(runs["eager"]) == pytest.approx(accuracy(runs[acceleration]), abs=0.05)
    assert first[1]["steps_run_as"][0]["name"] in (acceleration, "eager", "graph")


def test_a_graph_gives_the_bits_of_the_single_operations(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    one, two = (train_run(tmp_path / way, device="cuda", acceleration=way, **RECIPE) for way in ("eager", "graph"))
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_lower_precision_learns_the_same(tmp_path: Path, train_run: Callable[..., Path], precision: str) -> None:
    full = train_run(tmp_path / "fp32", device="cuda", **RECIPE)
    fast = train_run(tmp_path / precision, device="cuda", precision=precision, **RECIPE)
    assert read_record(fast / "run.json", "run")["arithmetic"]["precision"] == precision
    assert accuracy(fast) == pytest.approx(accuracy(full), abs=0.05)


def test_data_that_streams_is_the_data_that_lies_on_the_device(tmp_path: Path, digits: Path) -> None:
    from bakeoff.train import step
    from bakeoff.train.job import Execution

    spec = {
        "dataset": read_record(digits / "manifest.json", "data")["spec"],
        "model": {"name": "lenet5", "builder": "lenet5", "options": {}},
        "augmentation": {"policy": "standard", "options": {}},
        "recipe": RECIPE,
        "device": "cuda",
        "threads": 1,
    }
    names = {"dataset": "digits", "model": "lenet5", "augmentation": "standard", "recipe": "r", "seed": 0}
    for name, execution in {"resident": Execution(), "streamed": Execution(resident_gb=1e-9, workers=2)}.items():
        step.run(spec, names, digits, tmp_path / name, "0" * 16, execution=execution)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("resident", "streamed")]
    assert weights[0] == weights[1]


def test_seeds_together_on_a_gpu_learn_what_seeds_alone_learn() -> None:
    device = torch.device("cuda")
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 2
    pixels = torch.randint(0, 120, (400, 1, 12, 12), generator=random, dtype=torch.uint8)
    pixels[labels == 0, :, :, :6] += 30
    part = Part(pixels.to(device), labels.to(device))
    streams = [Streams(2 * seed, 2 * seed + 1) for seed in range(4)]
    shared: dict[str, Any] = {
        "recipe": Recipe(epochs=3, batch_size=20, lr=3e-3, channels_last=False),
        "classes": 2,
        "make_policy": lambda size: augment.build({"policy": "standard", "options": {}}, size=size, flip=False),
        "normalise": Normalise.of([0.3], [0.3], device),
        "report": lambda _: None,
        "progress": lambda *_: None,
    }

    def nets() -> list[torch.nn.Module]:
        made = []
        for seed in range(4):
            torch.manual_seed(seed)
            made.append(registry.build({"builder": "lenet5", "options": {}}, channels=1, size=12, classes=2).to(device))
        return made

    together = train_together(nets(), part, part, streams=streams, **shared)
    alone = [train(net, part, part, streams=stream, **shared) for net, stream in zip(nets(), streams, strict=True)]
    for joint, single in zip(together, alone, strict=True):
        assert joint.history[0].train_loss == pytest.approx(single.history[0].train_loss, rel=1e-2)
        assert joint.best.val_accuracy == pytest.approx(single.best.val_accuracy, abs=0.05)
