"""Checkpoints: training that is cut off goes on to the very bits it would have had."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_together import SIZE, part
from tiny import CODE, DIGITS
from torch import nn

from bakeoff.models import registry
from bakeoff.provenance import read_record
from bakeoff.train import augment, job, step, tuning
from bakeoff.train.checkpoint import Interrupted, Keeper, State
from bakeoff.train.feed import Normalise, Streams
from bakeoff.train.loop import Outcome, train
from bakeoff.train.spec import Recipe
from bakeoff.train.together import train_together

TrainRun = Callable[..., Path]


class Cut(Exception):
    """The process ended here."""


def stop_after(path: Path, steps: int) -> Callable[[Callable[[], State]], None]:
    """Write the state after so many steps, as a keeper does, and end."""
    keeper, done = Keeper(path, {}), 0

    def keep(make: Callable[[], State]) -> None:
        nonlocal done
        done += 1
        if done == steps:
            keeper.save(make())
            raise Cut

    return keep


def net_of(builder: str, options: dict[str, Any]) -> nn.Module:
    torch.manual_seed(7)
    if builder == "dropout":
        layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(3)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(36, 2))
    return registry.build({"builder": builder, "options": options}, channels=1, size=SIZE, classes=2)


def once(net: nn.Module, recipe: Recipe, policy: str, workers: int = 0, **rest: Any) -> Outcome:
    return train(
        net,
        part(40, 0),
        part(30, 1),
        recipe=recipe,
        classes=2,
        make_policy=lambda size: augment.build({"policy": policy, "options": {}}, size=size, flip=False),
        normalise=Normalise.of([0.3], [0.3], torch.device("cpu")),
        streams=Streams(1, 2),
        report=lambda _: None,
        progress=lambda *_: None,
        workers=workers,
        **rest,
    )


def timeless(outcome: Outcome) -> list[Any]:
    lines = [{**asdict(line), "seconds": None} for line in outcome.history]
    return [lines, outcome.images, outcome.diverged, outcome.stopped_early]


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


PHASES = [{"size": 12, "epochs": 2}, {"size": 16, "epochs": 1}]
CASES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "adamw": ("lenet5", {}, "standard", {}),
    "batch norm": ("tiny_cnn", {"norm": "batch"}, "none", {"optimizer": "sgd", "lr": 0.05}),
    "dropout and mixing": ("dropout", {}, "mixup", {"label_smoothing": 0.1}),
    "average and accumulation": ("tiny_cnn", {"norm": "batch"}, "standard", {"ema": 0.9, "accumulate": 2}),
    "plateau": (
        "lenet5",
        {},
        "none",
        {"epochs": 4, "schedule": "plateau", "patience": 1, "lr": 0.5, "optimizer": "sgd"},
    ),
    "phases": ("dropout", {}, "standard", {"phases": PHASES, "epochs": 3, "schedule": "plateau", "patience": 1}),
    "early stopping": ("lenet5", {}, "none", {"early_stopping": 1, "lr": 1e-9, "epochs": 6}),
    "lamb, clipping": ("lenet5", {}, "none", {"optimizer": "lamb", "clip_grad_norm": 0.5, "class_weights": "balanced"}),
    "diverged": ("lenet5", {}, "none", {"lr": 1e30, "optimizer": "sgd"}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_goes_on_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    """Cut off within an epoch, at its end and between its phases; the other process has drawn other numbers before."""
    builder, options, policy, settings = CASES[name]
    recipe = Recipe(**{"epochs": 3, "batch_size": 10, "lr": 3e-3, "warmup_epochs": 1, **settings})
    whole = net_of(builder, options)
    expected, random = once(whole, recipe, policy), torch.get_rng_state()
    for steps in (1, 3, 5, 7, 12, 17):
        path = tmp_path / f"{steps}.pt"
        try:
            once(net_of(builder, options), recipe, policy, keep=stop_after(path, steps))
        except Cut:
            net = net_of(builder, options)
            torch.rand(steps)
            outcome = once(net, recipe, policy, resume=Keeper(path, {}).take())
            assert repr(timeless(outcome)) == repr(timeless(expected)), steps  # NaN is not equal to itself
            assert same_weights(net, whole), steps
            assert expected.ended or torch.equal(torch.get_rng_state(), random), steps
            assert len(outcome.steps_run_as) == len(expected.steps_run_as)
    assert (tmp_path / "1.pt").exists()


def test_a_streamed_run_goes_on_with_the_same_images(tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=10)
    whole, net = net_of("lenet5", {}), net_of("lenet5", {})
    once(whole, recipe, "standard", workers=1)
    with pytest.raises(Cut):
        once(net_of("lenet5", {}), recipe, "standard", workers=1, keep=stop_after(tmp_path / "c.pt", 2))
    once(net, recipe, "standard", workers=1, resume=Keeper(tmp_path / "c.pt", {}).take())
    assert same_weights(net, whole)


def two_nets() -> list[nn.Module]:
    return [net_of("tiny_cnn", {"norm": "batch"}) for _ in range(2)]


def together(nets: list[nn.Module], **rest: Any) -> list[Outcome]:
    return train_together(
        nets,
        part(40, 0),
        part(30, 1),
        recipe=Recipe(epochs=3, batch_size=10),
        classes=2,
        make_policy=lambda size: augment.build({"policy": "standard", "options": {}}, size=size, flip=False),
        normalise=Normalise.of([0.3], [0.3], torch.device("cpu")),
        streams=[Streams(1, 2), Streams(3, 4)],
        report=lambda _: None,
        progress=lambda *_: None,
        **rest,
    )


@pytest.mark.parametrize("steps", [2, 5, 8])
def test_seeds_together_go_on_with_the_same_bits(steps: int, tmp_path: Path) -> None:
    whole, nets = two_nets(), two_nets()
    expected = together(whole)
    with pytest.raises(Cut):
        together(two_nets(), keep=stop_after(tmp_path / "c.pt", steps))
    outcomes = together(nets, resume=Keeper(tmp_path / "c.pt", {}).take())
    assert [timeless(outcome) for outcome in outcomes] == [timeless(outcome) for outcome in expected]
    assert all(same_weights(*pair) for pair in zip(nets, whole, strict=True))


# --- the file


class Reader:
    """What unpickles into a call: the file that a stranger sends."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch was_run",)


