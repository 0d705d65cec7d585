"""A small study: as data, checked, as a grid, and as a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from bakeoff.grid import Grid
from bakeoff.study import Study, check
from bakeoff.studyfile import Document

ROOT = Path(__file__).parents[2]

TINY: dict[str, Any] = {
    "study": "tiny",
    "datasets": ["digits"],
    "models": ["lenet5", "tiny_cnn"],
    "augmentations": ["none", "standard"],
    "recipes": {"default": {"epochs": 2, "lr": 0.1, "weight_decay": 0.01}},
    "seeds": [0, 1, 2],
}


def study(**changes: Any) -> Study:
    return check(Document("tiny.yaml", {**TINY, **changes}, {}))


def grid(**changes: Any) -> Grid:
    return Grid(study(**changes))


def bakeoff(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, as a user calls it."""
    return subprocess.run(
        [sys.executable, "-m", "bakeoff", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )
