"""Which device a step computes on, and making it repeat itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bakeoff.errors import UserError

if TYPE_CHECKING:
    import torch


def machine_has_gpu() -> bool:
    """Whether the driver shows an NVIDIA GPU to this process; asks the driver, not torch, which takes seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    import pynvml

    try:
        pynvml.nvmlInit()
        count = int(pynvml.nvmlDeviceGetCount())
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return False
    return count > 0


def prepare_device(asked: str, threads: int) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`, with `threads` CPU threads and deterministic algorithms.

    Raises UserError when CUDA is asked for and torch cannot use it: a silent CPU run would be another measurement.
    """
    import torch

    torch.set_num_threads(threads)
    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise UserError(
            "device: cuda was asked for, but torch finds no usable GPU here; "
            "set device: auto or cpu in the study, or mend the driver (nvidia-smi shows its version)"
        )
    if asked == "cpu" or not available:
        return torch.device("cpu")
    # What has no repeatable algorithm still runs, with a warning in the log; cuBLAS reads its variable when it starts.
    # Filling every empty tensor would cost a kernel each, for values that nobody reads.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


def gpu_name(device: torch.device) -> str | None:
    """The GPU's name, or None on a CPU."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else None
