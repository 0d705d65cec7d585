"""A data set with targets instead of classes: prepared, learned, evaluated; what has no meaning for it is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sklearn
from test_checkpoint import cut_in_training
from tiny import CODE
from torch import nn

from bakeoff.audit.step import of_folder
from bakeoff.combine import step as combine
from bakeoff.compare import jackknife
from bakeoff.data import arrays, registry, step
from bakeoff.data.source import Images, Info, Raw, Target
from bakeoff.data.sources import square_position
from bakeoff.deploy import facts
from bakeoff.errors import Refused, UserError
from bakeoff.evaluate import step as evaluate
from bakeoff.evaluate.regression import FLOOR, OF_TARGETS, Outputs
from bakeoff.external import step as external
from bakeoff.probe import step as probe
from bakeoff.provenance import read_record
from bakeoff.train import step as training
from bakeoff.train.checkpoint import Interrupted
from bakeoff.train.feed import Normalise, Part, Streams
from bakeoff.train.loop import predict, train
from bakeoff.train.policies import none
from bakeoff.train.spec import Recipe
from bakeoff.train.targets import Standard
from bakeoff.train.together import train_together
from bakeoff.train.tuning import Trial

Arrays = dict[str, Any]
POSITION = {
    "name": "square_position",
    "source": "square_position",
    "settings": {"image_size": 32},
    "options": {"images": 120, "val_images": 30, "test_images": 40},
}
NAMES = {**dict.fromkeys(("dataset", "model", "augmentation", "recipe"), "a"), "seed": 0}
SPEC = {
    "dataset": POSITION,
    "model": {"name": "tiny_cnn", "builder": "tiny_cnn", "options": {"width": 4}},
    "augmentation": {"policy": "none", "options": {}},
    "recipe": {"epochs": 2, "batch_size": 20, "train_images": 80},
    "device": "cpu",
    "threads": 1,
}


# --- the data


@pytest.fixture(scope="module")
def position(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the prepared squares; not to be changed."""
    folder = tmp_path_factory.mktemp("position") / "data"
    step.run(POSITION, folder, CODE, folder)
    return folder


def test_targets_are_the_middle_of_the_square(position: Path) -> None:
    test = arrays.load(position, "test")
    assert test.labels.dtype == np.float32
    assert test.labels.shape == (40, 2)
    for pixels, (x, y) in zip(test.pixels[:, 0], test.labels, strict=True):
        square = pixels[int(y) - 3 : int(y) + 3, int(x) - 3 : int(x) + 3]
        assert np.unique(square).tolist() in ([0], [255])
    every = np.concatenate([arrays.load(position, part).labels for part in arrays.PARTS])
    assert every.min() < 6
    assert every.max() > 26


def test_they_are_the_same_on_every_machine(position: Path) -> None:
    """The digest was made once; whoever changes it makes other images of the same settings."""
    drawn = [square_position.draw(f"bakeoff square position 0 train {i}") for i in range(9)]
    digest = hashlib.sha256(b"".join(image.tobytes() for image, _ in drawn) + repr([xy for _, xy in drawn]).encode())
    assert digest.hexdigest() == "e8ed3ff6dda03ead9ab1aff8e3aa1b9c9b6815b945aee390925331f927613c75"


def test_the_manifest_says_what_is_to_be_predicted(position: Path) -> None:
    manifest = read_record(position / "manifest.json", "data")
    values = arrays.load(position, "train").labels
    assert manifest["task"] == "regression"
    assert manifest["class_names"] == []
    assert [(each["name"], each["unit"]) for each in manifest["targets"]] == [("x", "px"), ("y", "px")]
    assert [each["mean"] for each in manifest["targets"]] == pytest.approx(values.mean(axis=0).tolist(), abs=1e-4)


def test_a_source_keeps_its_promise_of_targets() -> None:
    info = Info("T", "x", 1, 4, (), False, False, targets=(Target("a", ""), Target("b", "m")))
    pixels = np.zeros((3, 1, 4, 4), np.uint8)
    assert info.predicts == "a, b (m)"
    for wrong, said in (
        (np.zeros((3, 1), np.float32), r"train targets are float32 \[3, 1\], not float32 \[3, 2\] \(a, b \(m\)\)"),
        (np.zeros(3, np.float32), r"targets are float32 \[3\], not"),
        (np.zeros((3, 2)), r"targets are float64 \[3, 2\], not"),
        (np.full((3, 2), np.nan, np.float32), "no finite number"),
    ):
        with pytest.raises(UserError, match=said):
            step.check("t", info, Raw(train=Images(pixels, wrong), test=None))


