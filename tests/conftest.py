"""What tests share: one torch thread each, a small prepared data set, and short runs on it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Call, Result
from tiny import CODE, DIGITS

# Images of containers often set it; every process that a test starts would compile its modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs the command line in this process, as in call("models", "--filter", "resnet")."""
    from bakeoff import cli

    def run(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["bakeoff", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        try:
            cli.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        else:
            status = 0
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def _one_torch_thread() -> None:
    """More of them wait for each other when tests run beside others. Tests without torch do not import it for this."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the prepared digits, 12x12; not to be changed."""
    from bakeoff.data import step

    folder = tmp_path_factory.mktemp("data") / "digits"
    step.run(DIGITS, folder, CODE, folder)
    return folder


@pytest.fixture(scope="session")
def train_run(digits: Path) -> Callable[..., Path]:
    """Trains a run on the digits into the folder given; further keywords are settings of its recipe."""
    from bakeoff.train import step

    def run(
        out: Path,
        *,
        data: Path = digits,
        model: str = "lenet5",
        augmentation: str = "standard",
        seed: int = 0,
        device: str = "cpu",
        **recipe: Any,
    ) -> Path:
        spec = {
            "dataset": DIGITS,
            "model": {"name": model, "builder": model, "options": {}},
            "augmentation": {"name": augmentation, "policy": augmentation, "options": {}},
            "recipe": recipe,
            "device": device,
            "threads": 1,
        }
        names = {
            "dataset": "digits",
            "model": model,
            "augmentation": augmentation,
            "recipe": "default",
            "seed": seed,
        }
        step.run(spec, names, data, out, CODE)
        return out

    return run


@pytest.fixture(scope="session")
def deployed(digits: Path, train_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an evaluated run in a results/ of its own, exported (int8 too) into its `export`; not to be changed."""
    import shutil

    from bakeoff.deploy import export
    from bakeoff.evaluate import step
    from bakeoff.provenance import spec_digest

    results = tmp_path_factory.mktemp("deployed") / "results"
    shutil.copytree(digits, results / "data" / f"digits-{spec_digest(DIGITS)}")
    run = train_run(results / "runs/digits/lenet5/standard/default-0123456789ab/seed0", epochs=3)
    step.run({}, run, CODE)
    export.run(run, run / "export", int8=True)
    return run


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call) -> Iterator[Any]:
    """What tests/security shares: at its end no payload has run, and nothing stands beside the working folder."""
    from world import World

    here = World(tmp_path, call, monkeypatch)
    here.work.mkdir()
    monkeypatch.chdir(here.work)
    yield here
    assert not here.marker.exists(), "a payload ran"
    assert {path.name for path in tmp_path.iterdir()} == {"work"}, "something was written outside"
