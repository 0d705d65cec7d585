"""Training: the loop, and the files of a run."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn

from bakeoff.data import arrays
from bakeoff.device import gpu_name, prepare_device
from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.provenance import check_files, read_record
from bakeoff.train import job, progress
from bakeoff.train.feed import Normalise, Part, Streams
from bakeoff.train.loop import Epoch, Outcome, predict, train
from bakeoff.train.policies import none
from bakeoff.train.spec import Recipe
from bakeoff.train.update import Loss

TrainRun = Callable[..., Path]
LINEAR = {"optimizer": "sgd", "momentum": 0, "weight_decay": 0, "schedule": "constant", "warmup_epochs": 0}


@pytest.mark.parametrize(
    "wrong", [{"train_images": 1}, {"batch_size": 1}, {"lr": math.inf}, {"lr": 0}, {"epochs": 0}, {"nonsense": 1}]
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Recipe(**wrong)


AS_IT_IS = Normalise.of([0.0], [1 / 255], torch.device("cpu"))

# --- the loop


def fit(net: nn.Module, part: Part | None = None, report: Callable[[Epoch], None] | None = None, **recipe: Any) -> Any:
    """Train on 20 images of two classes, or on `part`; validation on the same."""
    part = part or two_classes()
    return train(
        net,
        part,
        part,
        recipe=Recipe(**{"epochs": 2, "batch_size": 5, **recipe}),
        classes=2,
        make_policy=lambda size: none.build(size, False),
        normalise=AS_IT_IS,
        streams=Streams(1, 2),
        report=report or (lambda _: None),
        progress=lambda *_: None,
    )


def two_classes(n: int = 20) -> Part:
    random = torch.Generator().manual_seed(0)
    return Part(torch.randint(0, 2, (n, 1, 4, 4), generator=random, dtype=torch.uint8), torch.arange(n) % 2)


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize(
    ("loss_and_accuracy", "best"),
    [
        ([(0.9, 0.5), (0.8, 0.7), (0.1, 0.6)], 2),  # accuracy first
        ([(0.9, 0.5), (0.8, 0.7), (0.5, 0.7), (0.6, 0.7)], 3),  # then loss
        ([(0.8, 0.7), (0.8, 0.7), (0.9, 0.7)], 1),  # then the earliest
        ([(2.0, 0.0), (2.5, 0.0)], 1),
    ],
)
def test_the_best_epochs_weights_are_kept(
    monkeypatch: pytest.MonkeyPatch, loss_and_accuracy: list[tuple[float, float]], best: int
) -> None:
    script = iter(loss_and_accuracy)
    monkeypatch.setattr(Loss, "assess", lambda *_: next(script))
    net, snapshots = linear(), []
    outcome = fit(net, report=lambda _: snapshots.append(weights(net)), epochs=len(loss_and_accuracy), lr=0.1)
    assert outcome.best == outcome.history[best - 1]
    assert outcome.best.epoch == best
    for name, tensor in net.state_dict().items():
        assert [torch.equal(tensor, snapshot[name]) for snapshot in snapshots].index(True) == best - 1


def test_a_diverged_run_keeps_its_best_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    script = iter([(0.8, 0.7), (math.nan, 0.5)])
    monkeypatch.setattr(Loss, "assess", lambda *_: next(script))
    outcome = fit(linear(), epochs=5)
    assert outcome.diverged == "the validation loss of epoch 2 is not finite"
    assert len(outcome.history) == 2
    assert outcome.best == outcome.history[0]


def test_the_losses_are_those_of_the_net() -> None:
    """With a rate of nearly zero the history can be worked out beforehand; smoothing is for training only."""
    net, part = linear(), two_classes()
    with torch.inference_mode():
        logits = net(AS_IT_IS(part.pixels))
    line = fit(net, lr=1e-30, label_smoothing=0.4, **LINEAR).history[0]
    smoothed = F.cross_entropy(logits, part.labels, label_smoothing=0.4)
    assert line.train_loss == pytest.approx(float(smoothed), rel=1e-6)
    assert line.val_loss == pytest.approx(float(F.cross_entropy(logits, part.labels)), rel=1e-6)
    assert line.val_loss != pytest.approx(line.train_loss, rel=1e-3)
    assert line.train_accuracy == line.val_accuracy == int((logits.argmax(1) == part.labels).sum()) / 20


def test_clipping_bounds_the_step() -> None:
    def step_length(**recipe: Any) -> float:
        net = linear()
        before = torch.cat([p.detach().flatten().clone() for p in net.parameters()])
        fit(net, epochs=1, batch_size=20, lr=1.0, **LINEAR, **recipe)
        return float(torch.dist(before, torch.cat([p.detach().flatten() for p in net.parameters()])))

    free = step_length()
    assert free > 0.1
    assert step_length(clip_grad_norm=0.1) == pytest.approx(0.1, rel=1e-4)
    assert step_length(clip_grad_norm=100) == pytest.approx(free, rel=1e-6)


def test_a_batch_larger_than_the_data_is_all_of_the_data() -> None:
    outcome = fit(linear(), epochs=3, batch_size=1000)
    assert (outcome.images, len(outcome.history)) == (60, 3)


def test_a_last_smaller_batch_is_left_out() -> None:
    assert fit(linear(), epochs=3, batch_size=8).images == 3 * 16


def test_validation_leaves_batch_norm_alone() -> None:
    torch.manual_seed(0)
    net = registry.build(
        {"builder": "tiny_cnn", "options": {"width": 4, "norm": "batch"}}, channels=1, size=4, classes=2
    )
    outcome = fit(net, epochs=4)
    tracked = net.state_dict()["1.num_batches_tracked"]
    assert tracked == outcome.best.epoch * 4
    before = weights(net)
    predict(net, two_classes(), AS_IT_IS, Recipe())
    assert not net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_predictions_do_not_depend_on_the_batch_size() -> None:
    net, part = linear(), two_classes(50)
    whole, parts = (predict(net, part, AS_IT_IS, Recipe(), batch_size=size) for size in (50, 7))
    assert whole.shape == (50, 2)
    assert torch.allclose(whole, parts, atol=1e-6)


def test_pixels_are_normalised_a_channel() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (100, 3, 4, 4), dtype=np.uint8)
    mean, std = (getattr(np, name)(pixels / 255, axis=(0, 2, 3)) for name in ("mean", "std"))
    got = Normalise.of(mean.tolist(), std.tolist(), torch.device("cpu"))(torch.from_numpy(pixels))
    assert got.dtype == torch.float32
    assert got.mean((0, 2, 3)).numpy() == pytest.approx([0, 0, 0], abs=1e-5)
    assert got.std((0, 2, 3), correction=0).numpy() == pytest.approx([1, 1, 1], abs=1e-5)


# --- what a run tells


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    hand = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: hand.now))
    return hand


def line_of(epoch: int) -> Epoch:
    return Epoch(epoch, "train", 1e-3, 0.5, 0.75, 0.25, 0.875, seconds=20.0)


def test_news_come_now_and_then_with_the_time_left(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    told = progress.Progress("digits lenet5", epochs=10)
    clock.now += 500  # importing, building: no part of the time left
    told.batch(0, 1000)
    for seen in range(100, 1001, 100):
        clock.now += 2.5
        told.batch(seen, 1000)
    assert capsys.readouterr().out == "digits lenet5: epoch 1/10, 40 images/s, 3:50 left\n"
    clock.now += 5  # validation
    told.epoch(line_of(1))
    assert capsys.readouterr().err == (
        "epoch 1/10  loss 0.5000  accuracy 0.7500  val loss 0.2500  val accuracy 0.8750  50 images/s  4:30 left\n"
    )
    told.batch(0, 1000)
    clock.now += 15
    told.batch(500, 1000)
    news = "digits lenet5: epoch 2/10, 33 images/s, 4:15 left, loss 0.500, val accuracy 0.8750\n"
    assert capsys.readouterr() == (news, news)


def test_the_last_epoch_has_nothing_left(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    told = progress.Progress("x", epochs=1)
    told.batch(0, 10)
    clock.now += 9999
    told.epoch(line_of(1))
    assert capsys.readouterr().err.endswith(" 0:00 left\n")
    told.end("val accuracy 0.9")
    assert capsys.readouterr() == ("x: val accuracy 0.9\n", "val accuracy 0.9\n")


# --- a run


def history_of(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def record_of(run: Path) -> dict[str, Any]:
    """The record, whose JSON and whose files are checked."""
    text = (run / "run.json").read_text()

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    json.loads(text, parse_constant=refuse)
    record = read_record(run / "run.json", "run")
    check_files(run / "run.json", record)
    assert set(record["files"]) == {"predictions.npz", "history.csv", "model.safetensors"}
    return record


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, train_run: TrainRun) -> Path:
    """One run of three epochs, not to be changed; it warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return train_run(tmp_path_factory.mktemp("run") / "run", epochs=3, lr=3e-3, batch_size=32)


