"""What ONNX files of others cost: what is counted is what torch counts, and times are onnxruntime's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from bakeoff.models import registry
from bakeoff.profile import complexity, describe, step
from bakeoff.profile.spec import ProfileSpec


def job(builder: str, shape: tuple[int, int, int], **settings: Any) -> ProfileSpec:
    channels, size, classes = shape
    options = {key: option.default for key, option in registry.options_of(builder).items()}
    return ProfileSpec.model_validate(
        {
            "model": {"name": "theirs", "builder": builder, "options": options},
            "input": (channels, size, size),
            "classes": classes,
            "device": "cpu",
            "min_calls": 3,
            "min_seconds": 0,
            "max_batch": 2,
            **settings,
        }
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(net: nn.Module, path: Path, shape: tuple[int, int, int]) -> None:
    """A network as others export it: float32 [B, C, S, S]."""
    channels, size, _ = shape
    example = torch.zeros(2, channels, size, size)
    batch = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.onnx.export(net.eval(), (example,), dynamo=True, dynamic_shapes=batch, verbose=False)
    assert program is not None
    program.save(path, external_data=True)


def test_an_export_costs_what_its_network_does(deployed: Path, here: Path) -> None:
    shape = (1, 12, 10)
    (here / "export").symlink_to(deployed / "export")
    body = step.profile_model(job("onnx/export/model.onnx", shape, backend="eager"))
    assert (body["status"], body["condition"]) == ("done", "CPU, 1 thread, onnxruntime")
    net = registry.build({"builder": "lenet5", "options": {}}, channels=1, size=12, classes=10).eval()
    known = complexity.count(net, torch.zeros(1, 1, 12, 12))
    assert body["macs"] == known.macs
    assert body["activations"] == known.activations
    assert 0 <= body["params"] - known.params <= 4  # figures of normalisation, and the temperature
    assert body["trainable_params"] == 0
    assert body["size_mb"] == (deployed / "export" / "model.onnx").stat().st_size / 1e6
    assert body["latency_ms"]["p50"] > 0
    assert body["throughput"]["tried"][-1]["batch_size"] == 2
    assert body["peak_memory_mb"] is not None
    assert body["memory"]["training_step"]["reason"] == "is not trained"
    assert "million for one image" in describe.describe(body)

    quantised = step.profile_model(job("onnx/export/model.int8.onnx", shape))
    assert quantised["status"] == "done"
    assert quantised["macs"] == known.macs
    assert quantised["size_mb"] < body["size_mb"]
    assert quantised["throughput"]["ended"] == "max_batch: 1"  # as it is asked


def test_networks_of_others_are_counted_as_torch_counts_them(here: Path) -> None:
    """Groups, squeeze and excitation, attention with products of two activations, weights beside the file."""
    shape = (3, 32, 7)
    for builder in ("timm/mobilenetv3_small_050", "tiny_vit"):
        options = {key: option.default for key, option in registry.options_of(builder).items()}
        net = registry.build({"builder": builder, "options": options}, channels=3, size=32, classes=7)
        saved(net, here / "net.onnx", shape)
        body = step.profile_model(job("onnx/net.onnx", shape), complexity_only=True)
        known = complexity.count_without_weights(lambda net=net: net.eval(), (3, 32, 32))
        assert (body["macs"], body["macs_note"]) == (known.macs, None), builder
        assert body["activations"] == known.activations
        files = [path for path in here.iterdir() if path.name.startswith("net.onnx")]
        assert body["size_mb"] == sum(path.stat().st_size for path in files) / 1e6
        (here / "net.onnx").unlink()


def test_what_has_no_rule_has_no_macs_and_a_note(here: Path) -> None:
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("Einsum", ["flat", "flat"], ["product"], equation="bi,bj->bj"),
        helper.make_node("Slice", ["product", "zero", "two", "one"], ["logits"]),
    ]
    numbers = {"zero": 0, "two": 2, "one": 1}
    constants = [helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in numbers.items()]
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ("B", 1, 2, 2))
    gives = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("B", 2))
    graph = helper.make_graph(nodes, "net", [given], [gives], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), here / "net.onnx")
    body = step.profile_model(job("onnx/net.onnx", (1, 2, 2)), complexity_only=True)
    assert body["macs"] is None
    assert "no rule for Einsum" in body["macs_note"]
    assert "MACs" not in describe.describe(body).partition("note")[0]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"device": "cuda"}, "not on a GPU"),
        ({"backend": "compile"}, "not by torch.compile"),
        ({"precision": "bf16"}, "not in bf16"),
    ],
)
def test_what_it_cannot_be_measured_in_is_told(deployed: Path, here: Path, asked: dict[str, Any], words: str) -> None:
    (here / "export").symlink_to(deployed / "export")
    body = step.profile_model(job("onnx/export/model.onnx", (1, 12, 10), **asked))
    assert (body["status"], body["failure"], body["latency_ms"]) == ("failed", words, None)
    assert body["macs"] is not None
    body = step.profile_model(job("onnx/export/model.onnx", (3, 12, 10)))
    assert (body["failure"], body["macs"]) == ("does not fit", None)
