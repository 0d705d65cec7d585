"""What a grid costs before its first job: `snakemake --dry-run` and the call that finds nothing to do.

    python -m benchmarks.dag [--runs 100,1000,5000,10000,20000]

Each is planned in an empty folder (`nothing done`) and where every output is there (`all done`: empty files stand for
results). CPU seconds and peak memory are the children's, so a shared machine does not move them much; wall time it
does. `growth` is CPU seconds a run, start left out, over those of the grid before: 1 is linear.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import common

MODELS = ["lenet5", "tiny_cnn", "tiny_vit", "control/majority", "sklearn/knn"]
AUGMENTATIONS = ["none", "standard"]
SEEDS = 10
A_RECIPE = len(MODELS) * len(AUGMENTATIONS) * SEEDS


@dataclass(frozen=True)
class Cost:
    """What one call of snakemake took; `jobs` as it counted them, 0 where there was nothing to do."""

    runs: int
    call: str
    wall: float
    cpu: float
    memory_mb: float
    jobs: int


def study(runs: int) -> dict[str, Any]:
    """A grid of so many runs, a multiple of 100: what differs is the learning rate of its recipes."""
    if runs % A_RECIPE:
        raise SystemExit(f"--runs: {runs} is no multiple of {A_RECIPE}")
    recipe = {"epochs": 1, "batch_size": 32, "train_images": 100}
    return {
        "study": "grid",
        "datasets": [{"name": "digits", "image_size": 12}],
        "models": MODELS,
        "augmentations": AUGMENTATIONS,
        "recipes": {f"r{i}": {**recipe, "lr": round(1e-3 + 1e-6 * i, 6)} for i in range(runs // A_RECIPE)},
        "seeds": list(range(SEEDS)),
    }


def snakemake(folder: Path, *arguments: str) -> tuple[str, float, float, float]:
    """Its output, wall and CPU seconds and peak memory in MB."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(common.ROOT / "Snakefile")]
    command += ["--configfile", "study.yaml", "--cores", "2", *arguments]
    begun = time.perf_counter()
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
    wall, text = time.perf_counter() - begun, (folder / "log").read_text(errors="replace")
    if status:
        raise SystemExit(f"snakemake {' '.join(arguments)} failed:\n{text[-2000:]}")
    return text, wall, usage.ru_utime + usage.ru_stime, peak_mb(usage)


def peak_mb(usage: resource.struct_rusage) -> float:
    """The largest resident size: in kB on Linux, in bytes on macOS."""
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def jobs(text: str) -> int:
    """The total in the last of Snakemake's tables of jobs."""
    totals = [line.split()[1] for line in text.splitlines() if line.startswith("total ")]
    return int(totals[-1]) if totals else 0


def measure(runs: int, folder: Path) -> list[Cost]:
    """Both calls for a grid, in an empty folder."""
    (folder / "study.yaml").write_text(json.dumps(study(runs)))
    found = [planned(runs, "dry", folder)]
    pretend(folder)
    return [*found, planned(runs, "none", folder)]


def planned(runs: int, call: str, folder: Path) -> Cost:
    text, wall, cpu, memory = snakemake(folder, "--dry-run", "--quiet", "reason")
    return Cost(runs, call, wall, cpu, memory, jobs(text))


def pretend(folder: Path) -> None:
    """Make every output an empty file, and let Snakemake note for each what made it, as it does after a job."""
    text, *_ = snakemake(folder, "--summary")
    for line in text.splitlines():
        if line.startswith("results/"):
            path = folder / line.split("\t")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    snakemake(folder, "--touch", "--quiet", "all")


def growth(costs: list[Cost], start: float) -> list[float | None]:
    """CPU seconds a run, without those that any call takes, over those of the same call for the grid before."""
    found: list[float | None] = []
    before: dict[str, float] = {}
    for cost in costs:
        each = (cost.cpu - start) / cost.runs
        found.append(each / before[cost.call] if cost.call in before else None)
        before[cost.call] = each
    return found


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--runs", default="100,1000,5000,10000,20000", help="sizes of the grids, multiples of 100")
    options = parser.parse_args()
    facts = common.machine()
    print(common.describe(facts), flush=True)
    costs = []
    for runs in map(int, common.words(options.runs)):
        with tempfile.TemporaryDirectory() as folder:
            costs += measure(runs, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "study.yaml").write_text(json.dumps(study(A_RECIPE)))
        start = snakemake(Path(folder), "--list-rules")[2]
    grown = growth(costs, start)
    common.write_json(options.json, {"machine": facts, "start_cpu": start, "costs": [asdict(cost) for cost in costs]})
    rows = [
        (
            f"{cost.runs:,} runs, {'nothing done' if cost.call == 'dry' else 'all done'}",
            f"{cost.jobs:,}",
            f"{cost.cpu:.1f}",
            f"{cost.wall:.1f}",
            f"{cost.memory_mb:,.0f}",
            f"{factor:.2f}" if factor else "",
        )
        for cost, factor in zip(costs, grown, strict=True)
    ]
    print(common.table(["grid", "jobs", "CPU s", "wall s", "MB", "growth"], rows))
    print(f"of which Snakemake's start and reading the study: {start:.1f} CPU s")


if __name__ == "__main__":
    main()
