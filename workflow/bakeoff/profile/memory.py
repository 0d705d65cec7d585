"""Peak memory of inference at batch size 1: the model and one forward pass, without the libraries. In 1e6 bytes."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Memory:
    """The peak in MB (1e6 bytes), and in words how it was measured."""

    peak_mb: float
    how: str


def measure(build: Callable[[], nn.Module], image: Tensor, device: str) -> tuple[nn.Module, Memory]:
    """Build a model, move it to `device`, run it on one `image` [1, C, H, W]; the model, and the memory that took.

    Call it after whatever loads libraries: their memory would count as the model's.
    """
    _wake(device)
    peak = _peak_on_gpu if device == "cuda" else _peak_of_process
    return peak(build, image)


def _wake(device: str) -> None:
    """Use convolution and matrix product once, so that what their libraries keep for good is not the model's."""
    nets = nn.Conv2d(1, 1, 3).to(device), nn.Linear(2, 2).to(device)
    with torch.inference_mode():
        nets[1](nets[0](torch.zeros(1, 1, 4, 4, device=device)))


def _peak_on_gpu(build: Callable[[], nn.Module], image: Tensor) -> tuple[nn.Module, Memory]:
    gc.collect()
    before = torch.cuda.memory_allocated()
    model = build().to("cuda")
    torch.cuda.reset_peak_memory_stats()
    with torch.inference_mode():
        model(image.to("cuda"))
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() - before
    return model, Memory(peak / 1e6, "most that torch had allocated on the GPU, less what it had before the model")


def _peak_of_process(build: Callable[[], nn.Module], image: Tensor) -> tuple[nn.Module, Memory]:
    _give_back()
    before = _resident()
    model = build()
    _give_back()
    how = "highest resident memory of the process (VmHWM, reset before the pass), less that before the model"
    try:
        _CLEAR_REFS.write_text("5")  # sets VmHWM to the present size; see proc(5)
    except OSError:
        how = "highest resident memory of the process since its start, an upper bound, less that before the model"
    with torch.inference_mode():
        model(image)
    return model, Memory(max(_peak_resident() - before, 0) / 1e6, how)


def _give_back() -> None:
    """Return freed memory to the system, so that it is not counted; only glibc has a call for it."""
    gc.collect()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident() -> int:
    return _status("VmRSS") if _STATUS.exists() else _peak_resident()


def _peak_resident() -> int:
    if _STATUS.exists():
        return _status("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _status(key: str) -> int:
    """A size from /proc/self/status in bytes."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{key}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"{_STATUS} has no {key}")
