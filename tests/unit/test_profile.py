"""The profile step and its parts, on small nets and, where time is measured, on a clock of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, cycle, repeat
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pynvml
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.profile import complexity, latency, memory, throughput, weather
from bakeoff.profile.spec import ProfileSpec
from bakeoff.profile.step import describe, profile_model, run
from bakeoff.provenance import read_record

SPEC: dict[str, Any] = {
    "model": {"name": "lenet5", "builder": "lenet5", "options": {}},
    "input": [1, 28, 28],
    "classes": 10,
    "device": "cpu",
    "threads": 1,
    "min_calls": 5,
    "min_seconds": 0.01,
    "max_batch": 4,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More of them wait for each other when tests run beside others."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# --- complexity


def test_lenet5_costs_what_one_can_work_out_by_hand() -> None:
    net = registry.build(SPEC["model"], channels=1, size=28, classes=10)
    counted = complexity.count(net, torch.zeros(1, 1, 28, 28))
    assert counted.params == (25 + 1) * 6 + (6 * 25 + 1) * 16 + (400 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 10
    assert counted.trainable_params == counted.params
    assert counted.macs == 25 * 6 * 28**2 + 6 * 25 * 16 * 10**2 + 400 * 120 + 120 * 84 + 84 * 10
    assert counted.macs_fvcore == counted.macs
    assert counted.macs_note is None
    assert counted.size_mb == len(save(net.state_dict())) / 1e6


def test_norms_and_pooling_are_not_counted() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8))
    counted = complexity.count(net.eval(), torch.zeros(1, 3, 6, 6))
    assert counted.macs == counted.macs_fvcore == 3 * 9 * 8 * 4**2


def test_frozen_parameters_are_not_trainable() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    net[0].requires_grad_(False)
    counted = complexity.count(net, torch.zeros(1, 4))
    assert (counted.params, counted.trainable_params) == (15 + 8, 8)


def test_tied_weights_count_once() -> None:
    net = nn.Sequential(nn.Linear(50, 50, bias=False), nn.Linear(50, 50, bias=False))
    net[1].weight = net[0].weight
    counted = complexity.count(net, torch.zeros(1, 50))
    assert (counted.params, counted.macs) == (2500, 5000)
    assert 0.010 < counted.size_mb < 0.0105


class Recurrent(nn.Module):
    """An LSTM over the rows of an image: oneDNN hides its products from torch, and fvcore has no rule for it."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.head(self.lstm(images[:, 0])[0][:, -1])
        return out


def test_what_fvcore_misses_is_named() -> None:
    counted = complexity.count(Recurrent().eval(), torch.zeros(1, 1, 5, 8))
    assert counted.macs == 5 * 4 * 16 * (8 + 16) + 16 * 3
    assert counted.macs_fvcore == 16 * 3
    assert counted.macs_note is not None
    assert "aten::lstm" in counted.macs_note


class Untraceable(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        if torch.jit.is_tracing():
            raise RuntimeError("not while tracing\nsecond line")
        return images


def test_without_the_second_counter_there_is_a_note() -> None:
    counted = complexity.count(Untraceable(), torch.zeros(1, 1, 5, 8))
    assert counted.macs_fvcore is None
    assert counted.macs_note == "fvcore cannot trace this model: not while tracing"


class Token(nn.Module):
    """Hands a parameter to a layer, as networks with a class token do: torch's counter wants gradients on for that."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 4))
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return images.sum() + self.head(self.token)


def test_parameters_may_be_inputs_of_layers() -> None:
    with torch.no_grad():
        assert complexity.count(Token(), torch.zeros(1, 1, 5, 8)).macs == 12


def test_counting_leaves_torch_as_it_was() -> None:
    with pytest.raises(RuntimeError):
        complexity.count_by_torch(nn.Linear(3, 3), torch.zeros(1, 4))
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mkldnn.enabled


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

    assert len(latency.measure(Spy(), torch.zeros(1, 1, 2, 2), "cpu", 3, 0.0).samples_ms) == 3


# --- throughput


def rates(*values: float) -> dict[int, float]:
    return {2**i: value for i, value in enumerate(values)}


def test_batches_double_until_the_gain_is_small() -> None:
    by_size = rates(100, 150, 200, 209, 400)
    found = throughput.search(by_size.__getitem__, max_batch=64)
    assert [rate.batch_size for rate in found.tried] == [1, 2, 4, 8]
    assert found.best == throughput.Rate(8, 209)
    assert found.as_json()["tried"][1] == {"batch_size": 2, "images_per_second": 150}


def test_the_best_rate_need_not_be_the_last() -> None:
    assert throughput.search(rates(100, 150, 90).__getitem__, max_batch=64).best.batch_size == 2


def test_batches_stop_at_the_largest_allowed() -> None:
    assert [r.batch_size for r in throughput.search(lambda size: size, max_batch=12).tried] == [1, 2, 4, 8]


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_batch_that_does_not_fit_ends_the_search(error: RuntimeError) -> None:
    def rate(size: int) -> float:
        if size >= limit:
            raise error
        return size

    limit = 8
    assert throughput.search(rate, max_batch=64).best.batch_size == 4
    limit = 1
    with pytest.raises(RuntimeError, match="memory"):
        throughput.search(rate, max_batch=64)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def rate(size: int) -> float:
        if size > 1:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        return 1.0

    with pytest.raises(RuntimeError, match="shapes"):
        throughput.search(rate, max_batch=4)


# --- memory and weather


class Hungry(nn.Module):
    """40 MB of weights, and 80 MB more while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(10_000_000))

    def forward(self, images: Tensor) -> Tensor:
        return torch.ones(20_000_000).sum() + images


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory can be reset on Linux only")
def test_peak_memory_is_the_model_and_its_activations_and_no_earlier_peak() -> None:
    torch.ones(100_000_000)  # 400 MB, gone before the measurement
    for _ in range(2):
        _, used = memory.measure(Hungry, torch.zeros(1, 1, 2, 2), "cpu")
        assert 115 < used.peak_mb < 135
        assert "VmHWM, reset" in used.how


