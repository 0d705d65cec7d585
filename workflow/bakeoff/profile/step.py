"""Measures what a model costs, and writes that as one record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.profile import complexity, latency, memory, throughput, weather
from bakeoff.profile.spec import ProfileSpec
from bakeoff.provenance import Json, environment, validated, write_record

_PACKAGES = ("torch", "torchvision", "timm", "fvcore", "numpy")


def run(spec: Mapping[str, Any], out: Path, code: str, device: str, threads: int) -> Path:
    """Write the record of one model's costs to `out`, and return `out`.

    `spec` holds the fields of ProfileSpec; `device` ("auto", "cpu" or "cuda") and `threads` are what this machine gives
    to it. A model that cannot take such images gives a record with status "failed" and the reason, a control method one
    with status "skipped".
    """
    job = validated(ProfileSpec, {**spec, "device": device, "threads": threads})
    write_record(out, "profile", spec, code, profile_model(job))
    return out


def profile_model(job: ProfileSpec) -> Json:
    """Costs of one model on one device: what the record holds besides its digests.

    Raises UserError when the device is not there.
    """
    device = _resolve(job.device)
    before = weather.look(device)
    with _conditions(job.threads):
        status, reason, costs = _outcome(job, device)
    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    machine = environment(_PACKAGES)
    return {
        "model": job.model.name,
        "status": status,
        "reason": reason,
        "device": device,
        "threads": job.threads,
        "environment": {**machine, "gpu": gpu},
        **costs,
        "weather": {
            **before.as_json(),
            "threads": job.threads,
            "device_name": gpu or machine["cpu"],
            "torch": torch.__version__,
        },
    }


def _outcome(job: ProfileSpec, device: str) -> tuple[str, str | None, Json]:
    """Status, the reason when it is not "done", and the costs."""
    if registry.is_control(job.model.builder):
        reason = "what a fitted control method costs depends on the images that it was fitted to"
        return "skipped", reason, _no_costs()
    try:
        return "done", None, _costs(job, device)
    except UserError as error:
        return "failed", str(error).partition("\n")[0], _no_costs()
    except RuntimeError as error:
        if not throughput.is_out_of_memory(error):
            raise
        return "failed", f"out of memory on {device} with one image", _no_costs()


def _resolve(device: str) -> str:
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device: cuda: torch sees no GPU here; use cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


@contextmanager
def _conditions(threads: int) -> Iterator[None]:
    """The same for every model: so many threads, full float32 (by default convolutions use TF32), one seed."""
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            torch.manual_seed(0)
            yield
    finally:
        torch.set_num_threads(threads_before)


def _costs(job: ProfileSpec, device: str) -> Json:
    channels, size, _ = job.input

    def build() -> nn.Module:
        return registry.build(job.model.model_dump(), channels=channels, size=size, classes=job.classes).eval()

    image = torch.randn(1, *job.input)
    counted = complexity.count(build(), image)
    # A second one, now that all libraries are loaded; what is measured from here on is nobody else's.
    model, used = memory.measure(build, image, device)
    times = latency.measure(model, image, device, job.min_calls, job.min_seconds)
    rates = throughput.measure(model, job.input, device, max_batch=job.max_batch, seconds=job.min_seconds)
    return {
        **asdict(counted),
        "precision": "float32",
        "latency_ms": times.as_json(),
        "throughput": rates.as_json(),
        "peak_memory_mb": used.peak_mb,
        "peak_memory_how": used.how,
    }


def _no_costs() -> Json:
    names = [field.name for field in fields(complexity.Complexity)]
    return dict.fromkeys([*names, "precision", "latency_ms", "throughput", "peak_memory_mb", "peak_memory_how"])


def describe(body: Mapping[str, Any]) -> str:
    """What `profile_model` found, as a few lines for a terminal."""
    if body["status"] != "done":
        return f"{body['model']}: no profile: {body['reason']}"
    times, rates, conditions = body["latency_ms"], body["throughput"], body["weather"]
    lines = [
        f"{body['model']} on {conditions['device_name']} ({body['device']}, threads: {body['threads']})",
        f"  parameters   {body['params']:,} ({body['trainable_params']:,} trainable), {body['size_mb']:.1f} MB",
        f"  MACs         {body['macs'] / 1e6:,.1f} million for one image",
        f"  latency      p50 {times['p50']:.3g} ms, p95 {times['p95']:.3g} ms, p99 {times['p99']:.3g} ms"
        f" over {times['n']} requests of one image",
        f"  throughput   {rates['images_per_second']:,.0f} images/s at batch size {rates['batch_size']}",
        f"  peak memory  {body['peak_memory_mb']:,.0f} MB for one image",
    ]
    if body["macs_note"]:
        lines.append(f"  note: {body['macs_note']}")
    if not times["steady"]:
        lines.append("  note: times did not settle during warm-up")
    if conditions["busy"]:
        lines.append("  note: others were using this machine; repeat when it is idle")
    return "\n".join(lines)
