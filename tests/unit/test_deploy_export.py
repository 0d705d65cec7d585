"""An export: torch's answers, nothing of this machine in it, its labels and origin with it, and the way to make it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from command_line import Call
from numpy.typing import NDArray

from bakeoff.deploy import export, howto
from bakeoff.deploy.session import INT8, MODEL, PROGRAM, RECORD, logits_of
from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.provenance import check_files, read_record, spec_digest
from bakeoff.study import load


def test_the_record_tells_what_was_checked(deployed: Path) -> None:
    folder = deployed / "export"
    record = read_record(folder / RECORD, "export")
    check_files(folder / RECORD, record)
    assert {path.name for path in folder.iterdir()} == {RECORD, "README.md", *record["files"]}
    assert record["opset"] >= 18
    networks = record["networks"]
    for name in (MODEL, PROGRAM):
        assert networks[name]["n_checked"] == networks[name]["same_class_as_torch"] == 256
        assert networks[name]["max_difference"] < 1e-4
    metrics = json.loads((deployed / "metrics.json").read_text())["metrics"]
    assert networks[MODEL]["same_class_as_study"] == networks[MODEL]["n_test"] == 449
    assert networks[MODEL]["accuracy"] == metrics["accuracy"]["value"]
    assert networks[INT8]["accuracy"] == pytest.approx(metrics["accuracy"]["value"], abs=0.03)
    assert networks[INT8]["bytes"] < networks[MODEL]["bytes"] / 2
    assert networks[MODEL]["bytes"] == (folder / MODEL).stat().st_size


@pytest.mark.parametrize("name", [MODEL, INT8])
def test_labels_and_provenance_are_in_the_graph(name: str, deployed: Path) -> None:
    model = onnx.load(deployed / "export" / name)
    onnx.checker.check_model(model)
    properties = {each.key: json.loads(each.value) for each in model.metadata_props if each.key != "onnx.infer"}
    assert properties["labels"] == [str(i) for i in range(10)]
    assert properties["provenance"]["run_digest"] == read_record(deployed / "run.json", "run")["record_digest"]
    assert properties["preprocessing"]["size"] == 12


@pytest.mark.parametrize("name", [MODEL, PROGRAM, INT8])
def test_no_path_of_this_machine_is_in_it(name: str, deployed: Path) -> None:
    data = (deployed / "export" / name).read_bytes()
    for path in (Path(export.__file__).parents[2], Path.home(), deployed, Path(np.__file__).parent.parent):
        assert str(path).encode() not in data


def test_batches_of_any_size_go_in(deployed: Path) -> None:
    answers = logits_of(deployed / "export" / MODEL)
    images = np.random.default_rng(0).integers(0, 256, (300, 12, 12, 1), dtype=np.uint8)
    all_at_once = answers(images)
    for size in (1, 2, 7):
        np.testing.assert_allclose(answers(images[:size]), all_at_once[:size], atol=1e-4)


class _CountsItsImages(torch.nn.Module):
    """As tiny_vit does: of len, tracing makes a constant."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.zeros(3).expand(len(images), 3) + images.mean(dim=(1, 2, 3))[:, None]


