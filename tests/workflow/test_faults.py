"""What happens to a study when processes are killed, runs fail and two want the same folder: each ends in the way that
docs/faults.md says, nothing that is done is lost, and the results are those of a quiet run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from checkout import Checkout

# Long enough to be killed at a moment of one's choice, a checkpoint a second.
SLOW: dict[str, Any] = {
    "models": ["lenet5"],
    "augmentations": ["none"],
    "recipes": {"slow": {"epochs": 60, "batch_size": 32, "lr": 1e-3}},
    "seeds": [0],
    "train": {"checkpoint_seconds": 1},
}
RECORD = "runs/*/*/*/*/seed*/run.json"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the images are prepared."""
    checkout = Checkout.fresh(tmp_path_factory.mktemp("faults") / "checkout")
    outcome = checkout.snakemake(checkout.study(**SLOW), "data")
    assert outcome.status == 0, outcome.text
    return checkout


@pytest.fixture
def checkout(prepared: Checkout, tmp_path: Path) -> Checkout:
    return prepared.copy(tmp_path / "checkout")


@pytest.fixture(scope="module")
def undisturbed(prepared: Checkout, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What the run of the slow study leaves when nobody disturbs it, and the command that trained it."""
    checkout = prepared.copy(tmp_path_factory.mktemp("quiet") / "checkout")
    outcome = checkout.snakemake(checkout.study(**SLOW), "trained", "--printshellcmds")
    assert outcome.status == 0, outcome.text
    line = next(line for line in outcome.text.splitlines() if "-m bakeoff train" in line)
    return left(checkout), line.partition("Shell command: ")[2]


@pytest.fixture
def quiet(undisturbed: tuple[dict[str, Any], str]) -> dict[str, Any]:
    return undisturbed[0]


def left(checkout: Checkout) -> dict[str, Any]:
    """A run's results without its times."""
    (path,) = checkout.find(RECORD)
    history = (path.parent / "history.csv").read_text().splitlines()
    return {
        "logits": np.load(path.parent / "predictions.npz")["logits"].tobytes(),
        "history": [line.rpartition(",")[0] for line in history],
        "weights": json.loads(path.read_text())["files"]["model.safetensors"],
    }


@contextmanager
def started(checkout: Checkout, command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process in the checkout, in a group of its own, which is killed at the end."""
    process = subprocess.Popen(
        command,
        cwd=checkout.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    family = psutil.Process(process.pid)
    try:
        yield process
    finally:
        for each in [*_children(family), process]:
            with suppress(psutil.Error, OSError):
                each.kill()
        process.communicate()


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def trainings(checkout: Checkout) -> list[psutil.Process]:
    """The processes that train in this checkout."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            if line[1:4] == ["-m", "bakeoff", "train"] and process.cwd() == str(checkout.folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for(what: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true answer."""
    end = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return answer


def checkpoints(checkout: Checkout) -> list[Path]:
    return list((checkout.folder / "results").rglob("checkpoint.pt"))


# --- killed


def test_training_killed_at_random_moments_ends_with_the_same_bits(
    checkout: Checkout, undisturbed: tuple[dict[str, Any], str]
) -> None:
    """Five SIGKILL, at whatever it does then, and a SIGTERM; a checkpoint a second is at most a second lost."""
    quiet, line = undisturbed
    command = ["bash", "-c", f"export PYTHONPATH=workflow; exec {line}"]
    log = checkout.folder / line.split("2> ")[1]
    log.parent.mkdir(parents=True)
    moments = np.random.default_rng(time.time_ns()).uniform(0, 1.2, 5)
    for moment in moments:
        log.write_text("")
        with started(checkout, command) as process:
            wait_for(lambda: process.poll() is not None or "epoch " in log.read_text())
            time.sleep(moment)
            process.kill()
    log.write_text("")
    with started(checkout, command) as process:
        wait_for(lambda: process.poll() is not None or "epoch " in log.read_text())
        told = time.monotonic()
        process.terminate()
        text, _ = process.communicate(timeout=30)
        assert time.monotonic() - told < 10
    if process.returncode:  # it was not done yet
        assert process.returncode == 75, text
        assert "interrupted by SIGTERM; the same command goes on from results/" in text
        assert len(checkpoints(checkout)) == 1
    outcome = checkout.snakemake(checkout.folder / "tiny.yaml", "trained")
    assert outcome.status == 0, outcome.text
    assert left(checkout) == quiet
    assert not checkpoints(checkout)


@pytest.mark.parametrize("alone", [False, True], ids=["with its jobs", "alone"])
def test_snakemake_killed(alone: bool, checkout: Checkout, quiet: dict[str, Any]) -> None:
    """The next start names the command that removes the lock, and `bakeoff run` needs none."""
    study = checkout.folder / "tiny.yaml"
    with started(checkout, bakeoff("run", study, "trained")) as process:
        wait_for(lambda: checkpoints(checkout))
        (snakemake,) = psutil.Process(process.pid).children()
        for each in [snakemake] if alone else [*snakemake.children(recursive=True), snakemake]:
            each.kill()
        process.wait(30)
        if alone:
            refused = checkout.snakemake(study, "trained")
            assert refused.status == 1
            assert f"left by process {snakemake.pid} of" in refused.text
            assert "remove it with: bakeoff unlock" in refused.text
    again = subprocess.run(bakeoff("run", study, "trained"), cwd=checkout.folder, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"Removed the lock of process {snakemake.pid}" in again.stdout
    assert left(checkout) == quiet


def bakeoff(command: str, study: Path, *arguments: str) -> list[str]:
    start = "import sys; sys.path.insert(0, 'workflow'); from bakeoff.cli import main; main()"
    return [sys.executable, "-c", start, command, str(study), *arguments, "--cores", "2"]


def test_two_at_once_and_a_sigterm(checkout: Checkout, quiet: dict[str, Any]) -> None:
    """The second is refused and told by whom the folder is used; SIGTERM ends the first with all its jobs."""
    study = checkout.folder / "tiny.yaml"
    with started(checkout, bakeoff("run", study, "trained")) as process:
        wait_for(lambda: checkpoints(checkout))
        (training,) = trainings(checkout)
        training.suspend()  # or it might end before the second has started
        (snakemake,) = psutil.Process(process.pid).children()
        began = time.monotonic()
        second = checkout.snakemake(study, "trained")
        assert (second.status, second.jobs.total()) == (1, 0)
        assert f"this folder is in use by process {snakemake.pid} of" in second.text
        assert time.monotonic() - began < 60
        process.terminate()
        training.resume()
        text, _ = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "interrupted by SIGTERM; the same command goes on" in text
        assert not trainings(checkout)
    assert checkpoints(checkout)
    outcome = checkout.snakemake(study, "trained")
    assert outcome.status == 0, outcome.text
    assert left(checkout) == quiet


# --- runs that fail

NETS = """
import torch
from torch import nn
from bakeoff.seeding import stream_seed


class Net(nn.Module):
    def __init__(self, channels, size, classes, norm, most):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.LazyLinear(classes))
        self.layers(torch.zeros(2, channels, size, size))
        self.most = most

    def forward(self, images):
        if self.training and len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.layers(images)


def fragile(channels, size, classes):
    if torch.initial_seed() == stream_seed(1, "init", "digits", "fragile"):
        raise OSError("a fault of the machine")
    return Net(channels, size, classes, nn.Identity(), 1000)


def hungry(channels, size, classes):
    return Net(channels, size, classes, nn.Identity(), 8)


def starved(channels, size, classes):
    return Net(channels, size, classes, nn.BatchNorm2d(4), 8)


def infinite(channels, size, classes):
    net = Net(channels, size, classes, nn.Identity(), 1000)
    net.layers[0].bias.data.fill_(float("inf"))
    return net
"""


NOW_AND_THEN = """
import time
from pathlib import Path

import torch
from torch import nn


class Net(nn.Linear):
    def forward(self, images):
        once = Path("failed_once")
        if self.training and not once.exists():
            time.sleep(0.05)
            if list(Path("results").rglob("checkpoint.pt")):
                once.touch()
                raise OSError("a fault of the machine")
        return super().forward(images.flatten(1))


def build(channels, size, classes):
    return Net(channels * size * size, classes)
"""


def test_a_job_that_failed_is_tried_again_and_goes_on(checkout: Checkout) -> None:
    (checkout.folder / "net.py").write_text(NOW_AND_THEN)
    recipes = {"slow": SLOW["recipes"]["slow"] | {"epochs": 3}}
    study = checkout.study(**SLOW | {"models": [{"name": "net", "builder": "net.py:build"}], "recipes": recipes})
    outcome = checkout.snakemake(study, "trained", "--retries", "1")
    assert outcome.status == 0, outcome.text
    assert "a fault of the machine" in outcome.text
    record = json.loads(checkout.find(RECORD)[0].read_text())
    assert (record["status"], record["resumed"]) == ("done", 1)


def test_one_run_of_eight_fails_and_the_others_end(checkout: Checkout) -> None:
    """Out of memory: smaller batches, or with batch norm a result; a NaN loss is one too; an exception is none."""
    (checkout.folder / "nets.py").write_text(NETS)
    names = ("fragile", "hungry", "starved", "infinite")
    study = checkout.study(
        models=[{"name": name, "builder": f"nets.py:{name}"} for name in names], augmentations=["none"]
    )
    outcome = checkout.snakemake(study, "evaluated")
    assert outcome.status == 1
    assert "a fault of the machine" in outcome.text
    records = {(r["model"], r["seed"]): r for r in (json.loads(path.read_text()) for path in checkout.find(RECORD))}
    assert {key: record["status"] for key, record in records.items()} == {
        **{("fragile", 0): "done", ("hungry", 0): "done", ("hungry", 1): "done"},
        **{("starved", 0): "oom", ("starved", 1): "oom", ("infinite", 0): "diverged", ("infinite", 1): "diverged"},
    }
    assert records["hungry", 0]["smaller_batches"] == {"batch_size": 8, "accumulate": 4}
    assert records["starved", 0]["reason"].startswith("out of memory (CUDA out of memory. Tried to allocate 2.00 GiB)")
    assert "batch norm" in records["starved", 0]["reason"]
    assert checkout.snakemake(study, "partial").status == 0
    page = (checkout.folder / "results/tiny/partial/comparison.md").read_text()
    assert "PARTIAL: 3 of 8 runs done" in page
    for gap in ("fragile, none, quick: 1 of 2 done; 1 missing (seeds 1)", "starved, none, quick: 0 of 2 done; 2 oom"):
        assert f"digits, {gap}" in page


def test_tables_of_a_third_of_the_runs(done: Checkout) -> None:
    """`partial` trains nothing, and leaves the tables of the whole study as they are."""
    for run in done.find("runs/*/*/*/*/seed*")[1:]:
        shutil.rmtree(run)
    outcome = done.snakemake(done.study(), "partial")
    assert (outcome.status, set(outcome.jobs)) == (0, {"partial"}), outcome.text
    tables = done.folder / "results/tiny/partial/comparison.md"
    assert "**PARTIAL: 1 of 4 runs done.**" in tables.read_text()
    assert "digits, tiny_cnn, standard, quick: 0 of 2 done; 2 missing (seeds 0 1)." in tables.read_text()
    assert "PARTIAL" not in (done.folder / "results/tiny/comparison.md").read_text()
