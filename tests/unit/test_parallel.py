"""One run by two processes: the steps of one, cut off and gone on, and what cannot be shared is refused."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from needy import run_needy
from pydantic import ValidationError
from test_together import SIZE, part
from tiny import CODE, DIGITS
from torch import nn

from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.provenance import read_record
from bakeoff.train import augment
from bakeoff.train.checkpoint import Interrupted, Keeper
from bakeoff.train.feed import Feed, Normalise, Streams
from bakeoff.train.parallel import Ranks
from bakeoff.train.spec import Recipe

TrainRun = Callable[..., Path]
RECIPE: dict[str, Any] = {"epochs": 2, "batch_size": 48, "accumulate": 2, "lr": 3e-3, "ema": 0.9, "clip_grad_norm": 1.0}


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(encoding="utf-8") as file:
        return [{**line, "seconds": ""} for line in csv.DictReader(file)]


def logits(run: Path) -> Any:
    return np.load(run / "predictions.npz")["logits"]


@pytest.fixture(scope="module")
def shared(train_run: TrainRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_run(tmp_path_factory.mktemp("shared"), gpus=2, **RECIPE)


def test_two_processes_have_the_loss_curve_of_one(shared: Path, train_run: TrainRun, tmp_path: Path) -> None:
    alone = train_run(tmp_path, **RECIPE)
    for one, two in zip(history(alone), history(shared), strict=True):
        for key in ("lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy"):
            assert float(two[key]) == pytest.approx(float(one[key]), rel=1e-5, abs=1e-7), key
    assert np.abs(logits(alone) - logits(shared)).max() < 1e-4
    record = read_record(shared / "run.json", "run")
    assert record["spec"]["recipe"]["gpus"] == 2
    assert record["steps_run_as"] == [{**record["steps_run_as"][0], "reason": "several processes share each step"}]
    assert record["images_trained"] == read_record(alone / "run.json", "run")["images_trained"]
    assert not torch.distributed.is_initialized()
    assert multiprocessing.active_children() == []


def test_cut_off_and_gone_on_it_ends_with_the_same_bits(
    shared: Path, train_run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal reaches the first process alone, as Snakemake's does; within the second epoch."""
    whole_step, done = Keeper.step, 0

    def step(self: Keeper, make: Callable[[], Any]) -> None:
        nonlocal done
        done += 1
        if done == 12:
            os.kill(os.getpid(), signal.SIGTERM)
        whole_step(self, make)

    monkeypatch.setattr(Keeper, "step", step)
    with pytest.raises(Interrupted) as end:
        train_run(tmp_path, gpus=2, **RECIPE)
    assert end.value.code == 75
    assert multiprocessing.active_children() == []
    run = train_run(tmp_path, gpus=2, **RECIPE)
    assert read_record(run / "run.json", "run")["resumed"] == 1
    assert history(run) == history(shared)
    for name in ("predictions.npz", "model.safetensors"):
        assert (run / name).read_bytes() == (shared / name).read_bytes()