def test_the_audit_finds_one_image_with_two_targets(position: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def twice(*_: Any, **options: Any) -> Raw:
        raw = load(*_, **options)
        pixels = np.array(raw.train.pixels)
        pixels[1] = pixels[0]
        return replace(raw, train=Images(pixels, raw.train.labels))

    load = registry.load
    assert of_folder(position, near=False)["warnings"] == []
    monkeypatch.setattr(registry, "load", twice)
    step.run(POSITION, tmp_path / "data", CODE, tmp_path)
    found = of_folder(tmp_path / "data", near=False)
    assert found["conflicts"]["contents"] == 1
    assert "as different classes" not in found["warnings"][0]
    assert "with different targets: 0 (x " in found["warnings"][0]
    assert found["class_counts"]["train"] == [120]


# --- training


def linear_part(n: int, seed: int = 0) -> Part:
    """Two targets that are linear in the pixels, of standard deviation 1."""
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 1, 4, 4), generator=random, dtype=torch.uint8)
    truth = (pixels.flatten(1).double() / 255 - 0.5) @ torch.linspace(-2, 2, 32, dtype=torch.float64).view(16, 2)
    return Part(pixels, ((truth - truth.mean(dim=0)) / truth.std(dim=0)).float())


def settings(**recipe: Any) -> dict[str, Any]:
    return {
        "recipe": Recipe(**{"epochs": 30, "batch_size": 20, "lr": 0.02, "weight_decay": 0, **recipe}),
        "classes": 2,
        "make_policy": lambda size: none.build(size, False),
        "normalise": Normalise.of([0.5], [0.3], torch.device("cpu")),
        "report": lambda _: None,
        "progress": lambda *_: None,
    }


def linear_net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize("loss", ["mse", "l1", "huber"])
def test_a_linear_net_learns_a_linear_target(loss: str) -> None:
    part, net = linear_part(200), linear_net()
    outcome = train(net, part, part, streams=Streams(1, 2), **settings(loss=loss))
    assert outcome.best is not None
    assert outcome.best.val_loss < 0.02 < outcome.history[0].val_loss
    assert outcome.best.val_loss == min(line.val_loss for line in outcome.history)
    assert {(line.train_accuracy, line.val_accuracy) for line in outcome.history} == {(None, None)}
    outputs = predict(net, part, settings()["normalise"], Recipe())
    assert outputs.shape == (200, 2)
    assert float((outputs - part.labels).abs().mean()) < 0.15


def test_early_stopping_goes_by_the_loss() -> None:
    part = linear_part(40)
    constant = settings(epochs=60, early_stopping=2, optimizer="sgd", lr=1e-9, momentum=0)
    outcome = train(linear_net(), part, part, streams=Streams(1, 2), **constant)
    assert outcome.stopped_early
    assert outcome.best is not None
    assert len(outcome.history) == outcome.best.epoch + 2


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_seeds_together_are_seeds_alone() -> None:
    part, streams = linear_part(40), [Streams(1, 2), Streams(3, 4)]
    alone, stacked = ([linear_net(0), linear_net(1)] for _ in range(2))
    singles = [train(net, part, part, streams=s, **settings(epochs=3)) for net, s in zip(alone, streams, strict=True)]
    together = train_together(stacked, part, part, streams=streams, **settings(epochs=3))
    for one, other in zip(singles, together, strict=True):
        losses, same = ([line.val_loss for line in each.history] for each in (one, other))
        assert losses == pytest.approx(same, rel=1e-4)
        assert other.history[0].train_accuracy is None


def test_targets_come_back_from_standard_deviations() -> None:
    targets = np.random.default_rng(0).normal([5, -2000, 7], [0.01, 300, 0], (50, 3)).astype(np.float32)
    standard = Standard.of(targets)
    forth = standard.forth(targets)
    assert forth.dtype == np.float32
    assert forth[:, :2].mean(axis=0) == pytest.approx([0, 0], abs=1e-4)
    assert forth[:, :2].std(axis=0) == pytest.approx([1, 1], abs=1e-4)
    assert not forth[:, 2].any()  # it never varies
    assert standard.back(torch.from_numpy(forth)).numpy() == pytest.approx(targets, rel=1e-6)


