"""Parameters, size on disk, and multiply-adds (MACs) of convolutions and matrix products, by two counters.

Norms, pooling and pointwise operations are left out, as in torchvision's published `_ops`: counters differ on them.
"""

from __future__ import annotations

import math
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

# fvcore's names of what FlopCounterMode counts too; the rest (norms, pooling, resizing) is set aside.
_PRODUCTS = frozenset(
    {"conv", "linear", "matmul", "addmm", "mm", "bmm", "einsum", "scaled_dot_product_attention"},
)
# An operator of which fvcore knows nothing is a suspect when its name tells of products.
_SUSPECT = re.compile(r"attention|conv|einsum|gru|linear|lstm|matmul|mm$|product|rnn|tensordot")
_TOLERANCE = 0.05


@dataclass(frozen=True)
class Complexity:
    """Costs that no machine changes. `macs` are for one image; `size_mb` is of the safetensors file, in 1e6 bytes."""

    params: int
    trainable_params: int
    size_mb: float
    macs: int
    macs_fvcore: int | None
    macs_note: str | None


def count(model: nn.Module, images: Tensor) -> Complexity:
    """Count the costs of a model in evaluation mode on `images` [1, C, H, W], both on the CPU."""
    by_torch = count_by_torch(model, images)
    macs = sum(by_torch.values())
    note: str | None
    try:
        by_fvcore, suspects = count_by_fvcore(model, images)
    except Exception as error:  # It traces code it has never seen, and only checks what is known already.
        macs_fvcore = None
        note = f"fvcore cannot trace this model: {str(error).partition(chr(10))[0]}"
    else:
        macs_fvcore = sum(by_fvcore.values())
        note = _note(by_torch, by_fvcore, suspects)
    return Complexity(
        params=sum(p.numel() for p in model.parameters()),
        trainable_params=sum(p.numel() for p in model.parameters() if p.requires_grad),
        size_mb=_size_mb(model),
        macs=macs,
        macs_fvcore=macs_fvcore,
        macs_note=note,
    )


def count_by_torch(model: nn.Module, images: Tensor) -> dict[str, int]:
    """MACs by operator, from what torch really dispatches. Works on the meta device too."""
    # With gradients on, though none is taken: the counter's module tracker fails without them on some networks.
    with _plain_operators(), FlopCounterMode(display=False) as counter, torch.enable_grad():
        model(images)
    # There is no "Global" where nothing was counted.
    return {str(operator): flops // 2 for operator, flops in counter.get_flop_counts().get("Global", {}).items()}


def count_by_fvcore(model: nn.Module, images: Tensor) -> tuple[dict[str, int], list[str]]:
    """MACs by operator from fvcore (its "flops" are MACs), and operators it skipped that may hold products."""
    with _plain_operators(), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # already on import fvcore calls what torch deprecates
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(model, images)
        analysis.set_op_handle("aten::scaled_dot_product_attention", _attention_macs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        counted, skipped = analysis.by_operator(), analysis.unsupported_ops()
    return (
        {operator: int(macs) for operator, macs in counted.items() if operator in _PRODUCTS},
        sorted(operator for operator in skipped if _SUSPECT.search(operator)),
    )


def _attention_macs(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """fvcore's handle for softmax(q k^T) v with q [..., T, D], k [..., S, D], v [..., S, E]."""
    queries, keys, values = (value.type().sizes() for value in inputs[:3])
    return math.prod(map(int, queries[:-1])) * int(keys[-2]) * int(queries[-1] + values[-1])


@contextmanager
def _plain_operators() -> Iterator[None]:
    """Without fused kernels that hide products from counters: torch's attention fast path, oneDNN's LSTM."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="TF32 acceleration on top of oneDNN")
            # The fused attention of a CPU counts as nothing before torch 2.15.
            with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _note(by_torch: Mapping[str, int], by_fvcore: Mapping[str, int], suspects: Sequence[str]) -> str | None:
    ours, theirs = sum(by_torch.values()), sum(by_fvcore.values())
    if abs(theirs - ours) <= _TOLERANCE * ours:
        return None
    skipped = f"; fvcore has no rule for {', '.join(suspects)}" if suspects else ""
    return f"fvcore counts {theirs:.4g} MACs ({_listed(by_fvcore)}), torch {ours:.4g} ({_listed(by_torch)}){skipped}"


def _listed(macs: Mapping[str, int]) -> str:
    return ", ".join(f"{operator.removeprefix('aten.')} {value:.4g}" for operator, value in macs.items())


def _size_mb(model: nn.Module) -> float:
    # To a file: only `save_model`, which has no in-memory form, takes tied weights.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        save_model(model, str(path))
        return path.stat().st_size / 1e6
