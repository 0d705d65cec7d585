"""What else the machine was doing while a model was measured, and whether its times can be trusted.

A measurement cannot keep others away, and on most machines it may not fix clocks. So it watches: how much of the
machine other processes used all the while, what a hypervisor took, the state of the GPU, and a small net of always the
same cost, the anchor, before and after.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from bakeoff.profile import gpu

# Others may use a twentieth of the machine, but at least a fifth of a core: Snakemake itself takes a little.
_OTHERS_SHARE, _OTHERS_CORES = 0.05, 0.2
_GPU_PERCENT = 10
DRIFT = 0.03
"""By how much the anchor may differ, as a fraction, until times do not compare."""


@dataclass(frozen=True)
class Anchor:
    """Median time of a request to the anchor net, before and after the model."""

    before_ms: float
    after_ms: float

    @property
    def drift(self) -> float:
        """From the first to the last, as a fraction; negative when the machine became faster."""
        return self.after_ms / self.before_ms - 1


@dataclass(frozen=True)
class Weather:
    """The machine while times were taken. Cores are CPU seconds a second."""

    seconds: float
    cores: int
    others_cores: float  # used by other processes
    stolen_cores: float  # taken from this virtual machine by its host
    load_before: tuple[float, float, float]  # averages over 1, 5 and 15 minutes
    load_after: tuple[float, float, float]
    cpu_mhz: float | None
    gpu_before: gpu.Look | None
    gpu_after: gpu.Look | None  # right after the last batch, while it is warm

    def as_json(self) -> dict[str, Any]:
        """As the record holds it."""
        return asdict(self)


class Watch:
    """Watches from its making to `seen`."""

    def __init__(self, handle: object | None = None) -> None:
        self._handle = handle
        self._load = psutil.getloadavg()
        self._gpu = gpu.look(handle)
        self._began, self._others, self._stolen = time.monotonic(), _others_seconds(), _stolen_seconds()

    def seen(self) -> Weather:
        """The weather so far."""
        after = gpu.look(self._handle)
        wall = max(time.monotonic() - self._began, 1e-3)
        return Weather(
            seconds=wall,
            cores=psutil.cpu_count() or 1,
            others_cores=max(0.0, (_others_seconds() - self._others) / wall),
            stolen_cores=max(0.0, (_stolen_seconds() - self._stolen) / wall),
            load_before=self._load,
            load_after=psutil.getloadavg(),
            cpu_mhz=_cpu_mhz(),
            gpu_before=self._gpu,
            gpu_after=after,
        )


def _others_seconds() -> float:
    """CPU seconds so far that were not this process's, or those of children that have ended."""
    times = psutil.cpu_times()
    busy = sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
    return busy - sum(os.times()[:4])


def _stolen_seconds() -> float:
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def _cpu_mhz() -> float | None:
    """The clock of the fastest core now; None where the system does not tell."""
    try:
        return max((frequency.current for frequency in psutil.cpu_freq(percpu=True)), default=None)
    except (NotImplementedError, OSError, AttributeError):
        return None


def marks(weather: Weather, anchor: Anchor | None, steady: bool) -> list[str]:
    """Why times taken in this weather do not compare with those of a quiet machine; none where they do."""
    found = [*_cpu_marks(weather), *_gpu_marks((weather.gpu_before, weather.gpu_after))]
    if not steady:
        found.append("times did not settle in the warm-up")
    if anchor is not None and abs(anchor.drift) > DRIFT:
        direction = "slower" if anchor.drift > 0 else "faster"
        found.append(f"the machine became {abs(anchor.drift):.0%} {direction} while it was measured (anchor net)")
    return found


def _cpu_marks(weather: Weather) -> Iterator[str]:
    limit = max(_OTHERS_SHARE * weather.cores, _OTHERS_CORES)
    if weather.others_cores > limit:
        yield f"other processes used {weather.others_cores:.1f} of {weather.cores} cores"
    if weather.stolen_cores > limit:
        yield f"the host took {weather.stolen_cores:.1f} of {weather.cores} cores away from this virtual machine"


def _gpu_marks(looks: Sequence[gpu.Look | None]) -> Iterator[str]:
    seen = [look for look in looks if look is not None]
    if any(look.foreign_processes for look in seen):
        yield "another process was on the GPU"
    elif seen and (seen[0].utilisation_percent or 0) > _GPU_PERCENT:
        yield f"the GPU was {seen[0].utilisation_percent} % busy before"
    slow = {reason for look in seen for reason in look.throttle_reasons or ()} & gpu.SLOWDOWNS
    if slow:
        yield f"the GPU was slowed down ({', '.join(sorted(slow))})"