def summed(data: bytes) -> bytes:
    return data + zlib.crc32(data).to_bytes(4, "big")


def kept(path: Path, **state: Any) -> None:
    Keeper(path, {"code": "a"}).save({"epoch": 2, "batch": 3, **state})


def test_only_the_state_of_the_same_work_is_gone_on_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "checkpoint.pt"
    kept(path, tensors=[torch.ones(2)])
    other = Keeper(path, {"code": "b"})
    assert (other.take(), other.resumed) == (None, 0)
    assert "other settings, code or versions" in capsys.readouterr().err
    same = Keeper(path, {"code": "a"})
    state = same.take()
    assert state is not None
    assert (state["epoch"], same.resumed, same.take()) == (2, 1, None)


@pytest.mark.parametrize("harm", ["cut", "empty", "flipped", "text", "pickle"])
def test_a_broken_file_is_said_and_not_used(
    harm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.pt"
    kept(path)
    good = path.read_bytes()
    path.write_bytes(
        {
            "cut": good[: len(good) // 2],
            "empty": b"",
            "flipped": bytes([*good[:400], good[400] ^ 1, *good[401:]]),
            "text": b"no checkpoint\n",
            "pickle": summed(pickle.dumps({"key": Reader(), "before": [], "resumed": 0, "state": {}}, protocol=2)),
        }[harm]
    )
    assert Keeper(path, {"code": "a"}).take() is None
    assert "is broken and not used" in capsys.readouterr().err
    assert not (tmp_path / "was_run").exists()


def test_a_disk_that_is_full_costs_the_checkpoint_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    path = tmp_path / "checkpoint.pt"
    kept(path)
    before = path.read_bytes()
    (tmp_path / f".checkpoint.pt.{os.getpid()}.part.pt").symlink_to("/dev/full")
    kept(path, tensors=[torch.ones(100_000)])
    assert "could not be written" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_states_are_written_when_due_and_removed_with_what_a_killed_process_left(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    (tmp_path / ".checkpoint.pt.99.part.pt").touch()
    with Keeper(path, {}, seconds=3600) as keeper:
        keeper.step(lambda: pytest.fail("was made though it is not due"))
        keeper.seconds = 0
        keeper.step(lambda: {"epoch": 1, "batch": 1})
    assert path.exists()
    keeper.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_at_the_next_step_with_the_state_written(
    number: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with Keeper(tmp_path / "checkpoint.pt", {}) as keeper:
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted) as ended:
            keeper.step(lambda: {"epoch": 4, "batch": 2})
    assert ended.value.code == 75
    assert f"interrupted by {number.name}; the same command goes on" in capsys.readouterr().out
    assert signal.getsignal(number) is before
    state = Keeper(tmp_path / "checkpoint.pt", {}).take()
    assert state == {"epoch": 4, "batch": 2}


# --- runs


def cut_in_training(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Send SIGTERM to this process when so many steps are done, of all trainings that follow."""
    original, done = Keeper.step, 0

    def counting(self: Keeper, make: Callable[[], State]) -> None:
        nonlocal done
        done += 1
        if done == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, make)

    monkeypatch.setattr(Keeper, "step", counting)


def files_of(run: Path) -> tuple[dict[str, Any], list[str], Any, bytes]:
    record = json.loads((run / "run.json").read_text())
    history = [line.rpartition(",")[0] for line in (run / "history.csv").read_text().splitlines()]
    return record, history, np.load(run / "predictions.npz")["logits"], (run / "model.safetensors").read_bytes()


def test_an_interrupted_run_leaves_its_state_and_the_next_ends_it(
    tmp_path: Path, train_run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {"epochs": 3, "batch_size": 64, "train_images": 320}
    _, history, logits, weights = files_of(train_run(tmp_path / "quiet", **recipe))
    with monkeypatch.context() as patch:
        cut_in_training(patch, 8)
        with pytest.raises(Interrupted):
            train_run(tmp_path / "run", **recipe)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint.pt"]
    record, *rest = files_of(train_run(tmp_path / "run", **recipe))
    assert (record["status"], record["resumed"]) == ("done", 1)
    assert not (tmp_path / "run/checkpoint.pt").exists()
    assert rest[0] == history
    assert np.array_equal(rest[1], logits)
    assert rest[2] == weights


SPEC: dict[str, Any] = {
    "dataset": DIGITS,
    "model": {"name": "lenet5", "builder": "lenet5", "options": {}},
    "augmentation": {"name": "none", "policy": "none", "options": {}},
    "recipe": {"epochs": 2, "batch_size": 64, "train_images": 256},
    "device": "cpu",
    "threads": 1,
}
NAMES = {"dataset": "digits", "model": "lenet5", "augmentation": "none", "recipe": "default"}


def test_of_several_seeds_in_a_job_those_that_are_done_are_not_trained_again(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {seed: tmp_path / f"seed{seed}" for seed in (0, 1)}
    with monkeypatch.context() as patch:
        cut_in_training(patch, 12)  # 10 a run
        with pytest.raises(Interrupted):
            step.run_seeds(SPEC, NAMES, digits, folders, CODE)
    before = files_of(folders[0])
    for name in ("run.json", "history.csv", "predictions.npz", "model.safetensors"):
        (folders[0] / name).unlink()  # as Snakemake does with the outputs of a job that failed
    monkeypatch.setattr(job, "train", counted := Counted(job.train))
    step.run_seeds(SPEC, NAMES, digits, folders, CODE)
    assert counted.steps == [0, 8]
    assert files_of(folders[0])[3] == before[3]
    assert not list(tmp_path.rglob("checkpoint*"))


class Counted:
    """Training that counts the ends of steps and epochs of each run."""

    def __init__(self, train: Callable[..., Outcome]) -> None:
        self._train = train
        self.steps: list[int] = []

    def __call__(self, *arguments: Any, keep: Callable[..., None], **rest: Any) -> Outcome:
        self.steps.append(0)

        def counting(make: Callable[[], State]) -> None:
            self.steps[-1] += 1
            keep(make)

        return self._train(*arguments, keep=counting, **rest)


def test_a_search_goes_on_at_the_trial_it_was_at(tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {**SPEC, "recipe": {**SPEC["recipe"], "tuning": {"trials": 3}}}

    def found(folder: str) -> list[dict[str, Any]]:
        record = read_record(tuning.run(spec, NAMES, digits, tmp_path / folder, CODE), "tuning")
        return [{**trial, "seconds": None} for trial in record["trials"]]

    expected = found("quiet")
    with monkeypatch.context() as patch:
        cut_in_training(patch, 17)  # in the second trial
        with pytest.raises(Interrupted):
            found("cut")
    monkeypatch.setattr(job, "train", counted := Counted(job.train))
    assert found("cut") == expected
    assert counted.steps == [3, 10]
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["tuning.json"]


def test_another_thread_trains_without_signals(tmp_path: Path) -> None:
    """Only the main one may set what a signal does."""
    entered: list[Keeper] = []

    def work() -> None:
        with Keeper(tmp_path / "c.pt", {}) as keeper:
            entered.append(keeper)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered
