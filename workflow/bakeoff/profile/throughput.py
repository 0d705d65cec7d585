"""Images per second at the batch size that gives the most, inputs already on the device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

# Batch sizes double until one brings less than this gain over the best so far.
_GAIN = 0.05
# The rate is the median over this many blocks of calls, each with one synchronisation at its end.
_BLOCKS = 5


@dataclass(frozen=True)
class Rate:
    """Images per second at one batch size."""

    batch_size: int
    images_per_second: float


@dataclass(frozen=True)
class Throughput:
    """Rates in the order in which they were tried; at least one."""

    tried: tuple[Rate, ...]

    @property
    def best(self) -> Rate:
        """The highest rate."""
        return max(self.tried, key=lambda rate: rate.images_per_second)

    def as_json(self) -> dict[str, Any]:
        """As the record holds it."""
        return {**asdict(self.best), "tried": [asdict(rate) for rate in self.tried]}


def measure(
    model: nn.Module, shape: tuple[int, int, int], device: str, *, max_batch: int, seconds: float
) -> Throughput:
    """Throughput of `model`, on `device` and in evaluation mode, on images of `shape`; `seconds` for a batch size.

    A batch that does not fit in memory ends the search, unless it is the first: then its error is raised.
    """

    def rate(batch_size: int) -> float:
        images = torch.randn(batch_size, *shape, device=device)
        with torch.inference_mode():
            return batch_size / _seconds_per_call(lambda: model(images), device, seconds)

    return search(rate, max_batch)


def search(rate: Callable[[int], float], max_batch: int) -> Throughput:
    """Doubling batch sizes from 1 up to `max_batch`, until memory runs out or the gain is below 5 %."""
    tried: list[Rate] = []
    size = 1
    while size <= max_batch:
        try:
            new = Rate(size, rate(size))
        except RuntimeError as error:
            if tried and is_out_of_memory(error):
                break
            raise
        best = Throughput(tuple(tried)).best.images_per_second if tried else 0.0
        tried.append(new)
        if new.images_per_second < (1 + _GAIN) * best:
            break
        size *= 2
    return Throughput(tuple(tried))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether this is a GPU or a CPU that has no memory left; torch has no exception of its own for the latter."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def _seconds_per_call(call: Callable[[], object], device: str, seconds: float) -> float:
    """Median over blocks that take `seconds` together, but at least one call."""
    call()  # allocations, choice of kernels
    calls = max(1, round(seconds / _BLOCKS / max(_time(call, 1, device), 1e-9)))
    blocks = [_time(call, calls, device)]
    while len(blocks) < _BLOCKS and sum(blocks) < seconds:
        blocks.append(_time(call, calls, device))
    return statistics.median(blocks) / calls


def _time(call: Callable[[], object], calls: int, device: str) -> float:
    """Seconds that so many calls take; on a GPU by its own events, so that the host may run ahead."""
    if device == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        for _ in range(calls):
            call()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - began
