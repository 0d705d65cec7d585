"""A study of many tiny runs, from start to report: does Snakemake keep the machine busy, and what does a run cost?

    python -m benchmarks.many [--runs 500] [--cores 2]

In an empty folder, images and all. CPU seconds of the jobs are those of each `python -m bakeoff`, by a `python` that
stands first in PATH and has bash time the real one; `all` has Snakemake's own besides. `wall/ideal` is wall time over
the CPU seconds of the jobs divided by the cores: 1 is a machine that works on nothing else. `a run` is what each of a
run's own jobs costs, imports included, for one epoch of 100 images.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from benchmarks import common, dag

MODELS = ["lenet5", "tiny_cnn"]
A_RUN = ("train", "evaluate")
"""The steps that each run has for itself."""


@dataclass(frozen=True)
class Step:
    """The jobs of a step: how many, and the CPU seconds of all and of one in the middle."""

    name: str
    jobs: int
    cpu: float
    each: float


def study(runs: int) -> dict[str, Any]:
    """So many runs: both models with as many seeds as divide them, up to ten; recipes for the rest."""
    seeds = max((n for n in range(1, 11) if runs % (len(MODELS) * n) == 0), default=0)
    if not seeds:
        raise SystemExit(f"--runs: {runs} is odd; there are {len(MODELS)} models")
    recipe = {"epochs": 1, "batch_size": 32, "train_images": 100}
    recipes = runs // (len(MODELS) * seeds)
    return {
        "study": "many",
        "datasets": [{"name": "digits", "image_size": 12}],
        "models": MODELS,
        "augmentations": ["none"],
        "recipes": {f"r{i}": {**recipe, "lr": round(1e-3 + 1e-6 * i, 6)} for i in range(recipes)},
        "seeds": list(range(seeds)),
        "profile": {"min_calls": 3, "min_seconds": 0, "max_batch": 2},
    }


def timed_python(folder: Path) -> Path:
    """A folder with a `python` that notes step, user and system seconds of each call; returns the file of notes."""
    place, notes = folder / "bin", folder / "notes"
    place.mkdir()
    real, file = shlex.quote(sys.executable), shlex.quote(str(notes))
    (place / "python").write_text(
        f'#!/usr/bin/env bash\nTIMEFORMAT="$3 %U %S"\nexec 3>&2\n{{ time {real} "$@" 2>&3; }} 2>>{file}\n'
    )
    (place / "python").chmod(0o755)
    return notes


def steps(notes: str) -> list[Step]:
    """The notes of all calls, by step; the one that cost most first."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in notes.splitlines():
        name, user, system = line.split()
        found[name].append(float(user) + float(system))
    made = [Step(name, len(cpu), sum(cpu), median(cpu)) for name, cpu in found.items()]
    return sorted(made, key=lambda step: -step.cpu)


def measure(runs: int, cores: int, folder: Path) -> dict[str, Any]:
    """Run the study; what it took."""
    (folder / "study.yaml").write_text(json.dumps(study(runs)))
    notes = timed_python(folder)
    with mock.patch.dict(os.environ, {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}):
        _, wall, cpu, memory = dag.snakemake(folder, "--cores", str(cores), "--quiet", "all", "--scheduler", "greedy")
    if not (folder / "results" / "many" / "report.html").exists():
        raise SystemExit("the study ended without a report")
    by_step = steps(notes.read_text())
    jobs = sum(step.cpu for step in by_step)
    return {
        "runs": runs,
        "cores": cores,
        "wall": wall,
        "cpu_jobs": jobs,
        "cpu_all": cpu,
        "wall_over_ideal": wall / (jobs / cores),
        "cpu_of_a_run": sum(step.each for step in by_step if step.name in A_RUN),
        "memory_mb": memory,
        "steps": [asdict(step) for step in by_step],
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--runs", type=int, default=500, help="an even number (default 500)")
    parser.add_argument("--cores", type=int, default=2, help="that Snakemake may use (default 2)")
    options = parser.parse_args()
    facts = common.machine()
    print(common.describe(facts), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.runs, options.cores, Path(folder))
    common.write_json(options.json, {"machine": facts, **found})
    rows = [(s["name"], f"{s['jobs']:,}", f"{s['cpu']:.1f}", f"{s['each']:.2f}") for s in found["steps"]]
    print(common.table(["step", "jobs", "CPU s", "each"], rows))
    print(
        f"{found['runs']:,} runs on {found['cores']} cores: {found['wall']:.0f} s; CPU s of the jobs"
        f" {found['cpu_jobs']:.0f}, of all {found['cpu_all']:.0f}; wall/ideal {found['wall_over_ideal']:.2f};"
        f" a run {found['cpu_of_a_run']:.2f} CPU s"
    )


if __name__ == "__main__":
    main()
