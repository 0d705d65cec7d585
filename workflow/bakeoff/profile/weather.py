"""What else the machine was doing: times taken on a busy machine are not comparable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import psutil
import torch

# Share of the whole machine, in per cent, that others may use before it counts as busy.
_BUSY = 20.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Weather:
    """The machine before a measurement. Loads are averages over 1, 5 and 15 minutes; per cents are of the machine."""

    load_before: tuple[float, float, float]
    others_cpu_percent: float
    gpu_percent: int | None
    busy: bool

    def as_json(self) -> dict[str, Any]:
        """As the record holds it, with the load average now, after the measurement."""
        return {**asdict(self), "load_after": psutil.getloadavg()}


def look(device: str) -> Weather:
    """Look at the machine for half a second, in which this process does nothing."""
    load = psutil.getloadavg()
    others = psutil.cpu_percent(interval=_LOOK_SECONDS)
    gpu = _gpu_percent() if device == "cuda" else None
    return Weather(load, others, gpu, busy=max(others, gpu or 0) > _BUSY)


def _gpu_percent() -> int | None:
    """How much of the last moment the GPU was in use; None where the driver does not tell, as on a MIG slice."""
    import pynvml

    try:
        return torch.cuda.utilization()
    except pynvml.NVMLError:
        return None
