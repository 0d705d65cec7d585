"""What a model costs under one condition: read from its record, refused when that is another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from bakeoff.compare.paired import FloatArray
from bakeoff.compare.spec import Cell, CompareInput, ProfileRef
from bakeoff.errors import Refused
from bakeoff.provenance import Json, read_record

MISSING = "missing"
# Requests in a row are alike, so what a latency is uncertain by is how this many stretches of them differ.
BLOCKS = 20


@dataclass(frozen=True)
class Profile:
    """One profile; all fields but the last are columns of costs.csv. None is "no such number", and `reason` says why.

    `asked` is the condition as the study has it, `condition` what that was on the machine at hand. `failure` is the
    reason in words for a table's cell; a control method has no costs and no failure either. Latencies are of one image
    in ms, throughput is in images/s with its interval and batch, memory in MB. `marks` are reasons not to trust the
    times, `anchor_ms` is the time of the net that all profiles of a study measure beside their own.
    `latency_blocks` are the medians of 20 stretches of its requests, in order; none where no single time is known.
    `latency_samples` are the times themselves, in ms, in order.
    `published` says who published the costs of what was not measured here: nothing is made of such times.
    """

    asked: str
    condition: str
    status: str
    failure: str | None = None
    reason: str | None = None
    hardware: str | None = None
    device: str | None = None
    threads: int | None = None
    precision: str | None = None
    backend: str | None = None
    channels_last: bool | None = None
    params: int | None = None
    trainable_params: int | None = None
    size_mb: float | None = None
    macs: int | None = None
    macs_fvcore: int | None = None
    macs_note: str | None = None
    activations: int | None = None
    latency_ms_p50: float | None = None
    latency_ms_p90: float | None = None
    latency_ms_p95: float | None = None
    latency_ms_p99: float | None = None
    throughput: float | None = None
    throughput_lo: float | None = None
    throughput_hi: float | None = None
    best_batch_size: int | None = None
    peak_memory_mb: float | None = None
    best_batch_memory_mb: float | None = None
    train_memory_mb: float | None = None
    train_batch_size: int | None = None
    memory_reason: str | None = None
    joules_per_image: float | None = None
    energy_reason: str | None = None
    anchor_ms: float | None = None
    published: str | None = None
    marks: tuple[str, ...] = ()
    latency_blocks: tuple[float, ...] = field(default=(), repr=False)
    latency_samples: FloatArray | None = field(default=None, repr=False, compare=False)


def read_all(inputs: CompareInput, results: Path) -> dict[str, Profile]:
    """The profiles of all cells, by name. Raises Refused for a record that is missing, unless the study is partial,
    and for one that is not what it stands for.
    """
    return {ref.name: _read(results, cell, ref, inputs.partial) for cell in inputs.cells for ref in cell.profiles}


def hardware(record: Json) -> str | None:
    """The machine that a run or a profile computed on, as far as it matters for times; None for one made elsewhere."""
    if record["device"] is None:
        return None
    if record["device"] == "cuda":
        return str(record["environment"].get("gpu") or "a GPU without a name")
    threads = record["threads"]
    return f"{record['environment']['cpu']}, {threads} thread{'s' if threads > 1 else ''}"


def _read(results: Path, cell: Cell, ref: ProfileRef, partial: bool) -> Profile:
    path = results / "profiles" / f"{ref.name}.json"
    if partial and not path.exists():
        return Profile(ref.condition, ref.condition, MISSING, failure=MISSING, reason="not measured yet")
    record = read_record(path, "profile", spec=ref.spec, code=ref.code)
    if record["model"] != cell.model:
        raise Refused(f"{path}: is the profile of {record['model']!r}, though it stands for {cell.model!r}")
    samples = _part(record["latency_ms"], "samples") or []
    same = (
        "condition", "status", "reason", "device", "threads", "precision", "backend", "channels_last",
        "params", "trainable_params", "size_mb", "macs", "macs_fvcore", "macs_note", "activations",
        "peak_memory_mb", "best_batch_memory_mb", "train_memory_mb", "train_batch_size", "joules_per_image",
    )  # fmt: skip
    return Profile(
        asked=ref.condition,
        failure=None if record["status"] == "skipped" else record["failure"],
        # What measured nothing is on no machine.
        hardware=hardware(record) if record["latency_ms"] else None,
        memory_reason=_memory_reason(record["memory"] or {}),
        energy_reason=_part(record["energy"], "reason"),
        anchor_ms=_anchor(record["anchor"]),
        published=record.get("published"),
        marks=tuple(record["marks"]),
        latency_blocks=_blocks(samples),
        latency_samples=np.array(samples, dtype=float),
        **{f"latency_ms_{name}": _part(record["latency_ms"], name) for name in ("p50", "p90", "p95", "p99")},
        throughput=_part(record["throughput"], "images_per_second"),
        throughput_lo=_part(record["throughput"], "lo"),
        throughput_hi=_part(record["throughput"], "hi"),
        best_batch_size=_part(record["throughput"], "batch_size"),
        **{name: record[name] for name in same},
    )


def _part(whole: Mapping[str, Any] | None, name: str) -> Any:
    return whole[name] if whole else None


def _blocks(samples: Sequence[float]) -> tuple[float, ...]:
    """The medians of stretches of equal length; none of so few requests that a stretch would be one of them."""
    length = len(samples) // BLOCKS
    if length < 2:
        return ()
    return tuple(median(samples[length * i : length * (i + 1)]) for i in range(BLOCKS))


def _memory_reason(memory: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Why there is no peak, of those that there are none of: "training step: measured with eager"."""
    without: dict[str, list[str]] = {}
    for what, peak in memory.items():
        if peak["reason"] is not None:
            without.setdefault(peak["reason"], []).append(what.replace("_", " "))
    return "; ".join(f"{', '.join(peaks)}: {reason}" for reason, peaks in without.items()) or None


def _anchor(anchor: Mapping[str, float | None] | None) -> float | None:
    """The mean of before and after: what the machine was while the model was measured."""
    times = [anchor[name] for name in ("before_ms", "after_ms")] if anchor else []
    known = [time for time in times if time is not None]
    return fmean(known) if known else None
