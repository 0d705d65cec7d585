"""A checkout of this repository in a folder of its own, in which real Snakemake runs a tiny study."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "config.yaml", "workflow", "envs", "profiles")

TINY: dict[str, Any] = {
    "study": "tiny",
    "datasets": [{"name": "digits", "image_size": 12}],
    "models": ["lenet5", "tiny_cnn"],
    "augmentations": ["standard"],
    "recipes": {"quick": {"epochs": 1, "batch_size": 32, "lr": 1e-3, "weight_decay": 1e-2, "train_images": 100}},
    "seeds": [0, 1],
    "profile": {"min_calls": 3, "min_seconds": 0, "max_batch": 2},
    "report": {"prints": []},
}


@dataclass(frozen=True)
class Outcome:
    """How a call of snakemake ended: its exit status, what it printed, and the jobs that it started."""

    status: int
    text: str
    jobs: Counter[str] = field(default_factory=Counter)


class Checkout:
    """A folder with the project's files; `results/` and `.snakemake/` come with use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def fresh(cls, folder: Path) -> Checkout:
        """A clone: the project's files, new times, no results."""
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        folder.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=ignore, copy_function=shutil.copy)
            else:
                shutil.copy(source, folder / part)
        return cls(folder)

    def copy(self, folder: Path) -> Checkout:
        """The whole folder with its results and Snakemake's memory, times kept."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Checkout(folder)

    def study(self, **changes: Any) -> Path:
        """Write the tiny study with `changes` of its top-level keys; returns its path."""
        study = TINY | changes
        path = self.folder / f"{study['study']}.yaml"
        path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
        return path

    def snakemake(self, study: Path | None, *arguments: str, cores: str = "all") -> Outcome:
        """Run the study (by default config.yaml) as a user would, but with every job named."""
        command = [sys.executable, "-m", "snakemake", *arguments, "--cores", cores, "--resources", "gpu=1"]
        command += ["--quiet", "host", *(["--configfile", str(study)] if study else [])]
        run = subprocess.run(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
        )
        return Outcome(run.returncode, run.stdout, started_jobs(run.stdout))

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a piece of a file that occurs once."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def add_code(self, file: str) -> None:
        """Change a module's syntax tree, and nothing that it does."""
        with (self.folder / file).open("a", encoding="utf-8") as module:
            module.write("\n_EDITED = True\n")

    def find(self, pattern: str) -> list[Path]:
        """Result files by pattern; at least one."""
        found = sorted((self.folder / "results").glob(pattern))
        assert found, f"nothing in results/ matches {pattern}"
        return found


_JOB = re.compile(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", re.MULTILINE)


def started_jobs(text: str) -> Counter[str]:
    """The jobs in Snakemake's output, as "train lenet5 0", "profile lenet5", "compare"; `all` does not count."""
    jobs: Counter[str] = Counter()
    for rule, block in _JOB.findall(text):
        if rule == "all":
            continue
        wildcards = dict(re.findall(r"(\w+)=([^,\s]+)", next(iter(re.findall(r"wildcards: (.*)", block)), "")))
        jobs[" ".join([rule, *(wildcards[key] for key in ("model", "seed") if key in wildcards)])] += 1
    return jobs
