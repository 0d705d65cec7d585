"""The weather of a measurement: others on the machine, the GPU's state, the anchor net; and energy counters."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pynvml
import pytest
import torch

from bakeoff.profile import energy, gpu, weather
from bakeoff.profile.anchor import AnchorNet
from bakeoff.profile.backends import Ready

QUIET = weather.Weather(5.0, 4, 0.05, 0.0, (0.1, 0.1, 0.1), (0.2, 0.1, 0.1), 3000.0, None, None)
STILL = weather.Anchor(1.0, 1.01)
COOL = gpu.Look(0, 1980, 1980, 2619, 300.0, 700.0, 45, (), 0)


@contextmanager
def another_process() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            yield
        finally:
            busy.kill()


# --- the machine


def test_another_process_is_seen_and_marked() -> None:
    with another_process():
        watch = weather.Watch()
        time.sleep(0.7)
        seen = watch.seen()
    assert seen.others_cores > 0.3
    (mark,) = weather.marks(replace(seen, stolen_cores=0), STILL, steady=True)
    assert mark.startswith("other processes used ")


def test_the_measurement_itself_is_not_another_process() -> None:
    watch = weather.Watch()
    end = time.process_time() + 0.7
    while time.process_time() < end:
        pass
    before = weather._others_seconds()
    alone = watch.seen().others_cores
    with another_process():
        loaded = weather.Watch()
        time.sleep(0.7)
        beside = loaded.seen().others_cores
    assert before > 0
    # Whatever else runs beside the tests is in both.
    assert alone < beside + 0.5


def test_a_quiet_machine_has_no_mark() -> None:
    assert weather.marks(QUIET, STILL, steady=True) == []
    assert weather.marks(QUIET, None, steady=True) == []


@pytest.mark.parametrize(
    ("seen", "mark"),
    [
        (replace(QUIET, others_cores=1.04), "other processes used 1.0 of 4 cores"),
        (replace(QUIET, cores=64, others_cores=3.3), "other processes used 3.3 of 64 cores"),
        (replace(QUIET, stolen_cores=0.5), "the host took 0.5 of 4 cores away from this virtual machine"),
        (
            replace(QUIET, gpu_before=COOL, gpu_after=replace(COOL, foreign_processes=1)),
            "another process was on the GPU",
        ),
        (replace(QUIET, gpu_before=replace(COOL, utilisation_percent=55)), "the GPU was 55 % busy before"),
        (
            replace(QUIET, gpu_after=replace(COOL, throttle_reasons=("SwPowerCap", "HwThermalSlowdown"))),
            "the GPU was slowed down (HwThermalSlowdown)",
        ),
    ],
)
def test_what_disturbs_is_marked(seen: weather.Weather, mark: str) -> None:
    assert weather.marks(seen, STILL, steady=True) == [mark]


def test_what_does_not_disturb_is_not_marked() -> None:
    seen = replace(QUIET, cores=64, others_cores=2.0)  # of 64
    working = replace(COOL, utilisation_percent=100, throttle_reasons=("SwPowerCap",))
    seen = replace(seen, gpu_before=COOL, gpu_after=working)  # our own work, and the limit that every GPU reaches
    assert weather.marks(seen, weather.Anchor(1.0, 0.98), steady=True) == []


def test_times_that_did_not_settle_are_marked() -> None:
    assert weather.marks(QUIET, STILL, steady=False) == ["times did not settle in the warm-up"]


@pytest.mark.parametrize(
    ("after", "mark"),
    [
        (1.031, "the machine became 3% slower while it was measured (anchor net)"),
        (0.9, "the machine became 10% faster while it was measured (anchor net)"),
    ],
)
def test_a_drift_of_the_anchor_is_marked(after: float, mark: str) -> None:
    assert weather.marks(QUIET, weather.Anchor(1.0, after), steady=True) == [mark]


def test_the_anchor_is_one_net_whatever_was_drawn_before() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = AnchorNet("cpu"), AnchorNet("cpu")
    assert torch.equal(torch.get_rng_state(), state)
    image = torch.ones(1, 3, 64, 64)
    logits = [net._ready.run(net._ready.place(image)) for net in (first, second)]
    assert torch.equal(*logits)
    assert first.median_ms(0.02) > 0


# --- what the driver says


def test_without_a_driver_there_is_no_look() -> None:
    assert gpu.look(None) is None
    if not torch.cuda.is_available():
        assert gpu.handle() is None


class Process:
    def __init__(self, pid: int) -> None:
        self.pid = pid


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Answers of a driver by NVML's name of the question; an exception among them is raised."""
    answers: dict[str, Any] = {
        "nvmlDeviceGetUtilizationRates": type("Rates", (), {"gpu": 3}),
        "nvmlDeviceGetClockInfo": 1500,
        "nvmlDeviceGetMaxClockInfo": 1980,
        "nvmlDeviceGetPowerUsage": 250_500,
        "nvmlDeviceGetEnforcedPowerLimit": 700_000,
        "nvmlDeviceGetTemperature": 61,
        "nvmlDeviceGetCurrentClocksThrottleReasons": pynvml.nvmlClocksThrottleReasonSwPowerCap
        | pynvml.nvmlClocksThrottleReasonHwThermalSlowdown,
        "nvmlDeviceGetComputeRunningProcesses": [],
    }

    def answer(name: str) -> Callable[..., Any]:
        def ask(*_: object) -> Any:
            if isinstance(answers[name], Exception):
                raise answers[name]
            return answers[name]

        return ask

    for name in answers:
        monkeypatch.setattr(pynvml, name, answer(name))
    return answers


