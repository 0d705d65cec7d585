"""What a combined run costs, from the profiles of the models in it: passes follow each other, so their costs add up.

Nothing is measured here. k passes take k times the multiply-accumulates, the latency and the energy, and 1/k of the
throughput; the memory is that of all networks, with the activations of the largest. A percentile of a sum is taken as
the sum of the percentiles, which above the median is more than it would be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.combine.spec import CostSpec
from bakeoff.provenance import Json, read_record, validated, write_record

_PERCENTILES = ("p50", "p90", "p95", "p99")
_HOW = "added up from the profiles of the models in it"


@dataclass(frozen=True)
class _Part:
    """A model in a combined run: its profile, how many networks of it there are, and how many passes they make."""

    profile: Json
    networks: int
    passes: int


def run(spec: Mapping[str, Any], profiles: Sequence[Path], run_record: Path, out: Path, code: str) -> Path:
    """Write the profile of a combined run to `out`; `profiles` are those of its models, in the order of the spec.

    `run_record` is one of the runs: it knows how many passes it took.
    """
    job = validated(CostSpec, spec)
    passes = read_record(run_record, "run")["passes"]
    parts = []
    for path, part in zip(profiles, job.parts, strict=True):
        profile = read_record(path, "profile", spec=part.profile)
        parts.append(_Part(profile, part.networks, passes if part.passes is None else part.passes))
    write_record(out, "profile", spec, code, {"model": job.model, **_body(parts)})
    return out


def _body(parts: Sequence[_Part]) -> Json:
    first = parts[0].profile
    failed = next((part.profile for part in parts if part.profile["status"] != "done"), None)
    notes = [part.profile["macs_note"] for part in parts if part.profile["macs_note"]]
    marks = dict.fromkeys(mark for part in parts for mark in part.profile["marks"])
    copied = ("condition", "device", "threads", "precision", "backend", "channels_last", "environment")
    passes, networks = _sum_of("passes", parts), _sum_of("networks", parts)
    return {
        "attempt": 0,
        **{key: (failed or first)[key] for key in ("status", "failure", "reason")},
        **{key: first[key] for key in copied},
        **{key: networks(_number(key)) for key in ("params", "trainable_params", "size_mb")},
        **{key: passes(_number(key)) for key in ("activations", "macs", "macs_fvcore")},
        "macs_note": "; ".join(notes) or None,
        "modules": [],
        "difference": _largest(part.profile["difference"] for part in parts),
        "prepare_seconds": networks(_number("prepare_seconds")),
        "latency_ms": _latency(parts),
        "throughput": _throughput(parts),
        **_memory(parts),
        "joules_per_image": passes(_number("joules_per_image")),
        "energy": first["energy"],
        "anchor": None,
        "weather": None,
        "marks": list(marks),
        "derived": f"{sum(part.passes for part in parts)} passes one after another; {_HOW}",
    }


Value = Callable[[_Part], float | None]


def _number(name: str, key: str | None = None) -> Value:
    """How to get a cost, or a number inside one of the measurements, from a part's profile; None without it."""

    def get(part: _Part) -> float | None:
        value: Any = part.profile[name]
        number: float | None = value if key is None or value is None else value.get(key)
        return number

    return get


def _sum_of(times: str, parts: Sequence[_Part]) -> Callable[[Value], Any]:
    """Adds up a cost over the parts, each as often as it has `times`; None where one part has none."""

    def total(value: Value) -> float | None:
        values = [(value(part), getattr(part, times)) for part in parts]
        known = [(number, n) for number, n in values if number is not None]
        return sum(number * n for number, n in known) if len(known) == len(values) else None

    return total


def _largest(values: Any) -> float | None:
    found = list(values)
    return None if any(value is None for value in found) else max(found)


def _latency(parts: Sequence[_Part]) -> Json | None:
    passes = _sum_of("passes", parts)
    found = {name: passes(_number("latency_ms", name)) for name in _PERCENTILES}
    if found["p50"] is None:
        return None
    return {**found, "n": None, "warmup_calls": None, "steady": None, "samples": []}


def _throughput(parts: Sequence[_Part]) -> Json | None:
    """Images/s when each part in turn runs a batch at its best size; the interval from those of the parts."""
    passes = _sum_of("passes", parts)

    def rate(key: str) -> float | None:
        images = _number("throughput", key)

        def seconds(part: _Part) -> float | None:
            of = images(part)
            return 1 / of if of else None

        total = passes(seconds)
        return 1 / total if total else None

    if rate("images_per_second") is None:
        return None
    sizes = set(map(_number("throughput", "batch_size"), parts))
    batch = sizes.pop() if len(sizes) == 1 else None
    return {"batch_size": batch, **{key: rate(key) for key in ("images_per_second", "lo", "hi")}, "tried": []}


def _memory(parts: Sequence[_Part]) -> Json:
    weights = _sum_of("networks", parts)(_number("size_mb"))

    def peak(name: str) -> float | None:
        """All networks, and the activations of the part that needs most."""
        beyond = [
            None if part.profile[name] is None else part.profile[name] - part.profile["size_mb"] for part in parts
        ]
        most = _largest(beyond)
        return None if most is None or weights is None else weights + most

    found = {name: peak(name) for name in ("peak_memory_mb", "best_batch_memory_mb")}
    trained = _largest(part.profile["train_memory_mb"] for part in parts)
    sizes = {part.profile["train_batch_size"] for part in parts}
    return {
        **found,
        "train_memory_mb": trained,
        "train_batch_size": sizes.pop() if len(sizes) == 1 else None,
        "memory": parts[0].profile["memory"],
    }