COMMAND = """
import json, sys
from pathlib import Path
from bakeoff.train import step
spec, names, data, out, code = json.loads(sys.argv[1])
if __name__ == "__main__":
    step.run(spec, names, Path(data), Path(out), code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
@pytest.mark.parametrize("killed", ["first", "other"])
def test_killed_neither_outlives_the_other(killed: str, digits: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(COMMAND, encoding="utf-8")
    entry = {"name": "lenet5", "builder": "lenet5", "options": {}}
    spec = {
        "dataset": DIGITS,
        "model": entry,
        "augmentation": {"name": "none", "policy": "none", "options": {}},
        "recipe": {"gpus": 2, "epochs": 100000},
        "device": "cpu",
        "threads": 1,
    }
    names = {"dataset": "digits", "model": "lenet5", "augmentation": "none", "recipe": "default", "seed": 0}
    told = json.dumps([spec, names, str(digits), str(tmp_path), CODE])
    first = subprocess.Popen([sys.executable, str(script), told], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert first.stderr is not None
    try:
        said = []
        for line in first.stderr:
            said.append(line)
            if line.startswith(b"epoch 1/"):
                break
        else:
            pytest.fail(b"".join(said).decode())
        (other,) = (child for child in children(first.pid) if b"spawn_main" in child[1])
        os.kill(first.pid if killed == "first" else other[0], signal.SIGKILL)
        words = first.stderr.read().decode()
        assert first.wait(30) == (-signal.SIGKILL if killed == "first" else 1)
        assert killed == "first" or "another process of this run failed" in words
        until = time.monotonic() + 30
        while Path(f"/proc/{other[0]}").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not Path(f"/proc/{other[0]}").exists()
    finally:
        first.kill()
        first.wait()


def children(pid: int) -> list[tuple[int, bytes]]:
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [(int(child), Path(f"/proc/{child}/cmdline").read_bytes()) for child in pids]


@pytest.mark.parametrize("workers", [0, 1])
def test_parts_of_a_batch_make_the_batch(workers: int) -> None:
    recipe, policy = Recipe(batch_size=12), augment.build({"policy": "standard", "options": {}}, size=SIZE, flip=False)

    def batches(ranks: Ranks) -> list[Any]:
        normalise = Normalise.of([0.3], [0.3], torch.device("cpu"))
        feed = Feed(part(40, 0), recipe, policy, normalise, Streams(1, 2), workers=workers, ranks=ranks)
        return list(feed.epoch(2, 1))

    parts = [batches(Ranks(rank, 3)) for rank in range(3)]
    for whole, *of in zip(batches(Ranks()), *parts, strict=True):
        for i in (0, 1):
            assert torch.equal(whole[i], torch.cat([each[i] for each in of]))


def test_masks_of_dropout_differ_between_processes_and_repeat() -> None:
    def mask(rank: int, batch: int) -> list[float]:
        torch.manual_seed(0)
        Ranks(rank, 2).draw_apart(5, 1, batch)
        return torch.rand(4).tolist()

    assert mask(1, 3) == mask(1, 3)
    assert len({tuple(mask(rank, batch)) for rank, batch in ((0, 3), (1, 3), (1, 4))}) == 3


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"batch_size": 33}, "batch_size"),
        ({"acceleration": "compile"}, "acceleration"),
        ({"class_weights": "balanced"}, "class_weights"),
        ({"tuning": {"trials": 2}}, "tuning"),
    ],
)
def test_settings_that_cannot_be_shared_are_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Recipe(gpus=2, **settings)
    assert refused.value.errors()[0]["ctx"]["key"] == key
    Recipe(**settings)


def test_what_needs_a_whole_batch_is_refused() -> None:
    two, normalise = Ranks(0, 2), Normalise.of([0.3], [0.3], torch.device("cpu"))
    net = registry.build({"builder": "tiny_cnn", "options": {"norm": "batch"}}, channels=1, size=SIZE, classes=2)
    with pytest.raises(UserError, match="batch norm"):
        two.learner(net)
    mixup = augment.build({"policy": "mixup", "options": {}}, size=SIZE, flip=False)
    with pytest.raises(UserError, match="mixes images"):
        Feed(part(40, 0), Recipe(), mixup, normalise, Streams(1, 2), ranks=two)
    with pytest.raises(UserError, match="batches of 15 images"):
        two.share(15)


def test_one_gpu_is_not_in_the_settings() -> None:
    assert "gpus" not in Recipe(gpus=1).model_dump()
    assert Recipe(gpus=2).model_dump(mode="json")["gpus"] == 2


@pytest.mark.parametrize("rank", [0, 1])
def test_out_of_memory_in_one_process_is_a_result(
    rank: int, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run_needy(digits, tmp_path, monkeypatch, {"rank": rank}, batch_size=2)
    assert (record["status"], record["epochs_done"]) == ("oom", 0)
    assert "CUDA out of memory: injected" in record["reason"]
    assert np.isnan(logits(tmp_path / "run")).all()
    assert multiprocessing.active_children() == []
    assert not torch.distributed.is_initialized()


def test_out_of_memory_in_one_process_both_take_smaller_batches(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[weakref.ref[nn.Module]] = []
    left: list[int] = []
    original = registry.build

    def build(*arguments: Any, **rest: Any) -> nn.Module:
        left.append(sum(ref() is not None for ref in built))
        net = original(*arguments, **rest)
        built.append(weakref.ref(net))
        return net

    monkeypatch.setattr(registry, "build", build)
    record = run_needy(digits, tmp_path, monkeypatch, {"most": 16}, batch_size=64)
    assert (record["status"], record["smaller_batches"]) == ("done", {"batch_size": 32, "accumulate": 2})
    assert left[1] == 0  # the net that was too large is gone before the next attempt
    assert record["images_trained"] == 256
