"""The costs of a model that was not run here: what was published of them, where a profile would stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bakeoff.external.spec import CostSpec, Published
from bakeoff.provenance import Json, environment, validated, write_record

FAILURE = "made elsewhere"
REASON = "nothing is measured of predictions that were made elsewhere"
_UNKNOWN = (
    "threads", "precision", "backend", "channels_last", "trainable_params", "activations", "macs_fvcore", "macs_note",
    "difference", "prepare_seconds", "peak_memory_mb", "best_batch_memory_mb", "train_memory_mb", "train_batch_size",
    "joules_per_image", "energy", "memory", "anchor", "weather",
)  # fmt: skip


def run(spec: Mapping[str, Any], out: Path, code: str) -> Path:
    """Write the profile of a model whose predictions were made elsewhere to `out`, with the keys of a measured one."""
    job = validated(CostSpec, spec)
    known = job.costs or Published()
    body: Json = {
        "model": job.model,
        "attempt": 0,
        "status": "external",
        "failure": FAILURE,
        "reason": REASON,
        "published": "; ".join(_published(job)) or None,
        "condition": job.condition,
        "device": None,
        "environment": environment(()),
        **known.model_dump(include={"params", "macs", "size_mb"}),
        "latency_ms": _latency(known),
        "throughput": _throughput(known),
        "modules": [],
        "marks": [],
        **dict.fromkeys(_UNKNOWN),
    }
    write_record(out, "profile", spec, code, body)
    return out


def _published(job: CostSpec) -> Iterator[str]:
    """Where the costs are from, and what their times were measured on; nothing where there are none."""
    if job.costs is not None and any(job.costs.model_dump().values()):
        yield job.source or "no source is given"
        if job.costs.measured_on:
            yield f"times on {job.costs.measured_on}"


def _latency(known: Published) -> Json | None:
    if known.latency_ms is None:
        return None
    parts = dict.fromkeys(("p90", "p95", "p99", "n", "warmup_calls", "steady"))
    return {"p50": known.latency_ms, **parts, "samples": []}


def _throughput(known: Published) -> Json | None:
    if known.throughput is None:
        return None
    return {"images_per_second": known.throughput, "batch_size": None, "lo": None, "hi": None, "tried": []}
