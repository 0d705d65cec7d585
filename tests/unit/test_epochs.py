"""`train.keep: all`: the weights after each epoch, whole, the same after an interruption, and nobody else's."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from test_checkpoint import NAMES, SPEC, cut_in_training, together, two_nets
from tiny import CODE
from torch import Tensor

from bakeoff.layout import epoch_weights
from bakeoff.provenance import read_record, sha256
from bakeoff.train import step
from bakeoff.train.checkpoint import Interrupted
from bakeoff.train.epochs import EpochWeights
from bakeoff.train.job import Execution

RECIPE: dict[str, Any] = {**SPEC["recipe"], "epochs": 3, "ema": 0.9}


def run(data: Path, out: Path, every_epoch: bool = True, **recipe: Any) -> dict[str, Any]:
    spec = {**SPEC, "recipe": {**RECIPE, **recipe}}
    step.run(spec, {**NAMES, "seed": 0}, data, out, CODE, execution=Execution(every_epoch=every_epoch))
    return read_record(out / "run.json", "run")


def files(folder: Path) -> dict[int, bytes]:
    return {epoch: path.read_bytes() for epoch, path in epoch_weights(folder).items()}


@pytest.fixture(scope="module")
def quiet(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("quiet")
    run(digits, out)
    return out


def test_each_epoch_has_its_weights_and_the_best_ones_are_those_of_the_run(quiet: Path) -> None:
    record, kept = read_record(quiet / "run.json", "run"), files(quiet)
    assert list(kept) == [1, 2, 3]
    assert len(set(kept.values())) == 3
    assert kept[record["best_epoch"]] == (quiet / "model.safetensors").read_bytes()
    assert record["epoch_weights"] == {path.name: sha256(path) for path in epoch_weights(quiet).values()}
    assert "epoch1.safetensors" not in record["files"]  # nothing waits for them


@pytest.mark.parametrize("steps", [3, 6, 10, 14], ids=["first", "second", "at an end", "last"])
def test_cut_off_and_gone_on_they_are_the_same(
    steps: int, quiet: Path, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        cut_in_training(patch, steps)
        with pytest.raises(Interrupted):
            run(digits, tmp_path)
    assert list(files(tmp_path)) == list(range(1, 1 + steps // 5))
    assert run(digits, tmp_path)["resumed"] == 1
    assert files(tmp_path) == files(quiet)


def test_asked_for_in_mid_training_they_are_all_there(
    quiet: Path, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        cut_in_training(patch, 7)
        with pytest.raises(Interrupted):
            run(digits, tmp_path, every_epoch=False)
    assert run(digits, tmp_path)["resumed"] == 0
    assert "are asked for and not there: begins anew" in capsys.readouterr().err
    assert files(tmp_path) == files(quiet)


def test_those_of_another_run_do_not_stay(quiet: Path, digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(quiet, out)
    assert list(run(digits, out, epochs=2)["epoch_weights"]) == ["epoch1.safetensors", "epoch2.safetensors"]
    assert list(files(out)) == [1, 2]
    assert run(digits, out, every_epoch=False)["epoch_weights"] is None
    assert files(out) == {}


def test_seeds_together_have_each_their_own(tmp_path: Path) -> None:
    nets = two_nets()
    kept = [EpochWeights(tmp_path / str(seed), wanted=True) for seed in range(2)]
    seen: list[dict[int, list[Tensor]]] = [{}, {}]

    def after(seed: int) -> Any:
        def write(epoch: int, tensors: Mapping[str, Tensor]) -> None:
            assert list(tensors) == list(nets[seed].state_dict())
            seen[seed][epoch] = [tensor.clone() for tensor in tensors.values()]
            kept[seed].write(epoch, tensors)

        return write

    outcomes = together(nets, after_epoch=[after(0), after(1)])
    for seed, (net, outcome) in enumerate(zip(nets, outcomes, strict=True)):
        assert outcome.best is not None
        pairs = zip(seen[seed][outcome.best.epoch], net.state_dict().values(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)
        assert list(files(tmp_path / str(seed))) == [1, 2, 3]
    assert files(tmp_path / "0") != files(tmp_path / "1")
