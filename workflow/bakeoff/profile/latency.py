"""The time of one request at batch size 1, as whoever waits for the answer sees it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.profile.backends import Ready

Clock = Callable[[], float]

# Warm-up ends when the medians of this many blocks in a row agree within 2 %, or after so many times `min_seconds`.
_BLOCKS, _AGREEMENT, _PATIENCE = 3, 0.02, 5
# A block is this many calls and this share of `min_seconds` long, whichever is more: clocks take time to rise.
_BLOCK_CALLS, _BLOCK_SHARE = 10, 0.05


@dataclass(frozen=True, eq=False)
class Latency:
    """Times of requests: copy from host to device, forward, synchronise."""

    samples_ms: NDArray[np.float64]  # [n], in order, none removed
    warmup_calls: int
    steady: bool  # whether the warm-up ended because times had settled

    def percentile(self, q: float) -> float:
        """The q-th percentile in ms, linear between samples."""
        return float(np.percentile(self.samples_ms, q))

    def as_json(self) -> dict[str, Any]:
        """As the record holds it, samples rounded to 0.1 microseconds."""
        return {
            **{f"p{q}": self.percentile(q) for q in (50, 90, 95, 99)},
            "n": len(self.samples_ms),
            "warmup_calls": self.warmup_calls,
            "steady": self.steady,
            "samples": self.samples_ms.round(4).tolist(),
        }


def measure(ready: Ready, image: Tensor, min_calls: int, min_seconds: float) -> Latency:
    """Latency of a network for one `image` [1, C, H, W] in the host's memory."""

    def request() -> None:
        ready.run(ready.place(image))
        ready.synchronise()

    with torch.inference_mode():
        return time_requests(request, min_calls, min_seconds)


def time_requests(
    request: Callable[[], object], min_calls: int, min_seconds: float, clock: Clock = time.perf_counter
) -> Latency:
    """Warm up, then time at least `min_calls` requests and at least `min_seconds` of them."""
    warmup_calls, steady = _warm_up(request, min_seconds, clock)
    samples = _block(request, min_calls, min_seconds, clock)
    return Latency(np.array(samples) * 1e3, warmup_calls, steady)


def _warm_up(request: Callable[[], object], min_seconds: float, clock: Clock) -> tuple[int, bool]:
    """How many calls it took, and whether times had settled then."""
    end = clock() + _PATIENCE * min_seconds
    calls = 0
    medians: list[float] = []
    while True:
        samples = _block(request, _BLOCK_CALLS, _BLOCK_SHARE * min_seconds, clock)
        calls += len(samples)
        medians = [*medians[1 - _BLOCKS :], statistics.median(samples)]
        if len(medians) == _BLOCKS and max(medians) <= (1 + _AGREEMENT) * min(medians):
            return calls, True
        if clock() >= end:
            return calls, False


def _block(request: Callable[[], object], min_calls: int, min_seconds: float, clock: Clock) -> list[float]:
    """Seconds of each call."""
    samples: list[float] = []
    end = clock() + min_seconds
    while len(samples) < min_calls or clock() < end:
        began = clock()
        request()
        samples.append(clock() - began)
    return samples
