"""How far a study is: what is done by its records, what runs by the logs that training writes anyway.

A training job tells each epoch to its log (train/progress.py). Reading these lines costs the job nothing and works
beside any Snakemake, here or on a cluster with a shared file system.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from bakeoff import plan
from bakeoff.cells import Cell
from bakeoff.estimate import LOGS
from bakeoff.grid import Grid
from bakeoff.plan import Item

SILENT = 180.0
"""Seconds without a line after which a job is taken for dead, and three epochs more where these are long."""
_TAIL = 8192
_EPOCH = re.compile(r"epoch (\d+)/(\d+)[, ].*?(\d+(?::\d\d){1,2}) left")
_ACCURACY, _LOSS = (re.compile(rf"val {what} ([0-9.]+)") for what in ("accuracy", "loss"))
_SUMMARY = re.compile(r"val (?:accuracy|loss) [0-9.]+(?: at epoch|, fitted)|diverged: |oom: ")
_STOPPED = re.compile(r"bakeoff train: interrupted by ")
_FAULT = re.compile(r"bakeoff(?: \w+)?: ")


@dataclass(frozen=True)
class Training:
    """What the log of a run (or a search for its settings) that is not done says: `state` is running, failed or
    interrupted."""

    name: str
    step: str
    state: str
    log: Path
    epoch: int | None = None
    epochs: int | None = None
    val_accuracy: float | None = None
    val_loss: float | None = None
    seconds_left: float | None = None
    problem: str = ""

    def describe(self) -> str:
        """As in "digits/lenet5/none/default seed 0  epoch 3/12, val accuracy 0.9412, 1:10 left"."""
        if self.state == "failed":
            return f"{self.name}: {self.problem}"
        if self.epoch is None:
            return f"{self.name}  starts" if self.state == "running" else self.name
        text = f"{self.name}  epoch {self.epoch}/{self.epochs}"
        if self.val_accuracy is not None:
            text += f", val accuracy {self.val_accuracy:.4f}"
        elif self.val_loss is not None:  # a regression has no accuracy
            text += f", val loss {self.val_loss:.4f}"
        return text


@dataclass(frozen=True)
class Status:
    """A study at one moment."""

    items: list[Item]
    trainings: list[Training]

    def of(self, state: str) -> list[Training]:
        """The runs in this state: running, failed or interrupted."""
        return [training for training in self.trainings if training.state == state]

    def count(self, step: str) -> tuple[int, int]:
        """Results of a step that are done, and all."""
        of_step = [item for item in self.items if item.step == step]
        return sum(item.reason is None for item in of_step), len(of_step)

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return all(item.reason is None for item in self.items)


def look(grid: Grid, logs: Path = LOGS) -> Status:
    """The state of a study now."""
    items = plan.examine(grid)
    now = time.time()
    trainings = []
    for item in items:
        if item.step in ("train", "tune") and item.reason and item.cell:
            found = read_log(item, log_of(grid, item.step, item.cell, item.seed, logs), now)
            trainings += [found] if found else []
    return Status(items, trainings)


def log_of(grid: Grid, step: str, cell: Cell, seed: int | None, logs: Path = LOGS) -> Path:
    """Where a job of training or tuning writes its log, as the rules have it."""
    place = logs / step / cell.dataset / cell.model / cell.augmentation / f"{cell.recipe}-{cell.spec}"
    if seed is None:
        return place.with_name(f"{place.name}.log")
    together = grid.study.train.seeds_together
    if together == 1:
        return place / f"seed{seed}.log"
    start = cell.seeds.index(seed) // together * together
    return place / f"seeds{'_'.join(map(str, cell.seeds[start : start + together]))}.log"


def read_log(item: Item, log: Path, now: float) -> Training | None:
    """What the last lines of a log tell; None where there is none, or its job ended well."""
    try:
        with log.open("rb") as file:
            stat = os.fstat(file.fileno())
            file.seek(max(stat.st_size - _TAIL, 0))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    last = next((line for line in reversed(lines) if line and not line.startswith(" ")), "")
    if _SUMMARY.match(last):
        return None
    stopped = _STOPPED.match(last) is not None
    if _FAULT.match(last) and not stopped:
        return Training(item.name, item.step, "failed", log, problem=last)
    at = next((i for i in range(len(lines) - 1, -1, -1) if _EPOCH.search(lines[i])), None)
    quiet = now - stat.st_mtime
    if at is None:
        running = quiet < SILENT and not stopped
        return Training(item.name, item.step, "running" if running else "interrupted", log)
    found = _EPOCH.search(lines[at])
    assert found is not None  # by the choice of `at`
    epoch, epochs, left = int(found[1]), int(found[2]), _seconds(found[3])
    running = quiet < SILENT + 3 * left / max(epochs - epoch, 1) and not stopped
    return Training(
        item.name,
        item.step,
        "running" if running else "interrupted",
        log,
        epoch,
        epochs,
        _last(_ACCURACY, lines),
        _last(_LOSS, lines),
        max(left - quiet, 0.0),
    )


def _last(number: re.Pattern[str], lines: list[str]) -> float | None:
    return next((float(found[1]) for line in reversed(lines) if (found := number.search(line))), None)


def _seconds(clock: str) -> float:
    """Of "1:02:03" or "2:03"."""
    total = 0
    for part in clock.split(":"):
        total = total * 60 + int(part)
    return float(total)