@pytest.fixture(scope="module")
def run(position: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an evaluated run; not to be changed."""
    out = tmp_path_factory.mktemp("run") / "seed0"
    training.run(SPEC, NAMES, position, out, CODE)
    evaluate.run({}, out, CODE)
    return out


def test_a_run_predicts_in_the_unit_of_its_targets(run: Path, position: Path) -> None:
    record = read_record(run / "run.json", "run")
    trained_on = arrays.load(position, "train").labels[:80].astype(float)
    assert record["targets"] == [{"name": "x", "unit": "px"}, {"name": "y", "unit": "px"}]
    assert record["standardised"]["mean"] == pytest.approx(trained_on.mean(axis=0).tolist())
    assert record["standardised"]["std"] == pytest.approx(trained_on.std(axis=0).tolist())
    assert record["val_accuracy"] is None
    with np.load(run / "predictions.npz") as found:
        assert set(found.files) == {
            "example_id", "targets", "outputs", "val_example_id", "val_targets", "val_outputs",
        }  # fmt: skip
        assert np.array_equal(found["targets"], arrays.load(position, "test").labels)
        # Hardly trained, a net says the mean of all: in pixels, not in standard deviations.
        assert found["outputs"].mean(axis=0) == pytest.approx(trained_on.mean(axis=0), abs=4)
        off = found["val_outputs"].astype(float) - found["val_targets"]
    assert record["val_loss"] == pytest.approx(((off / record["standardised"]["std"]) ** 2).mean(), rel=1e-4)
    lines = (run / "history.csv").read_text().splitlines()
    assert [line.split(",")[4:7:2] for line in lines[1:]] == [["", ""], ["", ""]]


def test_cut_off_and_gone_on_it_predicts_the_same(
    run: Path, position: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        cut_in_training(patch, 7)  # 5 an epoch
        with pytest.raises(Interrupted):
            training.run(SPEC, NAMES, position, tmp_path, CODE)
    training.run(SPEC, NAMES, position, tmp_path, CODE)
    assert read_record(tmp_path / "run.json", "run")["resumed"] == 1
    one, other = (np.load(folder / "predictions.npz") for folder in (run, tmp_path))
    assert all(np.array_equal(one[name], other[name]) for name in one.files)


def test_tuning_takes_the_lowest_loss() -> None:
    by_loss = {loss: Trial(0.1, 0.0, None, loss, 80, 1.0, None) for loss in (0.5, None, 0.2, 7.0)}
    assert sorted(by_loss, key=lambda loss: by_loss[loss].rank) == [None, 7.0, 0.5, 0.2]


def test_its_metrics_are_those_of_a_regression_alone(run: Path) -> None:
    record = read_record(run / "metrics.json", "metrics")
    units = {"rmse": "px", "mse": "px²", "mae": "px", "distance": "px", "r2": "coefficient", "mape": "relative error"}
    assert {name: each["unit"] for name, each in record["metrics"].items()} == units
    assert all(each["value"] is not None for each in record["metrics"].values())
    assert record["confusion"] is record["thresholds"] is record["calibration"]["temperature"] is None
    assert record["per_class"] == record["worst"] == record["calibration"]["bins"] == []


def test_predictions_that_are_not_those_of_the_record_are_refused(run: Path, tmp_path: Path) -> None:
    from bakeoff.evaluate.load import RunFacts, load_outputs

    known = RunFacts.model_validate(read_record(run / "run.json", "run"))
    good = dict(np.load(run / "predictions.npz"))
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"outputs": good["outputs"][:, :1]}, "over 2 targets"),
        ({"targets": good["targets"].astype(int)}, "integers, floats and floats"),
        ({"outputs": good["outputs"] * np.nan}, "outputs that are no numbers"),
    ]
    for change, said in wrongs:
        np.savez(tmp_path / "predictions.npz", **(good | change))
        with pytest.raises(Refused, match=said):
            load_outputs(tmp_path / "predictions.npz", known)


def test_what_answers_with_classes_says_that_it_cannot(run: Path, position: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is of a regression"):
        facts.read(run)
    with pytest.raises(UserError, match="is of a regression, and probes are for classes"):
        probe.run({"tta": True}, run, position, tmp_path, CODE)
    record = read_record(run / "run.json", "run")
    members = {"method": "mean", "members": [{"model": record["model"], "spec": record["spec_digest"]}]}
    with pytest.raises(UserError, match="is of a regression, and only runs with classes"):
        combine.run(members, NAMES, [run], tmp_path, CODE)


# --- made elsewhere


def given_back(run: Path, position: Path, folder: Path, write: Callable[[Arrays], None]) -> Path:
    """A run made from a file that has what a run of ours predicted."""
    with np.load(run / "predictions.npz") as found:
        write({name: found[name][::-1] for name in ("example_id", "targets", "outputs")})
    file = next(folder.glob("theirs.*"))
    return external.run({"model": "a", "dataset": POSITION}, NAMES, file, position, folder / "run", CODE).parent


@pytest.mark.parametrize("form", ["npz", "csv", "csv in order"])
def test_predictions_of_others_are_measured_like_ours(run: Path, position: Path, tmp_path: Path, form: str) -> None:
    def write(arrays: Arrays) -> None:
        if form == "npz":
            np.savez(tmp_path / "theirs.npz", allow_pickle=False, **arrays)
            return
        ids, columns = arrays.pop("example_id"), {}
        for name, values in arrays.items():
            columns |= {f"{name.removesuffix('s')}_{i}": values[:, i].astype(float) for i in range(2)}
        frame = pd.DataFrame({"example_id": ids, **columns}).sort_values("example_id")
        frame.drop(columns="example_id" if "order" in form else []).to_csv(tmp_path / "theirs.csv", index=False)

    theirs = given_back(run, position, tmp_path, write)
    for folder in (run, theirs):
        evaluate.run({}, folder, CODE)
    ours, others = (read_record(folder / "metrics.json", "metrics") for folder in (run, theirs))
    assert others["metrics"] == ours["metrics"]
    assert others["targets"] == ours["targets"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a | {"targets": a["targets"] + 1}, "row 40: targets: .* is not what a has for this image"),
        (lambda a: a | {"outputs": a["outputs"][:, :1]}, "outputs: has 1 numbers a row, not those of x, y"),
        (lambda a: {"example_id": a["example_id"]}, "needs outputs, a number for each of x, y"),
        (lambda a: {"outputs": a["outputs"]}, "needs example_id, or y_true with rows in the order"),
        (lambda a: {name: values[1:] for name, values in a.items()}, "example_id: lacks 1 of the 40 test images of a"),
        (lambda a: a | {"outputs": a["outputs"] * np.nan}, "row 40: outputs_0: 'nan' is no finite number"),
    ],
)
def test_what_is_wrong_with_them_is_told(
    run: Path, position: Path, tmp_path: Path, change: Callable[[Arrays], Arrays], said: str
) -> None:
    def write(arrays: Arrays) -> None:
        np.savez(tmp_path / "theirs.npz", allow_pickle=False, **change(arrays))

    with pytest.raises(UserError, match=rf"theirs\.npz: {said}"):
        given_back(run, position, tmp_path, write)
    assert not (tmp_path / "run").exists()


# --- metrics


@pytest.mark.parametrize("d", [1, 2, 3])
def test_metrics_are_scikit_learns(d: int) -> None:
    rng = np.random.default_rng(d)
    targets = rng.normal(3, 2, (60, d)).astype(np.float32)
    outputs = (targets + rng.normal(0, 1 + np.arange(d), (60, d))).astype(np.float32)
    p = Outputs(targets, outputs, ("m",) * d)
    wanted: dict[str, Callable[..., float]] = {
        "mse": sklearn.mean_squared_error,
        "rmse": sklearn.root_mean_squared_error,
        "mae": sklearn.mean_absolute_error,
        "r2": sklearn.r2_score,
        "mape": sklearn.mean_absolute_percentage_error,
    }
    assert np.abs(targets).min() > FLOOR
    truth, said = targets.astype(float), outputs.astype(float)
    for name, function in wanted.items():
        assert OF_TARGETS[name].measure(p).value == pytest.approx(function(truth, said), rel=1e-12), name
    distance = OF_TARGETS["distance"].measure(p)
    assert (distance.value is not None) == (d == 2)
    if d == 2:
        assert distance.value == pytest.approx(np.linalg.norm(said - truth, axis=1).mean())
    else:
        assert distance.why_null


def test_a_relative_error_has_a_floor_and_what_is_undefined_a_reason() -> None:
    p = Outputs(np.zeros((4, 1)), np.full((4, 1), 0.5))
    assert OF_TARGETS["mape"].measure(p).value == 0.5 / FLOOR
    # The mean of three times 0.1 is not 0.1 in 64 bits.
    for same in (p, Outputs(np.full((3, 1), 0.1), np.zeros((3, 1)))):
        assert OF_TARGETS["r2"].measure(same).why_null == "a target is the same for all images"
    perfect = Outputs(np.arange(6.0).reshape(3, 2), np.arange(6.0).reshape(3, 2), ("m", "m"))
    for metric in OF_TARGETS.values():
        assert metric.measure(perfect).value == metric.best


@pytest.mark.parametrize("d", [1, 2])
def test_each_image_does_to_a_metric_what_leaving_it_out_shows(d: int) -> None:
    rng = np.random.default_rng(d)
    targets, outputs = rng.normal(size=(2, 12, d))
    found = jackknife.of_outputs(targets, outputs)
    assert found.keys() == OF_TARGETS.keys() - ({"distance"} if d == 1 else set())
    for name, values in found.items():

        def value(keep: Any, metric: Any = OF_TARGETS[name]) -> float:
            return metric.measure(Outputs(targets[keep], outputs[keep])).value

        whole = value(np.arange(12))
        each = np.array([12 * whole - 11 * value(np.delete(np.arange(12), k)) for k in range(12)])
        assert values == pytest.approx(each + whole - each.mean(), abs=1e-9), name
        assert values.mean() == pytest.approx(whole), name
    assert set(jackknife.of_outputs(targets[:1], outputs[:1])) <= {"mse", "mae", "mape", "distance"}