def test_the_files_of_a_run(run: Path, digits: Path) -> None:
    record, history, saved = record_of(run), history_of(run), np.load(run / "predictions.npz")
    assert sorted(path.name for path in run.iterdir()) == sorted([*record["files"], "run.json"])
    assert (record["status"], record["reason"], record["epochs"], record["epochs_done"]) == ("done", None, 3, 3)
    assert (record["n_train"], record["n_val"], record["n_test"]) == (1146, 202, 449)
    assert (record["device"], record["threads"], record["environment"]["gpu"]) == ("cpu", 1, None)
    assert ",".join(history[0]) == "epoch,phase,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds"
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    seconds = sum(float(row["seconds"]) for row in history)
    assert record["train_seconds"] == pytest.approx(seconds, abs=1e-3)
    assert record["images_per_second"] == pytest.approx(3 * (1146 // 32 * 32) / seconds, rel=1e-2)
    for prefix, part in (("", arrays.load(digits, "test")), ("val_", arrays.load(digits, "val"))):
        assert np.array_equal(saved[f"{prefix}example_id"], part.ids)
        assert np.array_equal(saved[f"{prefix}y_true"], part.labels)
        assert saved[f"{prefix}logits"].shape == (len(part), 10)
        assert saved[f"{prefix}logits"].dtype == np.float32


def test_predictions_are_those_of_the_saved_weights_of_the_best_epoch(run: Path, digits: Path) -> None:
    record, history, saved = record_of(run), history_of(run), np.load(run / "predictions.npz")
    net = registry.build({"builder": "lenet5", "options": {}}, channels=1, size=12, classes=10)
    net.load_state_dict(load_file(run / "model.safetensors"))
    manifest = read_record(digits / "manifest.json", "data")
    normalise = Normalise.of(manifest["mean"], manifest["std"], torch.device("cpu"), channels_last=True)
    net.to(memory_format=torch.channels_last)
    for prefix, part in (("", arrays.load(digits, "test")), ("val_", arrays.load(digits, "val"))):
        images = Part(torch.from_numpy(part.pixels), torch.from_numpy(part.labels))
        logits = predict(net, images, normalise, Recipe())
        assert np.array_equal(saved[f"{prefix}logits"], logits.numpy())
    accuracy = float((saved["val_logits"].argmax(1) == saved["val_y_true"]).mean())
    assert accuracy == pytest.approx(record["val_accuracy"])
    assert record["val_accuracy"] == max(float(row["val_accuracy"]) for row in history)
    assert float(history[record["best_epoch"] - 1]["val_accuracy"]) == record["val_accuracy"]


FRESH_PROCESS = """
import json, sys
from pathlib import Path
from bakeoff.train import step
record, data, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), Path(sys.argv[3])
names = {key: record[key] for key in ("dataset", "model", "augmentation", "recipe", "seed")}
step.run(record["spec"], names, data, out, record["code_digest"])
heavy = {"timm", "torchvision", "sklearn", "pandas", "scipy", "matplotlib", "statsmodels", "snakemake", "torch._dynamo"}
print(*sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def test_the_same_run_in_another_process_gives_the_same_bytes(run: Path, digits: Path, tmp_path: Path) -> None:
    """And a run imports nothing heavy that it does not use."""
    command = [sys.executable, "-c", FRESH_PROCESS, run / "run.json", digits, tmp_path / "again"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == ""
    for name in ("predictions.npz", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()
    timeless = [[{**row, "seconds": ""} for row in history_of(folder)] for folder in (run, tmp_path / "again")]
    assert timeless[0] == timeless[1]


def test_another_seed_gives_another_run(run: Path, tmp_path: Path, train_run: TrainRun) -> None:
    other = train_run(tmp_path / "other", seed=1, epochs=3, lr=3e-3, batch_size=32)
    one, two = (np.load(folder / "predictions.npz") for folder in (run, other))
    assert np.array_equal(one["example_id"], two["example_id"])
    assert not np.array_equal(one["logits"], two["logits"])
    assert record_of(other)["seed"] == 1


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_diverged_run_is_a_result(tmp_path: Path, train_run: TrainRun, optimizer: str) -> None:
    out = train_run(tmp_path / "run", epochs=4, optimizer=optimizer, lr=1e30, warmup_epochs=0)
    record, history = record_of(out), history_of(out)
    assert record["status"] == "diverged"
    assert record["reason"] == "the training loss of epoch 1 is not finite"
    assert (record["epochs"], record["epochs_done"]) == (4, 1)
    assert record["best_epoch"] is None
    assert record["val_accuracy"] is None
    assert [row["train_loss"] for row in history] == [""]
    assert not {"nan", "inf"} & set((out / "history.csv").read_text().replace("\n", ",").split(","))
    logits = np.load(out / "predictions.npz")["logits"]
    assert logits.shape == (449, 10)
    assert np.isfinite(logits).all()  # of the weights before the first epoch


class Watched(nn.Module):
    """A linear classifier that remembers every image it was shown, and in which mode."""

    def __init__(self, pixels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(pixels, classes)
        self.shown: dict[str, Counter[bytes]] = {"training": Counter(), "evaluation": Counter()}

    def forward(self, images: Tensor) -> Tensor:
        mode = "training" if self.training else "evaluation"
        self.shown[mode].update(image.numpy().tobytes() for image in images.detach())
        logits: Tensor = self.linear(images.flatten(1))
        return logits


def test_test_images_are_looked_at_once_and_never_in_training(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch, train_run: TrainRun
) -> None:
    net = Watched(144, 10)
    monkeypatch.setattr(registry, "build", lambda *_, **__: net)
    train_run(tmp_path / "run", augmentation="none", epochs=3, batch_size=64)
    manifest = read_record(digits / "manifest.json", "data")
    normalise = Normalise.of(manifest["mean"], manifest["std"], torch.device("cpu"))

    def seen(part: arrays.Part, mode: str) -> list[int]:
        images = normalise(torch.from_numpy(arrays.load(digits, part).pixels))
        return [net.shown[mode][image.numpy().tobytes()] for image in images]

    assert set(seen("test", "evaluation")) == {1}
    assert set(seen("test", "training")) == {0}
    assert set(seen("val", "evaluation")) == {3 + 1}
    assert set(seen("val", "training")) == {0}
    assert set(seen("train", "evaluation")) == {0}
    assert set(seen("train", "training")) <= {1, 2, 3}
    assert sum(net.shown["training"].values()) == 3 * (1146 // 64 * 64)


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SimpleNamespace]]:
    """What each run hands to the loop, which does nothing."""
    calls: list[SimpleNamespace] = []

    def instead(net: nn.Module, training: Part, validation: Part, **rest: Any) -> Outcome:
        given = {
            "training": training,
            "validation": validation,
            "init": weights(net),
            "init_seed": torch.initial_seed(),
        }
        calls.append(SimpleNamespace(**given, **rest))
        return Outcome(diverged="was not trained")

    monkeypatch.setattr(job, "train", instead)
    return calls


def test_all_models_see_the_same_images_in_the_same_order_with_the_same_draws(
    tmp_path: Path, train_run: TrainRun, handed_over: list[SimpleNamespace]
) -> None:
    for model, augmentation, recipe in (("lenet5", "none", {}), ("tiny_vit", "standard", {"lr": 0.1})):
        train_run(tmp_path / model, model=model, augmentation=augmentation, **recipe)
    train_run(tmp_path / "again", model="lenet5")
    train_run(tmp_path / "seed1", model="lenet5", seed=1)
    one, other, again, seed1 = handed_over
    assert one.streams == other.streams == again.streams
    assert len({one.streams.order, one.streams.augment, seed1.streams.order, seed1.streams.augment}) == 4
    assert torch.equal(one.training.pixels, other.training.pixels)
    assert len({one.init_seed, other.init_seed, seed1.init_seed}) == 3
    assert all(torch.equal(one.init[name], again.init[name]) for name in one.init)
    assert not any(torch.equal(one.init[name], seed1.init[name]) for name in one.init)


def test_smaller_choices_of_images_are_among_larger_ones(
    tmp_path: Path, train_run: TrainRun, handed_over: list[SimpleNamespace]
) -> None:
    for n in (50, 200, "all"):
        train_run(tmp_path / str(n), train_images=n)
    few, more, every = (call.training for call in handed_over)
    assert (len(few), len(more), len(every)) == (50, 200, 1146)
    assert torch.equal(few.pixels, more.pixels[:50])
    assert torch.equal(more.labels, every.labels[:200])
    assert torch.bincount(few.labels).tolist() == [5] * 10
    assert all(len(call.validation) == 202 for call in handed_over)


def test_more_images_than_there_are_is_the_users_mistake(tmp_path: Path, train_run: TrainRun) -> None:
    with pytest.raises(UserError, match="train_images: 1147 is more than the 1146 training images of digits"):
        train_run(tmp_path / "run", train_images=1147)
    assert not (tmp_path / "run").exists()


def test_two_training_images_are_enough(tmp_path: Path, train_run: TrainRun) -> None:
    record = record_of(train_run(tmp_path / "run", model="tiny_cnn", train_images=2, epochs=1))
    assert (record["status"], record["n_train"]) == ("done", 2)


def test_a_net_with_one_tensor_under_two_names_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train_run: TrainRun
) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 144), nn.Linear(144, 144), nn.Linear(144, 10))
    net[2].weight = net[1].weight
    monkeypatch.setattr(registry, "build", lambda *_, **__: net)
    saved = load_file(train_run(tmp_path / "run", epochs=1) / "model.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in net.state_dict().items())


# --- devices


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_cuda_without_a_gpu_is_the_users_mistake(tmp_path: Path, train_run: TrainRun) -> None:
    with pytest.raises(UserError, match="device: cuda was asked for, but torch finds no usable GPU here"):
        train_run(tmp_path / "run", device="cuda")
    assert prepare_device("auto", 1) == torch.device("cpu")


def test_the_cpu_has_no_gpus_name() -> None:
    assert gpu_name(prepare_device("cpu", 1)) is None
    assert torch.get_num_threads() == 1
