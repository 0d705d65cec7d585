"""Latency on a clock of our own, throughput on rates of our own, and both on small nets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, cycle, repeat

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap
from torch import Tensor, nn

from bakeoff.profile import latency, throughput
from bakeoff.profile.backends import Ready, prepare
from bakeoff.profile.spec import Condition

# --- latency


class Requests:
    """Requests of given durations in seconds, and the clock that they move on."""

    def __init__(self, durations: Iterator[float]) -> None:
        self.durations = durations
        self.made: list[float] = []
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def __call__(self) -> None:
        self.made.append(next(self.durations))
        self.now += self.made[-1]


def test_samples_are_all_calls_after_the_warm_up_in_order() -> None:
    rng = np.random.default_rng(0)
    requests = Requests(chain(repeat(0.5, 10), repeat(0.01, 30), rng.exponential(0.01, 500).tolist()))
    measured = latency.time_requests(requests, min_calls=200, min_seconds=0.01, clock=requests.clock)
    assert not measured.steady  # patience ended in the first, slow block
    assert measured.warmup_calls == 10
    assert measured.samples_ms == pytest.approx(np.array(requests.made[10:]) * 1e3)
    assert len(measured.samples_ms) == 200


def test_warm_up_ends_when_three_blocks_agree() -> None:
    slow_start = chain(np.linspace(0.1, 0.02, 40).tolist(), repeat(0.02))
    requests = Requests(iter(slow_start))
    measured = latency.time_requests(requests, min_calls=20, min_seconds=1.0, clock=requests.clock)
    assert measured.steady
    assert 60 <= measured.warmup_calls <= 80  # the slow start, and three blocks of ten
    assert set(measured.samples_ms.round(9)) == {20.0}
    assert len(measured.samples_ms) >= 50  # min_seconds wants more than min_calls


def test_warm_up_gives_up_on_times_that_never_settle() -> None:
    requests = Requests(cycle([*repeat(0.1, 10), *repeat(0.2, 10)]))
    measured = latency.time_requests(requests, min_calls=1, min_seconds=2.0, clock=requests.clock)
    assert not measured.steady
    # The patience is over within a block; rounding may put the last call on either side of it.
    assert sum(requests.made[: measured.warmup_calls]) <= 5 * 2.0 + 10 * 0.2 + 1e-6


def test_percentiles_are_of_all_samples() -> None:
    measured = latency.Latency(np.array([1.0, 1.0, 1.0, 1.0, 9.0]), 0, True)
    assert (measured.percentile(50), measured.percentile(100)) == (1.0, 9.0)
    assert measured.as_json()["p95"] == pytest.approx(np.percentile([1, 1, 1, 1, 9], 95))
    assert measured.as_json()["samples"] == [1.0, 1.0, 1.0, 1.0, 9.0]


def test_requests_run_in_inference_mode() -> None:
    class Spy(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            assert torch.is_inference_mode_enabled()
            return images

    image = torch.zeros(1, 1, 2, 2)
    ready = prepare(Spy(), image, Condition(device="cpu"))
    assert len(latency.measure(ready, image, 3, 0.0).samples_ms) == 3


def test_a_request_copies_runs_and_waits() -> None:
    done: list[str] = []
    ready = Ready(
        place=lambda images: done.append("place") or images,  # type: ignore[func-returns-value]
        run=lambda images: done.append("run"),
        logits=lambda out: out,
        synchronise=lambda: done.append("wait"),
        seconds=0.0,
    )
    measured = latency.measure(ready, torch.zeros(1, 1, 2, 2), 4, 0.0)
    assert done == ["place", "run", "wait"] * (measured.warmup_calls + 4)


# --- throughput


def rates(*values: float) -> dict[int, list[float]]:
    return {2**i: [value] for i, value in enumerate(values)}


def test_batches_double_until_the_gain_is_small() -> None:
    by_size = rates(100, 150, 200, 209, 400)
    found = throughput.search(by_size.__getitem__, max_batch=64)
    assert [rate.batch_size for rate in found.tried] == [1, 2, 4, 8]
    assert found.best == throughput.Rate(8, (209,))
    assert found.ended == "the gain was below 5 %"
    second = {"batch_size": 2, "images_per_second": 150, "lo": None, "hi": None, "blocks": [150]}
    assert found.as_json()["tried"][1] == second


def test_the_best_rate_need_not_be_the_last() -> None:
    assert throughput.search(rates(100, 150, 90).__getitem__, max_batch=64).best.batch_size == 2


def test_batches_stop_at_the_largest_allowed() -> None:
    assert [r.batch_size for r in throughput.search(lambda size: [size], max_batch=12).tried] == [1, 2, 4, 8]


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_batch_that_does_not_fit_ends_the_search(error: RuntimeError) -> None:
    def blocks(size: int) -> list[float]:
        if size >= limit:
            raise error
        return [size]

    limit = 8
    found = throughput.search(blocks, max_batch=64)
    assert (found.best.batch_size, found.ended) == (4, "out of memory at 8 images")
    limit = 1
    with pytest.raises(RuntimeError, match="memory"):
        throughput.search(blocks, max_batch=64)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def blocks(size: int) -> list[float]:
        if size > 1:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        return [1.0]

    with pytest.raises(RuntimeError, match="shapes"):
        throughput.search(blocks, max_batch=4)


def test_the_interval_is_of_the_median_of_blocks() -> None:
    rng = np.random.default_rng(3)
    rate = throughput.Rate(4, tuple(rng.normal(100, 5, 10)))
    lo, hi = rate.interval() or (0, 0)
    assert min(rate.blocks) <= lo < rate.images_per_second < hi <= max(rate.blocks)
    # Against scipy's own bootstrap of the same, which draws otherwise.
    theirs = bootstrap((rate.blocks,), np.median, method="percentile", n_resamples=5000, rng=rng).confidence_interval
    assert (lo, hi) == pytest.approx((theirs.low, theirs.high), abs=1.0)
    assert rate.interval() == rate.interval()


def test_two_blocks_have_no_interval() -> None:
    assert throughput.Rate(1, (3.0, 5.0)).interval() is None
    assert throughput.Rate(1, (3.0, 5.0)).as_json() == {
        "batch_size": 1, "images_per_second": 4.0, "lo": None, "hi": None
    }  # fmt: skip


def test_throughput_is_measured_in_blocks_that_are_kept() -> None:
    ready = prepare(nn.Conv2d(1, 2, 3), torch.zeros(1, 1, 8, 8), Condition(device="cpu"))
    found = throughput.measure(ready, (1, 8, 8), "cpu", max_batch=2, seconds=0.05)
    assert [rate.batch_size for rate in found.tried] == [1, 2]
    assert all(len(rate.blocks) >= 3 for rate in found.tried)
    assert found.best.images_per_second > 1000
