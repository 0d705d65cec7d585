"""Images per second at the batch size that gives the most, inputs already on the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bakeoff.profile.backends import Ready
from bakeoff.profile.memory import is_out_of_memory

# Batch sizes double until one brings less than this gain over the best so far.
_GAIN = 0.05
# The rate is the median over up to this many blocks of calls, each with one synchronisation at its end.
_BLOCKS = 10
# A bootstrap of fewer values than this says nothing.
_LEAST_BLOCKS = 3
_RESAMPLES = 2000


@dataclass(frozen=True)
class Rate:
    """Images per second at one batch size, in each block of calls, in order, none removed."""

    batch_size: int
    blocks: tuple[float, ...]

    @property
    def images_per_second(self) -> float:
        """The median block."""
        return float(np.median(self.blocks))

    def interval(self) -> tuple[float, float] | None:
        """The 95 % percentile bootstrap interval of the median (Efron and Tibshirani 1993); None of too few blocks."""
        if len(self.blocks) < _LEAST_BLOCKS:
            return None
        draws = np.random.default_rng(0).choice(self.blocks, (_RESAMPLES, len(self.blocks)))
        lo, hi = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
        return float(lo), float(hi)

    def as_json(self) -> dict[str, Any]:
        """As the record holds it."""
        lo, hi = self.interval() or (None, None)
        return {"batch_size": self.batch_size, "images_per_second": self.images_per_second, "lo": lo, "hi": hi}


@dataclass(frozen=True)
class Throughput:
    """Rates in the order in which they were tried, at least one, and why no larger batch was."""

    tried: tuple[Rate, ...]
    ended: str

    @property
    def best(self) -> Rate:
        """The highest rate."""
        return max(self.tried, key=lambda rate: rate.images_per_second)

    def as_json(self) -> dict[str, Any]:
        """As the record holds it."""
        tried = [{**rate.as_json(), "blocks": list(rate.blocks)} for rate in self.tried]
        return {**self.best.as_json(), "ended": self.ended, "tried": tried}


def measure(ready: Ready, shape: tuple[int, int, int], device: str, *, max_batch: int, seconds: float) -> Throughput:
    """Throughput on images of `shape`; `seconds` for a batch size.

    A batch that does not fit in memory ends the search, unless it is the first: then its error is raised.
    """

    def blocks(batch_size: int) -> Sequence[float]:
        images = ready.place(torch.randn(batch_size, *shape))
        with torch.inference_mode():
            return [batch_size / spent for spent in _seconds_per_call(lambda: ready.run(images), device, seconds)]

    return search(blocks, max_batch)


def search(blocks: Callable[[int], Sequence[float]], max_batch: int) -> Throughput:
    """Doubling batch sizes from 1 up to `max_batch`, until memory runs out or the gain is below 5 %."""
    tried: list[Rate] = []
    size = 1
    while size <= max_batch:
        try:
            new = Rate(size, tuple(blocks(size)))
        except RuntimeError as error:
            if tried and is_out_of_memory(error):
                return Throughput(tuple(tried), f"out of memory at {size} images")
            raise
        best = max((rate.images_per_second for rate in tried), default=0.0)
        tried.append(new)
        if new.images_per_second < (1 + _GAIN) * best:
            return Throughput(tuple(tried), "the gain was below 5 %")
        size *= 2
    return Throughput(tuple(tried), f"max_batch: {max_batch}")


def _seconds_per_call(call: Callable[[], object], device: str, seconds: float) -> list[float]:
    """Of each block of calls; blocks take `seconds` together, but there is at least one call."""
    call()  # allocations, choice of kernels
    calls = max(1, round(seconds / _BLOCKS / max(time_calls(call, 1, device), 1e-9)))
    blocks = [time_calls(call, calls, device)]
    while len(blocks) < _BLOCKS and sum(blocks) < seconds:
        blocks.append(time_calls(call, calls, device))
    return [block / calls for block in blocks]


def time_calls(call: Callable[[], object], calls: int, device: str) -> float:
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