def test_a_look_holds_all_that_the_driver_says(driver: dict[str, Any]) -> None:
    reasons = ("SwPowerCap", "HwThermalSlowdown")
    assert gpu.look(object()) == gpu.Look(3, 1500, 1980, 1500, 250.5, 700.0, 61, reasons, 0)


def test_what_the_driver_does_not_tell_is_none(driver: dict[str, Any]) -> None:
    for name in driver:
        driver[name] = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert gpu.look(object()) == gpu.Look(None, None, None, None, None, None, None, None, None)


def test_others_on_the_gpu_are_counted(driver: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.os, "getpid", lambda: 11)
    for ids, others in (((11,), 0), ((11, 12), 1), ((4711,), 0), ((4711, 12), 1), ((), 0)):
        driver["nvmlDeviceGetComputeRunningProcesses"] = [Process(pid) for pid in ids]
        look = gpu.look(object())
        assert look is not None
        assert look.foreign_processes == others


# --- energy


class Counter:
    """10 W on a clock that a batch moves on by a fifth of a second."""

    how = "a counter"

    def __init__(self, watts: float = 10.0) -> None:
        self.now, self.watts = 0.0, watts

    def joules(self) -> float:
        return self.now * self.watts

    def work(self, images: Any) -> None:
        self.now += 0.2


def measured(counter: Counter, open_meter: Callable[[], energy.Meter]) -> energy.Energy:
    ready = Ready(lambda images: images, counter.work, lambda out: out, lambda: None, 0.0)
    return energy.measure(ready, (1, 2, 2), 8, open_meter, seconds=1.0, clock=lambda: counter.now)


def test_joules_per_image() -> None:
    counter = Counter()
    found = measured(counter, lambda: counter)
    assert found.joules_per_image == pytest.approx(10 * 0.2 / 8)
    assert (found.watts, found.how, found.reason) == (pytest.approx(10), "a counter", None)
    assert found.seconds == pytest.approx(1.0, abs=0.21)


def test_a_counter_that_stands_still_or_is_not_there_is_a_reason() -> None:
    counter = Counter(watts=0)
    assert measured(counter, lambda: counter).reason == "the energy counter did not move in 1.0 s"

    def none() -> energy.Meter:
        raise energy.Unreadable("no counter")

    assert measured(counter, none) == energy.Energy(None, reason="no counter")


def powercap(root: Path, **microjoules: int) -> None:
    for name, value in microjoules.items():
        folder = root / name.replace("_", "-", 1).replace("_", ":")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text("psys\n" if name == "intel_rapl_9" else "package-0\n")
        (folder / "energy_uj").write_text(f"{value}\n")
        (folder / "max_energy_range_uj").write_text("1000000000\n")


def test_rapl_adds_packages_and_goes_on_when_a_counter_turns(tmp_path: Path) -> None:
    powercap(tmp_path, intel_rapl_0=999_000_000, intel_rapl_1=5_000_000, intel_rapl_9=1)
    counter = energy.Rapl(tmp_path)
    assert counter.joules() == 0
    powercap(tmp_path, intel_rapl_0=1_000_000, intel_rapl_1=7_000_000, intel_rapl_9=900_000_000)
    assert counter.joules() == pytest.approx(2 + 2)
    powercap(tmp_path, intel_rapl_0=2_500_000, intel_rapl_1=7_000_000)
    assert counter.joules() == pytest.approx(5.5)


def test_rapl_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(energy.Unreadable, match="shows no RAPL"):
        energy.Rapl(tmp_path)
    powercap(tmp_path, intel_rapl_0=5)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("secret")
    with pytest.raises(energy.Unreadable, match="cannot be read"):
        energy.Rapl(tmp_path)


def test_a_gpu_that_counts_millijoules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", lambda handle: 1500)
    assert energy.meter("cuda", object()).joules() == 1.5

    def refuse(handle: object) -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", refuse)
    with pytest.raises(energy.Unreadable, match="gives no energy counter"):
        energy.meter("cuda", object())
    with pytest.raises(energy.Unreadable, match="does not answer"):
        energy.meter("cuda", None)
