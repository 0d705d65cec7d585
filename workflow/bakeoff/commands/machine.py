"""What this process may use of the machine: cores and memory, by the scheduler's mask and the container's limits."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpu_cores(cgroup: Path = CGROUP) -> int:
    """Cores that this process may run on: its affinity, and a container's quota where that is less."""
    mask = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return mask
    return mask if quota == "max" else max(min(mask, math.ceil(int(quota) / int(period))), 1)


def memory(cgroup: Path = CGROUP, meminfo: Path = Path("/proc/meminfo")) -> tuple[int, int] | None:
    """Bytes of memory, all and free, within a container's limit; None where the system does not tell."""
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        total, free = (int(lines[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    except (OSError, ValueError, KeyError, IndexError):
        return None
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):  # "max": no limit
        return total, free
    return min(total, limit), min(free, max(limit - used, 0))
