"""How numbers are computed: precision, memory order, repeatability, and an allocator that keeps what it has."""

from __future__ import annotations

import ctypes
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from bakeoff.errors import UserError
from bakeoff.train.spec import Recipe

# mallopt's names in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next step; returns whether there is such an allocator.

    By default it gives large blocks back to the kernel after each use, and gets them anew, zeroed, page by page: some
    thousand page faults a step, a quarter of the time of a small CNN on a CPU. Bits of results stay the same.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library
        return False
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1, _M_TOP_PAD: 64 << 20}
    return all(mallopt(name, value) == 1 for name, value in settings.items())


def set_up(recipe: Recipe, device: torch.device) -> None:
    """Switch torch to the recipe's precision and repeatability on this device. Raises UserError for tf32 on a CPU."""
    if device.type != "cuda":
        if recipe.precision == "tf32":
            raise UserError("precision: tf32 is an arithmetic of GPUs and this run is on a CPU; set fp32 or bf16")
        if recipe.precision == "bf16":
            # The fused attention kernel's bf16 backward pass is an order of magnitude slower on a CPU than the same
            # in matrix products; the switch is named for CUDA and holds for both.
            torch.backends.cuda.enable_flash_sdp(False)
        keep_freed_memory()
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = recipe.precision == "tf32"
    if not recipe.deterministic:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False
        torch.backends.cudnn.benchmark = True


def precise(recipe: Recipe, device: torch.device) -> AbstractContextManager[Any]:
    """The context that forward passes run in."""
    if recipe.precision != "bf16":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def in_order(net: nn.Module, recipe: Recipe) -> nn.Module:
    """The net with its weights in the recipe's memory order."""
    return net.to(memory_format=torch.channels_last) if recipe.channels_last else net


def describe(recipe: Recipe, device: torch.device) -> dict[str, Any]:
    """What a record says of the arithmetic."""
    return {
        "precision": recipe.precision,
        "channels_last": recipe.channels_last,
        "deterministic": device.type != "cuda" or recipe.deterministic,
        "native_bf16": _native_bf16(device) if recipe.precision == "bf16" else None,
    }


def _native_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bf16, or emulates them slowly."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return "avx512_bf16" in _cpu_flags()


def _cpu_flags() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return ""
