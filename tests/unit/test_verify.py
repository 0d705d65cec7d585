"""`bakeoff verify` names every file that is not what its record says, and no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Call
from test_checkpoint import NAMES, SPEC
from tiny import CODE

from bakeoff import disk
from bakeoff.train import step
from bakeoff.train.job import Execution


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits: Path, train_run: Callable[..., Path]) -> Path:
    """Results of a data set and a run."""
    root = tmp_path_factory.mktemp("made") / "results"
    shutil.copytree(digits, root / "data" / "digits-0123456789ab")
    train_run(root / "runs/digits/lenet5/standard/default-0123456789ab/seed0", epochs=1, train_images=64)
    return root


@pytest.fixture
def results(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, "results")
    return Path("results")


def test_what_nobody_touched_is_all_right(results: Path, call: Call) -> None:
    (results / "notes.json").write_text("{}")
    assert call("verify") == (0, "3 files and all that they describe are what they were.\n", "")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_bit_in_each_file_is_found_in_that_file_alone(results: Path, call: Call) -> None:
    files = [path for path in sorted(results.rglob("*")) if path.is_file()]
    assert len(files) == 14
    for path in files:
        before = path.read_bytes()
        _flip(path)
        status, _, err = call("verify")
        path.write_bytes(before)
        assert status == 1
        told = err.splitlines()[1:]
        assert len(told) == 1
        assert told[0].startswith(f"{path}: ")
    assert call("verify")[0] == 0


def test_what_was_cut_or_lost_is_named_too(results: Path, call: Call) -> None:
    cut, lost, unkept = (next(results.rglob(name)) for name in ("predictions.npz", "val_ids.npy", "model.safetensors"))
    cut.write_bytes(cut.read_bytes()[:-9])
    lost.unlink()
    unkept.unlink()  # train.keep: none
    status, _, err = call("verify")
    assert status == 1
    assert [line.partition(": ")[0] for line in err.splitlines()[1:]] == [str(lost), str(cut)]


def test_weights_after_an_epoch_are_read_where_they_are(
    digits: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path("results/runs/digits/lenet5/none/default-0123456789ab/seed0")
    step.run(SPEC, {**NAMES, "seed": 0}, digits, run, CODE, execution=Execution(every_epoch=True))
    (run / "epoch1.safetensors").unlink()
    assert call("verify")[0] == 0
    _flip(run / "epoch2.safetensors")
    assert [line.partition(": ")[0] for line in call("verify")[2].splitlines()[1:]] == [str(run / "epoch2.safetensors")]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "the disk is full ("),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "the disk is full ("),
        (OSError(30, "Read-only file system", "results/x"), "results/x: is read-only; "),
        (PermissionError(13, "Permission denied", "results/x"), "results/x: permission denied; "),
    ],
)
def test_a_disk_that_is_the_cause_is_told_in_a_line(error: Exception, said: str) -> None:
    text = disk.sentence(error)
    assert text is not None
    assert text.startswith(said)
    assert text.endswith("give the same command again; what is done is kept")


def test_other_errors_are_not_the_disks() -> None:
    assert disk.sentence(ValueError("x")) is None
    assert disk.sentence(FileNotFoundError(2, "No such file", "x")) is None