def test_where_the_peak_cannot_be_reset_the_record_says_upper_bound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "absent" / "status")
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "absent" / "clear_refs")
    _, used = memory.measure(Hungry, torch.zeros(1, 1, 2, 2), "cpu")
    assert used.peak_mb >= 0
    assert "upper bound" in used.how


def test_a_busy_gpu_is_seen_where_the_driver_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 0.0)
    monkeypatch.setattr(torch.cuda, "utilization", lambda: 55)
    assert (weather.look("cuda").gpu_percent, weather.look("cuda").busy) == (55, True)

    def refuse() -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    monkeypatch.setattr(torch.cuda, "utilization", refuse)
    assert (weather.look("cuda").gpu_percent, weather.look("cuda").busy) == (None, False)


@pytest.mark.parametrize(("others", "busy"), [(3.0, False), (35.0, True)])
def test_a_machine_that_others_use_is_busy(monkeypatch: pytest.MonkeyPatch, others: float, busy: bool) -> None:
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: others)
    seen = weather.look("cpu").as_json()
    assert (seen["busy"], seen["others_cpu_percent"], seen["gpu_percent"]) == (busy, others, None)
    assert len(seen["load_before"]) == len(seen["load_after"]) == 3


# --- the step


def test_a_profile_is_one_record(tmp_path: Path) -> None:
    out = tmp_path / "profiles" / "lenet5-0a1b2c3d4e5f.json"
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    assert run(SPEC, out, "0" * 16, device="auto", threads=threads + 1) == out
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    record = read_record(out, "profile", code="0" * 16)
    assert record["spec"] == SPEC
    assert (record["model"], record["status"], record["reason"]) == ("lenet5", "done", None)
    assert record["threads"] == threads + 1
    assert record["device"] == ("cpu" if record["environment"]["gpu"] is None else "cuda")
    assert (record["params"], record["macs"], record["macs_fvcore"]) == (61706, 416520, 416520)
    assert record["latency_ms"]["n"] == len(record["latency_ms"]["samples"]) >= 5
    assert 0 < record["latency_ms"]["p50"] <= record["latency_ms"]["p90"] <= record["latency_ms"]["p99"]
    assert record["throughput"]["images_per_second"] > 0
    assert [tried["batch_size"] for tried in record["throughput"]["tried"]][:2] == [1, 2]
    assert record["peak_memory_mb"] >= 0
    assert record["weather"]["device_name"]
    text = describe(record)
    assert text.startswith("lenet5 on ")
    assert "61,706 (61,706 trainable), 0.2 MB" in text


def test_a_model_that_cannot_take_the_images_is_a_result_with_a_reason(tmp_path: Path) -> None:
    out = run({**SPEC, "input": [1, 8, 8]}, tmp_path / "lenet5.json", "0" * 16, device="cpu", threads=1)
    record = read_record(out, "profile")
    assert record["status"] == "failed"
    assert record["reason"].startswith("lenet5: cannot be built for images of 1x8x8 and 10 classes: needs images of")
    costs = ("params", "macs", "macs_fvcore", "size_mb", "latency_ms", "throughput", "peak_memory_mb")
    assert [record[name] for name in costs] == [None] * len(costs)
    assert describe(record).startswith("lenet5: no profile: lenet5: cannot be built")


def test_both_outcomes_have_the_same_keys() -> None:
    done = profile_model(ProfileSpec.model_validate(SPEC))
    failed = profile_model(ProfileSpec.model_validate({**SPEC, "input": [1, 8, 8]}))
    assert done.keys() == failed.keys()
    json.dumps([done, failed], allow_nan=False)


def test_no_memory_for_one_image_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object, **__: object) -> nn.Module:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(registry, "build", build)
    body = profile_model(ProfileSpec.model_validate(SPEC))
    assert (body["status"], body["reason"]) == ("failed", "out of memory on cpu with one image")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="torch sees no GPU here"):
        run(SPEC, tmp_path / "lenet5.json", "0" * 16, device="cuda", threads=1)
    assert not list(tmp_path.iterdir())


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--spec: input: must be \[channels, size, size\]"):
        run({**SPEC, "input": [1, 28, 32]}, tmp_path / "x.json", "0" * 16, device="cpu", threads=1)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("device", "gpu"),
        ("threads", 0),
        ("threads", True),
        ("min_calls", 0),
        ("min_seconds", -1),
        ("min_seconds", float("nan")),
        ("max_batch", 0),
        ("classes", 0),
        ("input", [0, 28, 28]),
        ("repeats", 3),
    ],
)
def test_settings_out_of_range_are_refused(key: str, wrong: object) -> None:
    with pytest.raises(ValidationError, match=key):
        ProfileSpec.model_validate({**SPEC, key: wrong})


def test_notes_reach_the_terminal() -> None:
    body = profile_model(ProfileSpec.model_validate(SPEC))
    body["macs_note"] = "fvcore counts less"
    body["latency_ms"]["steady"], body["weather"]["busy"] = False, True
    notes = [line.strip() for line in describe(body).splitlines()[-3:]]
    assert notes[0] == "note: fvcore counts less"
    assert "did not settle" in notes[1]
    assert "others were using this machine" in notes[2]