def test_a_network_may_ask_how_many_images_there_are(tmp_path: Path) -> None:
    served = export.Served(_CountsItsImages(), torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1), 1.0).eval()
    info = {"size": 4, "channels": 1, "labels": list("abc"), "provenance": {}, "name": "", "fit": "", "temperature": 1}
    program = export._save_program(served, info, tmp_path / PROGRAM)
    export._save_onnx(program, tmp_path / MODEL, info | {"normalisation": {}})
    saved = torch.export.load(tmp_path / PROGRAM).module()
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    for size in (1, 2, 5):
        expected = served(torch.from_numpy(images[:size]))[0].numpy()
        np.testing.assert_allclose(logits_of(tmp_path / MODEL)(images[:size]), expected, rtol=1e-6)
        np.testing.assert_allclose(saved(torch.from_numpy(images[:size]))[0].numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda logits: -logits, "model.onnx gives another class than torch for"),
        (lambda logits: logits * 1.1, "for 0 of 256 test images (largest difference"),
        (lambda logits: logits * np.nan, "model.onnx gives another class than torch"),
    ],
)
def test_a_network_that_is_not_torchs_is_not_written(
    wrong: Any, said: str, deployed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What takes seconds is taken from the export that is there.
    monkeypatch.setattr(export, "_save_program", lambda *_: None)
    monkeypatch.setattr(export, "_save_onnx", lambda *_: {})
    right = logits_of(deployed / "export" / MODEL)
    monkeypatch.setattr(export.torch.export, "load", lambda _: _Program(right))

    def answers(images: NDArray[np.uint8]) -> Any:
        return wrong(right(images))

    monkeypatch.setattr(export, "logits_of", lambda _: answers)
    with pytest.raises(UserError) as error:
        export.run(deployed, tmp_path / "out")
    assert said in str(error.value)
    assert not list((tmp_path / "out").iterdir())


@dataclass
class _Program:
    """Stands for the program that torch.export saved."""

    answers: Any

    def module(self) -> Any:
        return lambda images: (torch.from_numpy(self.answers(images.numpy())),)


def test_the_command_says_what_was_found(
    deployed: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def fake(run_dir: Path, out: Path, **options: Any) -> dict[str, Any]:
        asked.update(run=run_dir, out=out, **options)
        return read_record(deployed / "export" / RECORD, "export")

    monkeypatch.setattr(export, "run", fake)
    done = call("export", str(deployed), "--int8")
    assert (done.status, done.err) == (0, "")
    assert asked == {"run": deployed, "out": deployed / "export", "int8": True, "data": None}
    assert len(done.out.splitlines()) == 4
    assert "torch's class for 256 of 256 test images" in done.out


def test_what_a_killed_export_left_is_no_hindrance(deployed: Path, tmp_path: Path) -> None:
    (tmp_path / ".export-abc").mkdir()
    export._must_be_free(tmp_path)
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match="holds other files"):
        export._must_be_free(tmp_path)


def test_a_folder_of_other_things_is_left_alone(deployed: Path, tmp_path: Path, call: Call) -> None:
    (tmp_path / "README.md").write_text("mine")
    done = call("export", str(deployed), "--out", str(tmp_path))
    assert done.status == 1
    assert "holds other files than an export" in done.err
    assert (tmp_path / "README.md").read_text() == "mine"


STUDY = """
study: one
threads: 2
datasets: [{name: digits, image_size: 12}]
models: [{name: small, builder: tiny_cnn, width: 8}]
augmentations: [{name: wide, policy: standard, padding: 0.25}]
recipes: {quick: {lr: 0.01, phases: [{epochs: 2, size: 16}, {epochs: 3, size: 12}]}}
seeds: [3]
"""


def test_the_study_file_of_an_export_trains_the_same_run(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(STUDY)
    (cell,) = Grid(load(tmp_path / "one.yaml")).cells
    spec = Grid(load(tmp_path / "one.yaml")).train_spec(cell)
    info = {
        "name": "it",
        **{axis: getattr(cell, axis) for axis in ("augmentation", "recipe")},
        "seed": 3,
        "data": {"settings": spec["dataset"]},
        "settings": {key: spec[key] for key in ("model", "augmentation", "recipe")},
        "training": {"asked_device": "auto", "threads": 2, "seeds_together": spec["seeds_together"]},
    }
    (tmp_path / "again.yaml").write_text(howto.study(info))
    (again,) = Grid(load(tmp_path / "again.yaml")).cells
    assert spec_digest(Grid(load(tmp_path / "again.yaml")).train_spec(again)) == cell.spec
    assert again.seeds == cell.seeds
    assert again.run_dir(3) == cell.run_dir(3)
