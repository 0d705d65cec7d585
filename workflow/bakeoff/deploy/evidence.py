"""What a study knows about a network beyond its own test: the other seeds, the copies among its images, its costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bakeoff.errors import Refused
from bakeoff.provenance import Json, read_record

LEVEL = 0.95


@dataclass(frozen=True)
class Repetitions:
    """A metric over the seeds of a cell: how many, mean, standard deviation (n - 1), and Student's interval of the
    mean, which tells of other seeds, not of other images.
    """

    n: int
    mean: float
    std: float
    lo: float
    hi: float


def repetitions(run_dir: Path) -> dict[str, Repetitions]:
    """The metrics of a run's cell, of those that two seeds or more have."""
    values: dict[str, list[float]] = {}
    for record in _evaluated(run_dir.parent):
        for name, found in record["metrics"].items():
            if found["value"] is not None:
                values.setdefault(name, []).append(found["value"])
    return {name: _over(found) for name, found in values.items() if len(found) > 1}


def _evaluated(cell: Path) -> Iterator[Json]:
    for path in sorted(cell.glob("seed*/metrics.json")):
        try:
            metrics, run = read_record(path, "metrics"), read_record(path.parent / "run.json", "run")
        except Refused:
            continue
        if metrics["status"] == "done" and metrics["run_digest"] == run["record_digest"]:
            yield metrics


def _over(values: list[float]) -> Repetitions:
    from scipy.stats import t

    n, mean, std = len(values), statistics.fmean(values), statistics.stdev(values)
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * std / math.sqrt(n)
    return Repetitions(n, mean, std, mean - half, mean + half)


def proportion(share: float, n: int) -> tuple[float, float]:
    """Wilson's interval (1927) of a share of n images: how it would vary with another sample of as many images."""
    from scipy.stats import binomtest

    found = binomtest(round(share * n), n).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def copies(data: Path) -> Json | None:
    """How many test images are copies of training or validation images, and nearly so; None where nobody looked."""
    try:
        audit = read_record(data / "audit.json", "audit")["audit"]
    except Refused:
        return None
    near = audit["near"]["found"]
    relation = "train+val/test"
    return {"exact": audit["exact"][relation]["images"], "near": near and near[relation]["images"]}


def profiles(results: Path, info: Json) -> list[Json]:
    """The records of what this network costs, one for each condition that it was measured under."""
    model, shape = info["settings"]["model"], [info["channels"], info["size"], info["size"]]
    found = []
    for path in sorted(results.glob("profiles/*.json")):
        try:
            record = read_record(path, "profile")
        except Refused:
            continue
        spec = record["spec"]
        same = spec.get("model") == model and spec["input"] == shape and spec["classes"] == len(info["labels"])
        if same and record["status"] == "done":
            found.append(record)
    return found
