"""The order of the measurements of one model: its times between two looks at the anchor net, then energy and memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from bakeoff.profile import backends, energy, gpu, latency, memory, throughput, weather
from bakeoff.profile.anchor import AnchorNet
from bakeoff.profile.backends import Ready
from bakeoff.profile.spec import ProfileSpec


@dataclass(frozen=True)
class Measured:
    """Costs that the machine makes, as the record holds them. Memory in MB (1e6 bytes)."""

    difference: float | None  # largest, of a logit, from torch in fp32 on the CPU; None where torch cannot say
    prepare_seconds: float
    latency_ms: dict[str, Any]
    throughput: dict[str, Any]
    peak_memory_mb: float | None  # of inference for one image
    best_batch_memory_mb: float | None  # of inference at the batch size of the throughput
    train_memory_mb: float | None  # of a step of training for a batch of train_batch_size
    train_batch_size: int | None
    memory: dict[str, Any]
    joules_per_image: float | None
    energy: dict[str, Any]
    anchor: dict[str, float]
    weather: dict[str, Any]
    marks: list[str]


def measure(job: ProfileSpec) -> Measured:
    """Measure everything of a job whose device is there, in `backends.arithmetic` of it.

    Raises UserError for a model that cannot be built, BackendError for one that cannot be run so, and torch's error
    when there is no memory for one image.
    """
    on_gpu = job.device == "cuda"
    image = torch.randn(1, *job.input)
    before = memory.allocated() if on_gpu else 0
    net = memory.build(job)
    samples = backends.sample(job.input)
    expected = _expected(net, samples)
    ready = backends.prepare(net, image, job)
    at = memory.OnGpu(job, ready, before) if on_gpu else memory.FreshProcesses(job)
    return _measured(job, ready, at, lambda: backends.difference(ready, samples, expected))


def measure_file(job: ProfileSpec) -> Measured:
    """The same of an ONNX file of others, under a condition of `onnx_costs.condition`; nobody has its logits by torch.

    Raises UserError for one that does not fit.
    """
    from bakeoff.profile import onnx_costs

    began = time.perf_counter()
    net = onnx_costs.network(job)
    ready = replace(onnx_costs.ready(net, job.input), seconds=time.perf_counter() - began)
    job = job.model_copy(update={"max_batch": onnx_costs.most_images(net, job)})
    return _measured(job, ready, memory.FreshProcesses(job), lambda: None)


def _measured(
    job: ProfileSpec,
    ready: Ready,
    at: memory.OnGpu | memory.FreshProcesses,
    difference: Callable[[], float | None],
) -> Measured:
    image = torch.randn(1, *job.input)
    handle = gpu.handle() if job.device == "cuda" else None
    anchor = AnchorNet(job.device)

    watch = weather.Watch(handle)
    first_anchor = anchor.median_ms(job.min_seconds)
    times = latency.measure(ready, image, job.min_calls, job.min_seconds)
    rates = throughput.measure(ready, job.input, job.device, max_batch=job.max_batch, seconds=job.min_seconds)
    seen = watch.seen()
    anchors = weather.Anchor(first_anchor, anchor.median_ms(job.min_seconds))

    used = energy.measure(ready, job.input, rates.best.batch_size, lambda: energy.meter(job.device, handle))
    peaks = _peaks(at, rates)
    return Measured(
        difference=difference(),
        prepare_seconds=ready.seconds,
        latency_ms=times.as_json(),
        throughput=rates.as_json(),
        peak_memory_mb=peaks["one_image"].peak_mb,
        best_batch_memory_mb=peaks["best_batch"].peak_mb,
        train_memory_mb=peaks["training_step"].peak_mb,
        train_batch_size=job.training.batch_size if job.training else None,
        memory={name: asdict(peak) for name, peak in peaks.items()},
        joules_per_image=used.joules_per_image,
        energy=asdict(used),
        anchor={**asdict(anchors), "drift": anchors.drift},
        weather=seen.as_json(),
        marks=weather.marks(seen, anchors, times.steady),
    )


def _expected(net: nn.Module, images: Tensor) -> Tensor:
    """The logits that torch gives in fp32 on the CPU."""
    with torch.inference_mode():
        logits: Tensor = net(images)
        return logits


def _peaks(at: memory.OnGpu | memory.FreshProcesses, rates: throughput.Throughput) -> dict[str, memory.Memory]:
    one = at.inference(1)
    best = one if rates.best.batch_size == 1 else at.inference(rates.best.batch_size)
    return {"one_image": one, "best_batch": best, "training_step": at.training()}
