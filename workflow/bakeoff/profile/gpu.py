"""What the driver (NVML) says of the GPU that torch uses: clocks, power, heat, what holds it back, who is on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

# NVML's names of reasons, without their prefixes; the last four slow a GPU below what it would do in a cool place.
_REASONS = (
    "GpuIdle",
    "ApplicationsClocksSetting",
    "SwPowerCap",
    "SyncBoost",
    "DisplayClockSetting",
    "HwSlowdown",
    "SwThermalSlowdown",
    "HwThermalSlowdown",
    "HwPowerBrakeSlowdown",
)
SLOWDOWNS = frozenset(_REASONS[-4:])


@dataclass(frozen=True)
class Look:
    """One look at the GPU. None is what its driver does not tell, as on a MIG slice."""

    utilisation_percent: int | None
    sm_clock_mhz: int | None
    max_sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    power_watts: float | None
    power_limit_watts: float | None
    temperature_celsius: int | None
    throttle_reasons: tuple[str, ...] | None
    foreign_processes: int | None


def handle() -> object | None:
    """NVML's handle of the GPU that torch uses; None where the driver does not answer."""
    import pynvml

    try:
        pynvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
        found: object = pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
    except (pynvml.NVMLError, AttributeError):
        return None
    return found


def look(handle: object | None) -> Look | None:
    """What the driver says at this moment."""
    if handle is None:
        return None
    import pynvml as nvml

    power = _asked(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    limit = _asked(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    return Look(
        utilisation_percent=_asked(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        sm_clock_mhz=_asked(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        max_sm_clock_mhz=_asked(lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
        memory_clock_mhz=_asked(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        power_watts=None if power is None else power / 1e3,
        power_limit_watts=None if limit is None else limit / 1e3,
        temperature_celsius=_asked(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        throttle_reasons=_throttle_reasons(handle),
        foreign_processes=_foreign_processes(handle),
    )


def _asked(question: Callable[[], Any]) -> Any:
    import pynvml

    try:
        return question()
    except pynvml.NVMLError:
        return None


def _throttle_reasons(handle: object) -> tuple[str, ...] | None:
    import pynvml as nvml

    mask = _asked(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
    if mask is None:
        return None
    return tuple(name for name in _REASONS if mask & getattr(nvml, f"nvmlClocksThrottleReason{name}"))


def _foreign_processes(handle: object) -> int | None:
    """How many processes besides this one compute on the GPU."""
    import pynvml as nvml

    processes = _asked(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    if processes is None:
        return None
    ids = {process.pid for process in processes}
    if os.getpid() in ids:
        return len(ids) - 1
    # In a container the driver may know this process by another number; one of them is it.
    return max(len(ids) - 1, 0)
