"""Joules per image, where the machine counts them: NVIDIA's energy counter, or Intel's and AMD's RAPL.

Both count everything that the GPU, or the processor package, uses while it works, idle power and neighbours included;
a CPU's figure leaves memory, board and power supply out. NVIDIA's counter moves about ten times a second, and on some
boards looks only a quarter of the time (Yang, Adamek and Armour 2023, arXiv:2312.02741), so a window of several
seconds is measured after the device is warm.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from bakeoff.profile.backends import Ready

_POWERCAP = Path("/sys/class/powercap")
_SECONDS = 3.0


class Meter(Protocol):
    """Something that counts joules."""

    how: str

    def joules(self) -> float:
        """Since some moment in the past."""


class Unreadable(Exception):
    """There is no such counter here, or this user may not read it; the message says which."""


@dataclass(frozen=True)
class Energy:
    """What one image takes, and how that was measured; or None and the reason."""

    joules_per_image: float | None
    how: str | None = None
    watts: float | None = None
    seconds: float | None = None
    reason: str | None = None


class Nvml:
    """The counter of one GPU, in steps of a millijoule."""

    how = "NVML total energy consumption of the GPU, idle power included"

    def __init__(self, handle: object) -> None:
        self._handle = handle
        self.joules()

    def joules(self) -> float:
        """Since the driver was loaded. Raises Unreadable where the GPU has no counter."""
        import pynvml

        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        except pynvml.NVMLError as error:
            raise Unreadable(f"the GPU's driver gives no energy counter ({error})") from None


class Rapl:
    """The counters of all processor packages (powercap); each wraps round at a range of its own."""

    how = "RAPL energy of the processor packages, everything that runs on them included; memory and board are not"

    def __init__(self, root: Path = _POWERCAP) -> None:
        # Beside the packages there may be "psys", which holds them all, and below each its own parts.
        self._packages = sorted(path.parent for path in root.glob("intel-rapl:*/name") if _is_package(path))
        if not self._packages:
            raise Unreadable("this machine shows no RAPL energy counter (/sys/class/powercap)")
        self._last = self._read()
        self._total = 0.0

    def joules(self) -> float:
        """Since this meter was made; it must be asked at least once in each turn of the counters, some minutes."""
        now = self._read()
        for package, before, after in zip(self._packages, self._last, now, strict=True):
            turn = 0 if after >= before else self._number(package / "max_energy_range_uj")
            self._total += (after - before + turn) / 1e6
        self._last = now
        return self._total

    def _read(self) -> list[int]:
        return [self._number(package / "energy_uj") for package in self._packages]

    def _number(self, path: Path) -> int:
        try:
            return int(path.read_text())
        except PermissionError:
            raise Unreadable(f"{path} may be read by root alone") from None
        except (OSError, ValueError) as error:
            raise Unreadable(f"{path} cannot be read ({error})") from None


def _is_package(path: Path) -> bool:
    try:
        return path.read_text().startswith("package")
    except OSError:
        return False


def meter(device: str, handle: object | None) -> Meter:
    """The counter of this device; `handle` is NVML's of the GPU, None where the driver does not answer.

    Raises Unreadable.
    """
    if device != "cuda":
        return Rapl()
    if handle is None:
        raise Unreadable("the GPU's driver does not answer (NVML)")
    return Nvml(handle)


def measure(
    ready: Ready,
    shape: tuple[int, int, int],
    batch_size: int,
    open_meter: Callable[[], Meter],
    seconds: float = _SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Energy:
    """Joules per image of `shape` while a network runs a batch again and again for some seconds."""
    try:
        counter = open_meter()
        images = ready.place(torch.randn(batch_size, *shape))
        with torch.inference_mode():
            ready.run(images)
            ready.synchronise()
            joules, began, calls = counter.joules(), clock(), 0
            while not calls or clock() - began < seconds:
                ready.run(images)
                calls += 1
            ready.synchronise()
            spent, used = clock() - began, counter.joules() - joules
    except Unreadable as error:
        return Energy(None, reason=str(error))
    if used <= 0:
        return Energy(None, reason=f"the energy counter did not move in {spent:.1f} s")
    return Energy(used / (calls * batch_size), counter.how, used / spent, spent)
