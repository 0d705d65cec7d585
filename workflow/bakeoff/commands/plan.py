"""`bakeoff plan`: the grid, what is cached and what is to do and why, and what that will take."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bakeoff.commands.options import DEFAULT_STUDY, AsJson, Scale, StudyFile
from bakeoff.commands.units import counted, duration, size

if TYPE_CHECKING:
    from bakeoff.estimate import Estimate
    from bakeoff.grid import Grid
    from bakeoff.plan import Item

STEPS = (
    "prepare", "audit", "tune", "train", "profile", "probe", "combine", "external", "verification", "evaluate",
    "compare", "samples", "report",
)  # fmt: skip
MOST = 20
"""So many results that are to do for one reason are named, the others counted."""
_NAMED = ("prepare", "tune", "train", "profile")
_ON_GPU = ("train", "tune", "probe")

Cores = Annotated[int | None, typer.Option(help="CPU cores that snakemake may use; default: all there are.", min=1)]
Gpus = Annotated[
    int, typer.Option(help="GPUs that snakemake may use (--resources gpu=N, times train.gpu_share).", min=1)
]


def plan(
    study: StudyFile = DEFAULT_STUDY,
    scale: Scale = None,
    cores: Cores = None,
    gpus: Gpus = 1,
    as_json: AsJson = False,
) -> None:
    """Print what is to do, what is cached and why, and the time, GPU hours and disk that it will take."""
    from bakeoff.grid import Grid
    from bakeoff.study import load

    made = make(Grid(load(study, scale)), cores, gpus)
    print(json.dumps(made.as_json(), indent=1) if as_json else made.describe())


@dataclass(frozen=True)
class Means:
    """What the study will run on: kind of device of its runs, cores, GPUs; and so the runs beside each other at most,
    the devices that they share out (GPUs, or cores by `threads`), and the runs that share a GPU.
    """

    device: str
    cores: int
    gpus: int
    at_once: int
    devices: float
    share: int = 1

    def taken(self, devices: int) -> float:
        """The devices that a job has while it runs, of those that there are: one of several has them for itself."""
        return min(devices if devices > 1 else 1 / self.share, self.devices)

    def describe(self) -> str:
        """As in "2 cores, 2 runs at once"."""
        of = counted(self.gpus, "GPU") if self.device == "cuda" else counted(self.cores, "core")
        return f"{of}, {counted(self.at_once, 'run')} at once"


@dataclass(frozen=True)
class Disk:
    """Bytes of the runs to do, as far as earlier runs tell; runs of which none tells; bytes that are free."""

    needed: int
    untold: int
    free: int


@dataclass(frozen=True)
class Plan:
    """All results of a study, and of those to do what each takes."""

    grid: Grid
    items: list[Item]
    costs: list[tuple[Item, Estimate]]
    means: Means
    disk: Disk

    @property
    def seconds(self) -> float:
        """From the start to the report, as far as it can be told."""
        return seconds_left(self.costs, self.means)

    @property
    def gpu_hours(self) -> float:
        """Hours of runs, searches and probes on a GPU."""
        if self.means.device != "cuda":
            return 0.0
        taken = self.means.taken
        return sum((e.seconds or 0.0) * taken(e.devices) for item, e in self.costs if item.step in _ON_GPU) / 3600

    @property
    def untold(self) -> list[tuple[Item, Estimate]]:
        """Those to do that nothing tells the time of."""
        return [(item, estimate) for item, estimate in self.costs if estimate.seconds is None]

    def as_json(self) -> dict[str, Any]:
        """For machines: seconds, bytes, and every result that is to do."""
        return {
            "study": self.grid.study.study,
            "grid": {**axes(self.grid), "cells": len(self.grid.cells), "runs": self.grid.n_runs},
            "steps": {
                step: {"cached": len(items) - len(open_), "to_do": len(open_)}
                for step, items, open_ in by_step(self.items)
            },
            "means": asdict(self.means),
            "seconds": round(self.seconds, 1),
            "gpu_hours": round(self.gpu_hours, 4),
            "without_estimate": len(self.untold),
            "disk": asdict(self.disk),
            "to_do": [
                {"step": item.step, "name": item.name, "reason": item.reason, **asdict(estimate)}
                for item, estimate in self.costs
            ],
        }

    def describe(self) -> str:
        """As text for a terminal."""
        grid = self.grid
        lines = [f"Study {grid.study.study}: {counted(grid.n_runs, 'run')} in {counted(len(grid.cells), 'cell')}"]
        lines += [_product(axes(grid)), "", f"{'step':10}{'cached':>8}{'to do':>8}   to do takes"]
        seconds = dict.fromkeys(STEPS, 0.0)
        for item, estimate in self.costs:
            seconds[item.step] += estimate.seconds or 0.0
        for step, items, open_ in by_step(self.items):
            takes = f"   {duration(seconds[step])} of work" if open_ and seconds[step] else ""
            lines.append(f"{step:10}{len(items) - len(open_):8}{len(open_):8}{takes}")
        lines += ["", *self._why(), *self._takes()]
        return "\n".join(lines)

    def _why(self) -> list[str]:
        lines = []
        for step, _, open_ in by_step(self.items):
            own = [item for item in open_ if item.reason and not item.reason.endswith("to do")]  # not what only follows
            lines += [f"{step}:"] * bool(own)
            for reason, n in Counter(item.reason for item in own).most_common():
                lines.append(f"{n:6} because {reason}")
                names = [item.name for item in own if item.reason == reason]
                if step in _NAMED:
                    lines += [f"         {name}" for name in names[:MOST]]
                    lines += [f"         ... and {n - MOST} more"] * (n > MOST)
        return lines or ["Nothing to do."]

    def _takes(self) -> list[str]:
        if not self.costs:
            return [f"Disk: {size(self.disk.free)} free."]
        bases = Counter(e.basis for item, e in self.costs if item.step == "train" and e.seconds is not None)
        lines = ["", f"Time: {self._time()} on {self.means.describe()}."]
        most = max(estimate.devices for _, estimate in self.costs)
        if self.means.device == "cuda" and most > self.means.gpus:
            lines.append(f"  A run needs {most} GPUs at once: say how many there are by --gpus.")
        if bases:
            lines.append(f"  Runs go by earlier ones: {', '.join(f'{n} {basis}' for basis, n in bases.items())}.")
        for (step, basis), n in Counter((item.step, estimate.basis) for item, estimate in self.untold).items():
            lines.append(f"  Not in it: {n} x {step}: {basis}.")
        if self.means.device == "cuda":
            lines.append(f"GPU: {self.gpu_hours:.2g} hours{' and what is not in it' if self.untold else ''}.")
        disk = self.disk
        more = f" and {counted(disk.untold, 'run')} of unknown size" if disk.untold else ""
        lines.append(f"Disk: {size(disk.needed)}{more} needed, {size(disk.free)} free.")
        if disk.needed > disk.free:
            lines.append("  That is more than there is: make room first.")
        return lines

    def _time(self) -> str:
        if not self.seconds:
            return "no earlier run to go by"
        return f"{'at least' if self.untold else 'about'} {duration(self.seconds)}"


def make(grid: Grid, cores: int | None = None, gpus: int = 1) -> Plan:
    """The plan of a study on so many cores and GPUs."""
    from bakeoff import estimate
    from bakeoff.plan import examine

    items = examine(grid)
    earlier = estimate.Earlier()
    todo = [item for item in items if item.reason]
    means = means_of(grid, cores, gpus)
    sizes = [earlier.size(grid, item.cell) for item in todo if item.step == "train" and item.cell]
    disk = Disk(sum(filter(None, sizes)), sizes.count(None), shutil.disk_usage(Path()).free)
    return Plan(grid, items, list(estimate.of(grid, todo, earlier)), means, disk)


def means_of(grid: Grid, cores: int | None = None, gpus: int = 1) -> Means:
    """What a study's jobs will share, with the defaults of profiles/default: all cores, one GPU."""
    from bakeoff.commands.machine import cpu_cores
    from bakeoff.estimate import run_device

    cores = cores or cpu_cores()
    on = run_device(grid)
    devices, share = (gpus, grid.study.train.gpu_share) if on == "cuda" else (max(cores // grid.study.threads, 1), 1)
    means = Means(on, cores, gpus, 1, devices, share)
    fewest = min(recipe.gpus for recipe in grid.study.recipes.values())
    return replace(means, at_once=int(devices / means.taken(fewest) + 1e-9))


def seconds_left(costs: Iterable[tuple[Item, Estimate]], means: Means) -> float:
    """Wall time of these jobs: runs beside each other, profiles alone, the rest on all cores; at least the longest."""
    work, longest = dict.fromkeys(STEPS, 0.0), 0.0
    for item, estimate in costs:
        if estimate.seconds is not None:
            on_gpu = item.step in _ON_GPU
            work[item.step] += estimate.seconds * (means.taken(estimate.devices) if on_gpu else 1)
            longest = max(longest, estimate.seconds)
    beside = sum(work[step] for step in _ON_GPU) / means.devices
    small = sum(work[step] for step in ("audit", "combine", "external", "verification", "evaluate")) / means.cores
    alone = sum(work[step] for step in ("prepare", "audit", "profile", "compare", "samples", "report"))
    return max(beside + small + alone, longest)


def axes(grid: Grid) -> dict[str, int]:
    """How many values each axis of the grid has."""
    study = grid.study
    return {
        "data set": len(study.datasets),
        "model": len(study.models),
        "augmentation": len(study.augmentations),
        "recipe": len(study.recipes),
        "seed": len(study.seeds),
    }


def _product(sizes: dict[str, int]) -> str:
    return "  " + " x ".join(counted(n, axis) for axis, n in sizes.items())


def by_step(items: list[Item]) -> list[tuple[str, list[Item], list[Item]]]:
    """Of each step that the study has, all results and those to do."""
    found = []
    for step in STEPS:
        if of_step := [item for item in items if item.step == step]:
            found.append((step, of_step, [item for item in of_step if item.reason]))
    return found
