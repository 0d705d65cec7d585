"""Parameters, size on disk, multiply-adds (MACs) and activations of convolutions and matrix products.

MACs are counted twice: from what torch dispatches, and by fvcore. Norms, pooling and pointwise operations are left
out, as in torchvision's published `_ops`: counters differ on them. None of these numbers depends on the values of
weights or images, so most nets are counted on torch's meta device, where tensors have shapes and no values.
"""

from __future__ import annotations

import copy
import json
import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from bakeoff.profile import tracing

# fvcore's names of what torch counts too; the rest (norms, pooling, resizing) is set aside.
_PRODUCTS = frozenset(
    {"conv", "linear", "matmul", "addmm", "mm", "bmm", "einsum", "scaled_dot_product_attention"},
)
# Of the operators of which fvcore knows nothing, suspects are those whose names tell of products.
_SUSPECT = re.compile(r"attention|conv|einsum|gru|linear|lstm|matmul|mm$|product|rnn|tensordot")
_TOLERANCE = 0.05
# safetensors' names of types, in the order in which its files hold them: from the last to the first of these.
_DTYPES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int32: "I32",
    torch.float32: "F32",
    torch.complex64: "C64",
    torch.float64: "F64",
    torch.int64: "I64",
}


@dataclass(frozen=True)
class ModuleCost:
    """What one module costs, with all that it holds. `name` is as in `named_modules()`; the rest as in Complexity."""

    name: str
    params: int
    macs: int
    activations: int


@dataclass(frozen=True)
class Complexity:
    """Costs that no machine changes. `size_mb` is of the safetensors file, in 1e6 bytes.

    `macs` and `activations` are for one image. `activations` are the output elements of convolutions and matrix
    products, as in fvcore's ActivationCountAnalysis and in timm's `macts`; those inside an attention are among them.
    `modules` are those that have parameters or MACs, but for the net itself. Of an ONNX file `size_mb` is its own, and
    where its MACs cannot be counted there are none, and a note.
    """

    params: int
    trainable_params: int
    size_mb: float
    macs: int | None
    macs_fvcore: int | None
    macs_note: str | None
    activations: int | None
    modules: tuple[ModuleCost, ...]


def count_without_weights(build: Callable[[], nn.Module], shape: tuple[int, int, int]) -> Complexity:
    """Count the costs of the net that `build` makes in evaluation mode, for one image of `shape` [C, H, W].

    It is built and run on the meta device, in about a second for a net of any size. Nets that look at values while they
    are built, such as torchvision's RegNets, are built on the CPU, and run without their weights. Nets that look at
    values while they run, and those that put tensors on a device of their own choice, are run on the CPU too.
    Errors are those of the CPU.
    """
    with suppress(Exception):  # Whatever it is: if it is the net's own fault, the CPU will say so.
        with torch.device("meta"):
            model = build()
        return _count_on_meta(model, shape)
    model = build()
    with suppress(Exception):
        return _count_on_meta(_without_values(model), shape)
    return count(model, torch.zeros(1, *shape))


def _count_on_meta(model: nn.Module, shape: tuple[int, int, int]) -> Complexity:
    with torch.device("meta"):  # for what the net makes while it runs
        counted = count(model, torch.zeros(1, *shape))
    if counted.macs_fvcore is None:
        raise RuntimeError(counted.macs_note)
    return counted


