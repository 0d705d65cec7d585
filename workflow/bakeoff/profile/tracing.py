"""Lets `torch.jit.trace`, and so fvcore, follow a net on the meta device, and see all of its convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# The flags of `torch._convolution` that choose kernels: of no concern here.
_KERNELS = (False, False, False, False)


@contextmanager
def traceable(on_meta: bool) -> Iterator[None]:
    """Within this, traces hold all convolutions, and nets on the meta device can be traced as those on the CPU."""
    with _PlainConvolutions(), _shapes_elsewhere() if on_meta else nullcontext():
        yield


@contextmanager
def _shapes_elsewhere() -> Iterator[None]:
    # Whether gradients are wanted is each thread's own setting.
    elsewhere = ThreadPoolExecutor(1, initializer=torch.set_grad_enabled, initargs=(False,))
    with elsewhere, _ShapesElsewhere(elsewhere):
        yield


class _ShapesElsewhere(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Works out the shapes of results in another thread.

    Torch does so in Python for many operators, by sizes of tensors, which during a trace are no integers but traced
    tensors, and refused. A trace is one thread's.
    """

    def __init__(self, elsewhere: ThreadPoolExecutor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elsewhere = elsewhere

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten._convolution.default:  # which has no shapes on the meta device
            func, args = torch.ops.aten.convolution.default, args[:9]
        if func.is_view:  # needs no sizes, and must stay with the tensor it is a view of
            return func(*args, **(kwargs or {}))
        return self.elsewhere.submit(func, *args, **(kwargs or {})).result()


class _PlainConvolutions(TorchFunctionMode):
    """Calls convolutions by the name under which fvcore knows them.

    A trace records the call that `F.conv2d` makes. On the meta device it makes none, and with `padding="same"` one of
    another name.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        plain = _PLAIN.get(func)
        if plain and len(args) > 1 and args[0].dim() == args[1].dim():  # images in a batch
            return plain(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


Numbers = int | Sequence[int]


def _convolution(
    dimensions: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """`F.conv2d` and the like, with their arguments, for input [B, C, ...]."""
    steps, holes, none = _each(stride, dimensions), _each(dilation, dimensions), [0] * dimensions
    if padding == "same":
        wanted = [hole * (size - 1) for hole, size in zip(holes, weight.shape[2:], strict=True)]
        input = F.pad(input, [part for total in reversed(wanted) for part in (total // 2, total - total // 2)])
    edges = none if isinstance(padding, str) else _each(padding, dimensions)
    return torch._convolution(input, weight, bias, steps, edges, holes, False, none, groups, *_KERNELS)


def _transposed(
    dimensions: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """`F.conv_transpose2d` and the like, with their arguments, for input [B, C, ...]."""
    steps, edges, holes, more = (_each(value, dimensions) for value in (stride, padding, dilation, output_padding))
    return torch._convolution(input, weight, bias, steps, edges, holes, True, more, groups, *_KERNELS)


def _each(value: Numbers, dimensions: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * dimensions if len(values) == 1 else values


_PLAIN: dict[Any, Callable[..., Tensor]] = {
    F.conv1d: partial(_convolution, 1),
    F.conv2d: partial(_convolution, 2),
    F.conv3d: partial(_convolution, 3),
    F.conv_transpose1d: partial(_transposed, 1),
    F.conv_transpose2d: partial(_transposed, 2),
    F.conv_transpose3d: partial(_transposed, 3),
}
