"""What the benchmarks share: summaries, tables in plain text, the machine, and a file with the figures."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
MODELS = ["tiny_cnn", "tiny_vit", "timm/resnet18"]
PACKAGES = ("torch", "torchvision", "timm", "lightning", "numpy")


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of `n` values; None without any."""

    median: float | None
    low: float | None
    high: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        kept = sorted(values)
        if len(kept) < 2:
            only = kept[0] if kept else None
            return cls(only, only, only, len(kept))
        low, median, high = statistics.quantiles(kept, n=4, method="inclusive")
        return cls(median, low, high, len(kept))

    def text(self, digits: int) -> str:
        """Such as `0.971 [0.965–0.980]`."""
        if self.median is None:
            return "–"
        return f"{self.median:,.{digits}f} [{self.low:,.{digits}f}–{self.high:,.{digits}f}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns in plain text: the first to the left, the others to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def machine() -> dict[str, Any]:
    """Hardware and software that figures were measured on."""
    from bakeoff.provenance import environment

    memory = psutil.virtual_memory().total
    return {**environment(PACKAGES), "cores_used": cores(), "memory_gb": round(memory / 1e9, 1), "gpu": gpu_name()}


def gpu_name() -> str | None:
    """The first GPU, asked of the driver: a benchmark's own process imports no torch."""
    import pynvml

    try:
        pynvml.nvmlInit()
        name = pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0))
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None
    return str(name)


def describe(facts: dict[str, Any]) -> str:
    """The machine in a line or two."""
    packages = ", ".join(f"{name} {version or 'missing'}" for name, version in facts["packages"].items())
    gpu = f", {facts['gpu']}" if facts["gpu"] else ""
    return (
        f"{facts['cpu']}, {facts['cores_used']} cores, {facts['memory_gb']} GB{gpu}\n"
        f"Python {facts['python']}, {packages}; commit {(facts['commit'] or 'unknown')[:12]}"
        f"{' with changes' if facts['uncommitted_changes'] else ''}"
    )


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """The figures, for those who read them by program."""
    if path is not None:
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def words(text: str) -> list[str]:
    """An option's value, `a,b,c`."""
    return [word for word in text.split(",") if word]


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", type=Path, help="write all figures to this file")
    options.add_argument("--root", type=Path, default=ROOT, help="folder whose results/data holds the prepared data")
    options.add_argument("--dataset", default="fashion_mnist", help="a data set that bakeoff knows, at 28 pixels")
    options.add_argument(
        "--disturbance",
        type=float,
        default=0.06,
        help="share of the machine that other processes may use in a measurement that counts (default 0.06)",
    )
    return options