def _without_values(model: nn.Module) -> nn.Module:
    """A copy on the meta device. What is tied stays tied, which `model.to("meta")` would undo."""
    copies: dict[int, Any] = {id(buffer): buffer.to("meta") for buffer in model.buffers()}
    for parameter in model.parameters():
        copies[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
    return copy.deepcopy(model, copies)


def count(model: nn.Module, images: Tensor) -> Complexity:
    """Count the costs of a model in evaluation mode on `images` [1, C, H, W], both on the CPU or on the meta device."""
    products = count_by_torch(model, images)
    macs_fvcore, note = _second_opinion(model, images, products.by_operator)
    return Complexity(
        params=_params(model),
        trainable_params=sum(p.numel() for p in model.parameters() if p.requires_grad),
        size_mb=file_bytes(model) / 1e6,
        macs=products.macs[""],
        macs_fvcore=macs_fvcore,
        macs_note=note,
        activations=products.activations[""],
        modules=tuple(_by_module(model, products)),
    )


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _by_module(model: nn.Module, products: Products) -> Iterator[ModuleCost]:
    for name, module in model.named_modules():
        cost = ModuleCost(name, _params(module), products.macs[name], products.activations[name])
        if name and (cost.params or cost.macs):
            yield cost


# --- what torch dispatches


@dataclass
class Products:
    """Convolutions and matrix products that ran: MACs by operator, MACs and output elements by module.

    Each counts for the innermost module that was running and for all whose name holds that one's, up to the net itself,
    whose name is "". So a list of blocks, which is never called, has what its blocks have.
    """

    by_operator: Counter[str] = field(default_factory=Counter)
    macs: Counter[str] = field(default_factory=Counter)
    activations: Counter[str] = field(default_factory=Counter)

    def add(self, operator: str, module: str, macs: int, activations: int) -> None:
        """One operator ran once."""
        self.by_operator[operator] += macs
        parts = module.split(".") if module else []
        for name in (".".join(parts[:depth]) for depth in range(len(parts) + 1)):
            self.macs[name] += macs
            self.activations[name] += activations


def count_by_torch(model: nn.Module, images: Tensor) -> Products:
    """Products, from what torch really dispatches."""
    products = Products()
    with _plain_operators(), torch.no_grad(), _running(model) as running, _Counting(products, running):
        model(images)
    return products


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts by the formulas of torch's FlopCounterMode, which knows no activations and no lists of modules."""

    supports_higher_order_operators = True

    def __init__(self, products: Products, running: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products = products
        self.running = running

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        operator = getattr(func, "overloadpacket", func)
        formula = flop_registry.get(operator)
        if formula is None:
            return self._run_in_parts(func, args, kwargs)
        out = func(*args, **kwargs)
        flops = formula(*args, **kwargs, out_val=out)
        result = out if isinstance(out, Tensor) else out[0]
        self.products.add(str(operator), self.running[-1], flops // 2, result.numel())
        return out

    def _run_in_parts(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operator that has no formula; if it is made of others, they are counted."""
        if hasattr(func, "decompose") and func is not torch.ops.prim.device.default:
            with self:
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        return func(*args, **kwargs)


@contextmanager
def _running(model: nn.Module) -> Iterator[list[str]]:
    """Names of the modules that are running, the innermost last; the first is the net itself, "".

    What `model` does not hold, such as a module made during the call, runs under the name of what calls it.
    """
    names = {module: name for name, module in model.named_modules()}
    stack = [""]

    def enter(module: nn.Module, _: object) -> None:
        stack.append(names.get(module, stack[-1]))

    def leave(*_: object) -> None:
        stack.pop()

    handles = register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)
    try:
        yield stack
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _plain_operators() -> Iterator[None]:
    """Without fused kernels that hide products from counters: torch's attention fast path, oneDNN's LSTM."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="TF32 acceleration on top of oneDNN")
            # In parts, whose activations can be counted too.
            with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


# --- what fvcore counts


def count_by_fvcore(model: nn.Module, images: Tensor) -> tuple[dict[str, int], list[str]]:
    """MACs by operator from fvcore (its "flops" are MACs), and the operators of which it knows nothing."""
    with _plain_operators(), torch.no_grad(), tracing.traceable(images.is_meta), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # already on import fvcore calls what torch deprecates
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(model, images)
        analysis.set_op_handle("aten::scaled_dot_product_attention", _attention_macs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        counted, skipped = analysis.by_operator(), analysis.unsupported_ops()
    return {operator: int(macs) for operator, macs in counted.items() if operator in _PRODUCTS}, sorted(skipped)


def _attention_macs(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """fvcore's handle for softmax(q k^T) v with q [..., T, D], k [..., S, D], v [..., S, E]."""
    queries, keys, values = (value.type().sizes() for value in inputs[:3])
    return math.prod(map(int, queries[:-1])) * int(keys[-2]) * int(queries[-1] + values[-1])


def _second_opinion(model: nn.Module, images: Tensor, by_torch: Mapping[str, int]) -> tuple[int | None, str | None]:
    """fvcore's MACs, if it has any, and a note when it does not agree with torch."""
    try:
        by_fvcore, skipped = count_by_fvcore(model, images)
    except Exception as error:  # It traces code it has never seen, and only checks what is known already.
        return None, f"fvcore cannot trace this model: {str(error).partition(chr(10))[0]}"
    return sum(by_fvcore.values()), _note(by_torch, by_fvcore, skipped)


def _note(by_torch: Mapping[str, int], by_fvcore: Mapping[str, int], skipped: Sequence[str]) -> str | None:
    ours, theirs = sum(by_torch.values()), sum(by_fvcore.values())
    if abs(theirs - ours) <= _TOLERANCE * ours:
        return None
    # A product by another name, such as an operator of a net's own, may be any of those that were skipped.
    suspects = [operator for operator in skipped if _SUSPECT.search(operator)] or skipped
    why = f"; fvcore has no rule for {', '.join(suspects)}" if suspects else ""
    return f"fvcore counts {theirs:.4g} MACs ({_listed(by_fvcore)}), torch {ours:.4g} ({_listed(by_torch)}){why}"


def _listed(macs: Mapping[str, int]) -> str:
    return ", ".join(f"{operator.removeprefix('aten.')} {value:.4g}" for operator, value in macs.items()) or "none"


# --- the file


def file_bytes(model: nn.Module) -> int:
    """Size of the file that safetensors' `save_model` would write, which needs no weights and no file to tell.

    The file is the length of its header in 8 bytes, the header, which is JSON padded to a multiple of 8 bytes, and the
    tensors, each storage once. The header names the tensors in the order in which they stand.
    """
    tensors: dict[str, Tensor] = model.state_dict()
    header: dict[str, Any] = {}
    if tied := _tied(tensors):
        header["__metadata__"] = tied
    place = 0
    ranks = {dtype: rank for rank, dtype in enumerate(_DTYPES)}
    for name, tensor in sorted(tensors.items(), key=lambda item: (-ranks[item[1].dtype], item[0])):
        if name not in tied:
            end = place + tensor.numel() * tensor.element_size()
            header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [place, end]}
            place = end
    length = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + math.ceil(length / 8) * 8 + place


def _tied(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For each tensor that shares its memory with one whose name sorts before its own, that other name."""
    first: dict[int, str] = {}
    tied = {}
    for name in sorted(tensors):
        # The address of the storage object: on the meta device there is no address of data.
        kept = first.setdefault(tensors[name].untyped_storage()._cdata, name)
        if kept != name:
            tied[name] = kept
    return tied
