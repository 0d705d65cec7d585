"""What a job asks a cluster for: what earlier jobs of the same settings took, with room; else what is usual."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LOGS = Path("logs")
MEMORY_ROOM, TIME_ROOM = 1.5, 3.0
"""A node may be slower than the one before, and a run that went on from a checkpoint took less than a whole one."""
LEAST_MB, LEAST_MINUTES = 1000, 10


@dataclass(frozen=True)
class Needs:
    """Memory in MB and time in minutes, as Snakemake's `mem_mb` and `runtime`."""

    mem_mb: int
    runtime: int


@cache
def of(times: str, usual: Needs) -> Needs:
    """Needs by the benchmark files that match `times`, a pattern below logs/, such as "profile/resnet18-abc.tsv"."""
    took = [each for path in LOGS.glob(times) if (each := _took(path)) is not None]
    if not took:
        return usual
    return Needs(
        max(LEAST_MB, math.ceil(MEMORY_ROOM * max(megabytes for megabytes, _ in took))),
        max(LEAST_MINUTES, math.ceil(TIME_ROOM * max(seconds for _, seconds in took) / 60)),
    )


def _took(path: Path) -> tuple[float, float] | None:
    """MB and seconds that Snakemake's benchmark file has for a job; None where it has none, as for a very short one."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        memory, seconds = float(row["max_rss"]), float(row["s"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
    return (memory, seconds) if math.isfinite(memory) and math.isfinite(seconds) else None
