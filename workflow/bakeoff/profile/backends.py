"""A network made ready to run under one condition: on a device, in a precision, by torch, its compiler or onnxruntime.

All back ends and precisions are asked for the logits of the same images first, and how far they are from torch's in
fp32 is part of the record: a fast wrong answer is no measurement.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bakeoff.profile.spec import Condition, Precision

_DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "tf32": torch.float32,  # a way to multiply float32
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
# Each size of batch is a shape of its own to the compiler; past its limit it would silently run uncompiled.
_SHAPES = 64
_IMAGES_COMPARED = 8


class BackendError(Exception):
    """This network cannot be had by this back end, or in this precision; the message says why."""


@dataclass(frozen=True)
class Ready:
    """A network that is ready to run. What `place` gives is what `run` takes, and is where the network is."""

    place: Callable[[Tensor], Any]  # images [B, C, H, W], float32 in the host's memory
    run: Callable[[Any], Any]
    logits: Callable[[Any], Tensor]  # of what `run` gives: [B, classes], float32 in the host's memory
    synchronise: Callable[[], None]
    seconds: float  # that it took to make it ready: export, or the compilation for one shape


def prepare(net: nn.Module, image: Tensor, condition: Condition) -> Ready:
    """Make `net`, in evaluation mode, ready for images like `image` [1, C, H, W], on a device that is not "auto".

    With torch the network itself moves to the device and the precision. Raises BackendError when it cannot be had so.
    """
    began = time.perf_counter()
    make = _onnxruntime if condition.backend == "onnxruntime" else _torch
    try:
        ready = make(net, image, condition)
        with torch.inference_mode():
            ready.run(ready.place(image))
            ready.synchronise()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # Compilers and exporters have many ways to say no.
        if condition.backend == "eager" and condition.precision in ("fp32", "tf32"):
            raise
        raise BackendError(f"{_what(condition)}: {_first_line(error)}") from error
    return Ready(ready.place, ready.run, ready.logits, ready.synchronise, time.perf_counter() - began)


def _what(condition: Condition) -> str:
    names = {"compile": "torch.compile", "onnxruntime": "onnxruntime", "eager": "torch"}
    return f"{names[condition.backend]} in {condition.precision} cannot run this model"


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def arithmetic(condition: Condition) -> Iterator[None]:
    """So many threads, one seed, and TF32 only where it is asked for: by default torch's convolutions use it."""
    threads_before, matmul = torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32
    torch.set_num_threads(condition.threads)
    torch.backends.cuda.matmul.allow_tf32 = tf32 = condition.precision == "tf32"
    try:
        with (
            torch.random.fork_rng(),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32),
            torch._dynamo.config.patch(recompile_limit=_SHAPES) if condition.backend == "compile" else _nothing(),
        ):
            torch.manual_seed(0)
            yield
    finally:
        torch.set_num_threads(threads_before)
        torch.backends.cuda.matmul.allow_tf32 = matmul


@contextmanager
def _nothing() -> Iterator[None]:
    yield


# --- torch, and its compiler


def _torch(net: nn.Module, image: Tensor, condition: Condition) -> Ready:
    device, dtype = condition.device, _DTYPES[condition.precision]
    order = torch.channels_last if condition.channels_last else torch.contiguous_format
    net = net.to(device, dtype).to(memory_format=order)
    run = torch.compile(net, dynamic=False) if condition.backend == "compile" else net

    def place(images: Tensor) -> Tensor:
        return images.to(device, dtype, memory_format=order)

    return Ready(place, run, lambda logits: logits.float().cpu(), synchroniser(device), 0.0)


def synchroniser(device: str) -> Callable[[], None]:
    """A call that waits until the device has nothing left to do; a CPU has not when a call returns."""
    return torch.cuda.synchronize if device == "cuda" else lambda: None


# --- onnxruntime


def _onnxruntime(net: nn.Module, image: Tensor, condition: Condition) -> Ready:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = condition.threads, 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = _export(net, image, Path(folder))
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: Any) -> Any:
        return session.run(None, {name: images})[0]

    return Ready(lambda images: images.numpy(), run, torch.from_numpy, lambda: None, 0.0)


def _export(net: nn.Module, image: Tensor, folder: Path) -> Path:
    """The network as an ONNX file for batches of any size."""
    path = folder / "model.onnx"
    # An example of two: of one, the exporter may conclude that the batch is always one.
    example = image.expand(2, *image.shape[1:]).contiguous()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # what the exporter calls of torch's own is deprecated
        program = torch.onnx.export(
            net, (example,), dynamo=True, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), verbose=False
        )
    if program is None:
        raise BackendError("the exporter gave nothing")
    program.save(path)
    return path


# --- the same answers


def sample(shape: tuple[int, int, int]) -> Tensor:
    """The images of noise that answers are compared for."""
    return torch.randn(_IMAGES_COMPARED, *shape, generator=torch.Generator().manual_seed(1))


def difference(ready: Ready, images: Tensor, logits: Tensor) -> float:
    """The largest difference of a logit for `images` from `logits` [B, classes], torch's own in fp32 on the CPU."""
    with torch.inference_mode():
        return float((ready.logits(ready.run(ready.place(images))) - logits).abs().max())
