"""Peak memory of inference and of a step of training: the model and what it computes, without libraries; 1e6 bytes.

On a CPU each is measured in a fresh process, as the highest resident memory less that before the model. On a GPU torch
keeps the books itself.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn
from torch.nn import functional as F

from bakeoff.models import onnx_file, registry
from bakeoff.profile import backends
from bakeoff.profile.backends import Ready
from bakeoff.profile.spec import ProfileSpec, TrainingStep

if TYPE_CHECKING:
    from bakeoff.models.library.onnx import Network

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_ON_GPU = "most that torch had allocated on the GPU (and reserved for it), less what it had before the model"
_SINCE_RESET = "highest resident memory of a fresh process (VmHWM, reset before the pass), less that before the model"
_SINCE_START = "highest resident memory of a fresh process since its start, an upper bound, less that before the model"


@dataclass(frozen=True)
class Memory:
    """The peak in MB (1e6 bytes), and in words how it was measured; or None and the reason.

    `total_mb` has the libraries in it too: the whole process on a CPU, what torch reserved on a GPU.
    """

    peak_mb: float | None
    total_mb: float | None = None
    how: str | None = None
    reason: str | None = None


Made = TypeVar("Made")
# From a model, which it may change, to the pass whose peak counts.
Work = Callable[[nn.Module], Callable[[], object]]


def build(job: ProfileSpec) -> nn.Module:
    """The job's model with fresh weights, in evaluation mode. Raises UserError when it cannot take such images."""
    channels, size, _ = job.input
    return registry.build(job.model.model_dump(), channels=channels, size=size, classes=job.classes).eval()


# --- what is run


def _inference(job: ProfileSpec, batch_size: int) -> Work:
    """Inference for a batch, eager, in the job's precision."""

    def work(net: nn.Module) -> Callable[[], object]:
        ready = backends.prepare(net, torch.zeros(1, *job.input), job)
        return _pass(ready, batch_size, job.input)

    return work


def _pass(ready: Ready, batch_size: int, shape: tuple[int, int, int]) -> Callable[[], None]:
    def run() -> None:
        with torch.inference_mode():
            ready.run(ready.place(torch.zeros(batch_size, *shape)))
        ready.synchronise()

    return run


def _training(job: ProfileSpec, step: TrainingStep) -> Work:
    """A step of training as the study's: forward, backward, optimizer."""
    order = torch.channels_last if step.channels_last else torch.contiguous_format

    def work(net: nn.Module) -> Callable[[], None]:
        net = net.to(job.device).to(memory_format=order).train()
        optimizer = _optimizer(step, net)

        def run() -> None:
            images = torch.zeros(step.batch_size, *job.input).to(job.device, memory_format=order)
            labels = torch.arange(step.batch_size, device=job.device) % job.classes
            with torch.autocast(job.device, torch.bfloat16, enabled=step.precision == "bf16"):
                loss = F.cross_entropy(net(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            backends.synchroniser(job.device)()

        return run

    return work


def _optimizer(step: TrainingStep, net: nn.Module) -> torch.optim.Optimizer:
    """One that keeps as much for each weight: a momentum (SGD), or two moments (Adam, AdamW, LAMB)."""
    if step.optimizer == "sgd":
        return torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, fused=True)
    return torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)


# --- on a CPU


class FreshProcesses:
    """Measures in processes of their own, forked from one that has done nothing but import torch."""

    def __init__(self, job: ProfileSpec) -> None:
        self._job = job
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, registry.module_of(job.model.builder)])

    def inference(self, batch_size: int) -> Memory:
        """Of a batch."""
        if self._job.backend != "eager" and not onnx_file.is_file(self._job.model.builder):
            return Memory(None, reason=f"with {self._job.backend} the memory that made the program would count too")
        return self._measure(("inference", batch_size))

    def training(self) -> Memory:
        """Of a step of training, as the job describes it."""
        if onnx_file.is_file(self._job.model.builder):
            return Memory(None, reason="is not trained")
        return self._measure(("training", 0)) if self._job.training else Memory(None, reason="measured with eager")

    def _measure(self, what: tuple[str, int]) -> Memory:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_in_fresh_process, args=(theirs, self._job, what))
        with _one_thread():  # for the server, which is started with the first process
            process.start()
        theirs.close()
        try:
            found: Memory = ours.recv()
        except EOFError:
            process.join()
            killed = process.exitcode == -9
            text = "more than there is: the system ended the process" if killed else f"exit status {process.exitcode}"
            found = Memory(None, reason=text)
        process.join()
        return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """Libraries that start their threads when they are imported must not, where processes are forked later."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _in_fresh_process(answer: Connection, job: ProfileSpec, what: tuple[str, int]) -> None:
    kind, batch_size = what
    registry.load(job.model.builder)
    with backends.arithmetic(job):
        if onnx_file.is_file(job.model.builder):
            answer.send(_of_file(job, batch_size))
            return
        work = _training(job, job.training) if kind == "training" and job.training else _inference(job, batch_size)
        answer.send(of_process(lambda: build(job), work))


def _of_file(job: ProfileSpec, batch_size: int) -> Memory:
    from bakeoff.profile import onnx_costs

    def work(net: Network) -> Callable[[], None]:
        return _pass(onnx_costs.ready(net, job.input), batch_size, job.input)

    return of_process(lambda: onnx_costs.network(job), work)


def of_process(make: Callable[[], Made], work: Callable[[Made], Callable[[], object]]) -> Memory:
    """Peak resident memory of this process while it makes a model and does `work` with it.

    All is done twice, and the second time counts: what libraries load and allocate with their first use, and keep for
    good, is not the model's.
    """
    try:
        work(make())()
        _give_back()
        before = _resident()
        run = work(make())
        _give_back()
        how = _SINCE_RESET
        try:
            _CLEAR_REFS.write_text("5")  # sets VmHWM to the present size; see proc(5)
        except OSError:
            how = _SINCE_START
        run()
    except RuntimeError as error:
        return Memory(None, reason=_reason(error))
    peak = _peak_resident()
    return Memory(max(peak - before, 0) / 1e6, peak / 1e6, how)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is a GPU or a CPU that has no memory left; torch has no exception of its own for the latter."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def _reason(error: RuntimeError) -> str:
    return str(error).strip().partition("\n")[0]


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


# --- on a GPU


class OnGpu:
    """Measures in this process, for torch counts what it allocates; `before` is from before the model was moved."""

    def __init__(self, job: ProfileSpec, ready: Ready, before: int) -> None:
        self._job, self._ready, self._before = job, ready, before

    def inference(self, batch_size: int) -> Memory:
        """Of a batch."""
        return _of_gpu(_pass(self._ready, batch_size, self._job.input), self._before)

    def training(self) -> Memory:
        """Of a step of training with a model of its own."""
        step = self._job.training
        if step is None:
            return Memory(None, reason="measured with eager")
        before = allocated()
        return _of_gpu(_training(self._job, step)(build(self._job)), before)


def allocated() -> int:
    """Bytes that torch has allocated on the GPU now."""
    gc.collect()
    return torch.cuda.memory_allocated()


def _of_gpu(work: Callable[[], object], before: int) -> Memory:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        work()
    except torch.OutOfMemoryError as error:
        return Memory(None, reason=_reason(error))
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() - before
    return Memory(peak / 1e6, torch.cuda.max_memory_reserved() / 1e6, _ON_GPU)


def room(device: str) -> int:
    """Bytes that a model may take: free on the GPU; or in this machine, within the limit of this process's group."""
    import psutil

    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # no such group (cgroup v2), or one without a limit ("max")
        free = min(free, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return free
