"""ONNX files as models of a study: asked, not trained; of anybody's, so refused in a line where they do not fit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from study_fixture import grid, study
from tiny import CODE, DIGITS

from bakeoff import stages
from bakeoff.errors import UserError
from bakeoff.models import control, registry

C, S, K = 1, 12, 10
Array = np.ndarray[Any, Any]


def linear(
    path: Path,
    *,
    shape: tuple[Any, ...] = ("B", C, S, S),
    classes: int = K,
    kind: int = TensorProto.FLOAT,
    softmax: bool = False,
    external: str | None = None,
    outputs: tuple[str, ...] = ("answers",),
    domain: str = "",
) -> Path:
    """A linear classifier of pixels as an ONNX file: the score of class k is the mean of column k of the image."""
    weights = np.zeros((math.prod(shape[1:]), classes), np.float32)
    for k in range(classes):
        weights[k % S :: S, k] = 1
    tensor = numpy_helper.from_array(weights, "weights")
    if external:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=external)
        (path.parent / external).resolve().write_bytes(weights.tobytes())
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"], axis=1, domain=domain),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        *(helper.make_node("Softmax" if softmax else "Identity", ["scores"], [name]) for name in outputs),
    ]
    given = [helper.make_tensor_value_info("images", kind, shape)]
    gives = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("B", classes)) for name in outputs]
    graph = helper.make_graph(nodes, "net", given, gives, [tensor])
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
    return path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a test."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def opened(name: str = "net.onnx", channels: int = C, size: int = S, classes: int = K, **options: Any) -> Any:
    builder = f"onnx/{name}"
    defaults = {key: option.default for key, option in registry.options_of(builder).items()}
    model = {"builder": builder, "options": {**defaults, **options}}
    return control.build(model, channels=channels, size=size, classes=classes, seed=0)


def images(n: int = 5) -> Array:
    return np.random.default_rng(0).integers(0, 256, (n, C, S, S), dtype=np.uint8)


def expected(pixels: Array) -> Array:
    return np.stack([pixels[:, 0, :, k].sum(axis=1) for k in range(K)], axis=1)


def run_of(builder: str, digits: Path, out: Path, **options: Any) -> dict[str, Any]:
    """A run of an ONNX file on the digits, evaluated; its metrics."""
    from bakeoff.evaluate import step as evaluate
    from bakeoff.train import step as train

    known = {key: option.default for key, option in registry.options_of(builder).items()}
    spec = {
        "dataset": DIGITS,
        "model": {"name": "theirs", "builder": builder, "options": {**known, **options}},
        "augmentation": {"name": "none", "policy": "none", "options": {}},
        "recipe": {},
        "device": "cpu",
        "threads": 1,
    }
    names = {"dataset": "digits", "model": "theirs", "augmentation": "none", "recipe": "default", "seed": 0}
    train.run(spec, names, digits, out, CODE)
    evaluate.run({}, out, CODE)
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())["metrics"]
    return metrics


def ensemble(folders: list[Path], out: Path) -> dict[str, Any]:
    """The record of a run made from runs."""
    from bakeoff.combine import step as combine

    records = [json.loads((folder / "run.json").read_text()) for folder in folders]
    members = [{"model": record["model"], "spec": record["spec_digest"], "seed": None} for record in records]
    spec = {"method": "mean", "members": members, "probe": None}
    names = {"dataset": "digits", "model": "both", "augmentation": "none", "recipe": "default", "seed": 0}
    body: dict[str, Any] = json.loads(combine.run(spec, names, folders, out, CODE).read_text())
    return body


def test_an_export_is_the_run_that_it_is_of(deployed: Path, digits: Path, here: Path) -> None:
    """And its int8 answers as `bakeoff export` measured it."""
    (here / "export").symlink_to(deployed / "export")
    recorded = json.loads((deployed / "metrics.json").read_text())["metrics"]
    found = run_of("onnx/export/model.onnx", digits, here / "fp32")
    assert found["accuracy"]["value"] == recorded["accuracy"]["value"]
    assert found["log_loss"]["value"] == pytest.approx(recorded["log_loss"]["value"], rel=1e-4)
    with np.load(deployed / "predictions.npz") as theirs, np.load(here / "fp32" / "predictions.npz") as ours:
        for part in ("", "val_"):
            np.testing.assert_array_equal(ours[f"{part}example_id"], theirs[f"{part}example_id"])
            np.testing.assert_allclose(ours[f"{part}logits"], theirs[f"{part}logits"], atol=1e-4)
            np.testing.assert_array_equal(ours[f"{part}logits"].argmax(1), theirs[f"{part}logits"].argmax(1))
    record = json.loads((here / "fp32" / "run.json").read_text())
    assert (record["status"], record["images_trained"], record["train_seconds"]) == ("done", 0, None)
    digests = json.loads((deployed / "export" / "export.json").read_text())["files"]
    assert record["weights"]["sha256"] == {"model.onnx": digests["model.onnx"]}

    quantised = run_of("onnx/export/model.int8.onnx", digits, here / "int8")
    measured = json.loads((deployed / "export" / "export.json").read_text())["networks"]["model.int8.onnx"]
    assert quantised["accuracy"]["value"] == pytest.approx(measured["accuracy"], abs=1e-12)
    both = ensemble([here / "fp32", here / "int8"], here / "both")
    assert (both["weights"], both["train_seconds"]) == ({"source": "onnx"}, None)


def test_numbers_are_normalised_as_the_study_says(here: Path) -> None:
    linear(here / "net.onnx")
    pixels = images()
    np.testing.assert_allclose(opened().log_probabilities(pixels), expected(pixels / 255), rtol=1e-5)
    found = opened(mean=[0.5], std=[0.25]).log_probabilities(pixels)
    np.testing.assert_allclose(found, expected((pixels / 255 - 0.5) / 0.25), rtol=1e-4, atol=1e-4)


def test_a_network_for_one_image_is_asked_one_by_one_and_the_order_of_axes_is_an_option(here: Path) -> None:
    linear(here / "net.onnx", shape=(1, S, S, C))
    with pytest.raises(UserError, match=r"takes \[1, 12, 12, 1\], not .* \[B, 1, 12, 12\]; with layout: nhwc it does"):
        opened()
    found = opened(layout="nhwc").log_probabilities(images())
    np.testing.assert_allclose(found, expected(images() / 255), rtol=1e-5)


def test_of_probabilities_the_logarithm_is_taken(here: Path) -> None:
    linear(here / "net.onnx", softmax=True)
    pixels = np.full((2, C, S, S), 0, np.uint8)
    pixels[:, :, :, 3] = 255  # 12 against 0: e^-12 for the others
    found = opened(std=[0.05]).log_probabilities(pixels)  # and here 240, whose probability is none in float32
    assert np.isfinite(found).all()
    assert found.argmax(axis=1).tolist() == [3, 3]
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-5)


def test_weights_may_lie_beside_it_under_its_own_name_alone(here: Path) -> None:
    linear(here / "net.onnx", external="net.onnx.data")
    np.testing.assert_allclose(opened().log_probabilities(images()), expected(images() / 255), rtol=1e-5)
    before = stages.train("onnx/net.onnx", "none")
    weights = np.frombuffer((here / "net.onnx.data").read_bytes(), np.float32) * np.float32(2)
    (here / "net.onnx.data").write_bytes(weights.tobytes())
    assert stages.train("onnx/net.onnx", "none") != before


def test_an_edited_file_is_another_run(here: Path) -> None:
    linear(here / "net.onnx")
    before = [step("onnx/net.onnx") for step in (stages.profile, lambda builder: stages.train(builder, "none"))]
    linear(here / "net.onnx", softmax=True)
    after = [step("onnx/net.onnx") for step in (stages.profile, lambda builder: stages.train(builder, "none"))]
    assert not set(before) & set(after)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"shape": ("B", 3, S, S)}, r"takes \[B, 3, 12, 12\], not the data set's images \[B, 1, 12, 12\]$"),
        ({"shape": (8, C, S, S)}, r"takes 8 images at a time; export it for one, or for any number"),
        ({"classes": 7}, r"its output answers is float32 \[1, 7\] for 1 images, not \[1, 10\]"),
        ({"outputs": ("a", "b\n\x1b[2J")}, r"has the outputs a, b\[2J; call the one of the classes logits"),
        ({"kind": TensorProto.DOUBLE}, r"takes tensor\(double\); images are given as|cannot load it"),
        ({"domain": "com.example"}, r"onnxruntime cannot load it: .*com.example"),
        ({"external": "../secret"}, r"has weights in '../secret'; they must lie inside it, or beside it in net.onnx.d"),
        ({"external": "other.data"}, r"has weights in 'other.data'; they must"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(here: Path, changes: dict[str, Any], problem: str) -> None:
    linear(here / "net.onnx", **changes)
    with pytest.raises(UserError, match=f"^net.onnx: {problem}") as caught:
        opened()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x09:" + b"\xff" * 40, b"\x80\x04\x95cos\nsystem\n"])
def test_what_is_no_model_is_refused_in_a_line(here: Path, content: bytes) -> None:
    (here / "net.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"^net.onnx: ") as caught:
        opened()
    assert str(caught.value).isprintable()


def test_a_study_names_it_by_a_path_in_the_working_folder(here: Path) -> None:
    linear(here / "net.onnx")
    (entry,) = study(models=[{"name": "theirs", "builder": "onnx/net.onnx", "mean": [0.5], "std": [0.2]}]).models
    assert entry.options == {"mean": [0.5], "std": [0.2], "layout": "auto"}
    plan = grid(models=["onnx/net.onnx", "lenet5"])
    assert plan.cells[0].model == "onnx-net.onnx"
    assert not plan.is_net("onnx-net.onnx")
    for options, problem in (
        ({"std": [0]}, r"std: \[0\] must be above 0"),
        ({"mean": ["x"]}, r"mean: \['x'\] must be a list of numbers"),
        ({"scale": 2}, r"no such option"),
    ):
        with pytest.raises(UserError, match=problem):
            study(models=[{"name": "theirs", "builder": "onnx/net.onnx", **options}])


@pytest.mark.parametrize(
    ("builder", "problem"),
    [
        ("onnx/none.onnx", r"none.onnx: there is no such file in the working folder"),
        ("onnx//etc/passwd", r"must be onnx/PATH with the path of a file inside the working folder"),
        ("onnx/../net.onnx", r"must be onnx/PATH with the path of a file inside the working folder"),
        ("onnx/net.pt", r"names no file .onnx"),
    ],
)
def test_a_study_may_name_no_other(here: Path, builder: str, problem: str) -> None:
    linear(here.parent / "net.onnx")
    with pytest.raises(UserError, match=problem):
        study(models=[{"name": "theirs", "builder": builder}])


def test_weights_may_not_be_a_link_out_of_the_folder(here: Path) -> None:
    linear(here / "net.onnx", external="net.onnx.data")
    (here / "net.onnx.data").rename(here.parent / "elsewhere")
    (here / "net.onnx.data").symlink_to(here.parent / "elsewhere")
    with pytest.raises(UserError, match=r"net.onnx.data: is a link that leads out of its folder"):
        opened()


def test_it_is_not_trained_by_torch(here: Path) -> None:
    onnx.checker.check_model(linear(here / "net.onnx"))
    with pytest.raises(UserError, match="is an ONNX file, which torch does not run"):
        registry.build({"builder": "onnx/net.onnx", "options": {}}, channels=C, size=S, classes=K)
