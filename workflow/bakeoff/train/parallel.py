"""One run trained by several processes, one a GPU (on a CPU by gloo), in the same steps as by one.

Every process draws the order and the augmentation of the whole batch and takes its part of it; gradients are averaged
by torch's DistributedDataParallel (Li et al. 2020, arXiv:2006.15704), parts being of equal size. The first process
alone validates, keeps checkpoints, listens to signals and writes; the others follow it step by step, and when it ends
before its time they are ended too: a gradient that they wait for does not come. When another ends before its time, the
first hears of it as an error: of memory that did not suffice, or of a process that failed.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import _abort_process_group

from bakeoff.errors import UserError
from bakeoff.train.memory import has_batch_norm, is_out_of_memory
from bakeoff.train.update import Learner

T = TypeVar("T")
_PATIENCE = timedelta(days=7)
"""How long a process waits for another: while the first validates or writes; those that died are noticed otherwise."""
_FAILED = 1
_OUT_OF_MEMORY = 12  # ENOMEM
_SECONDS_FOR_THE_FIRST = 5.0
_SECONDS_TO_WAKE = 60.0


@dataclass(frozen=True)
class Ranks:
    """Which of `count` processes this is; of one, nothing below does anything."""

    rank: int = 0
    count: int = 1
    lost: threading.Event = field(default_factory=threading.Event, compare=False)
    """Set when another process has failed: gradients may lack its part."""

    def share(self, batch_size: int) -> int:
        """Images of a batch that each process takes. Raises UserError where they cannot be dealt out evenly."""
        if batch_size % self.count:
            raise UserError(
                f"gpus: {self.count} processes cannot share batches of {batch_size} images evenly, and there are no "
                f"more images to train on; set a batch_size that {self.count} divides, or gpus: 1"
            )
        return batch_size // self.count

    def rows(self, of: Tensor, batch_size: int) -> Tensor:
        """Of the batches that stand one after another in [N, ...], this process's rows of each."""
        if self.count == 1:
            return of
        own = self.share(batch_size)
        batches = of.view(len(of) // batch_size, batch_size, *of.shape[1:])
        return batches[:, self.rank * own : (self.rank + 1) * own].flatten(0, 1)

    def learner(self, net: nn.Module, *rest: Any) -> Learner:
        """Runs the steps. Raises UserError for a net whose images of a batch see each other where they cannot."""
        return Learner(net, *rest) if self.count == 1 else _Together(net, *rest)

    def agreed(self, of: Callable[[], T]) -> T:
        """What it gives the first process, for all."""
        if self.count == 1:
            return of()
        told = [of() if self.rank == 0 else None]
        dist.broadcast_object_list(told, device=torch.device("cpu"))
        return self.sound(told[0])  # type: ignore[return-value]  # the first had a value

    def sound(self, value: T) -> T:
        """A value that comes of all processes' work. Raises RuntimeError where one is gone, and its part may lack."""
        if self.lost.is_set():
            raise RuntimeError("another process of this run is gone")
        return value

    def draw_apart(self, seed: int, epoch: int, batch: int) -> None:
        """Give the processes but the first masks of dropout of their own, which a place in training tells."""
        if self.rank:
            key = f"{seed} {epoch} {batch} {self.rank}"
            torch.manual_seed(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1)


ALONE = Ranks()


class _Together(Learner):
    """Each process's part of a step; sums are those of all."""

    def __init__(self, net: nn.Module, *rest: Any) -> None:
        device = next(net.parameters()).device
        if has_batch_norm(net):
            if device.type != "cuda":
                raise UserError(
                    "gpus: the model has batch norm, which torch synchronises between GPUs only; "
                    "for this model set gpus: 1, or train on GPUs"
                )
            from timm.layers.norm_act import convert_sync_batchnorm  # knows timm's layers as well as torch's

            convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
        super().__init__(net, *rest)
        # Buffers are the same everywhere: batch norm's are synchronised, no other changes.
        self.forward = nn.parallel.DistributedDataParallel(net, forward_sync_buffers=False)

    def _count(self, loss: Tensor, correct: Tensor, images: int) -> None:
        both = torch.stack((loss * images, correct.to(loss.dtype)))
        dist.all_reduce(both)
        super()._count(both[0], both[1], 1)


@contextmanager
def crew(count: int, device: torch.device, follow: Callable[..., None], *work: Any) -> Iterator[Ranks]:
    """This process as the first of `count`; the others run `follow(ranks, *work)`, which has to take the same steps.

    Where one of them fails, so does the work of this one: with torch's OutOfMemoryError where memory did not suffice
    there, else with a UserError. However it ends, no other process is left.
    """
    if count == 1:
        yield ALONE
        return
    with tempfile.TemporaryDirectory(prefix="bakeoff-") as folder:
        meeting = Path(folder) / "meeting"
        context = multiprocessing.get_context("spawn")
        others = [
            context.Process(target=_other, args=(rank, count, device.type, meeting, follow, work))
            for rank in range(1, count)
        ]
        for process in others:
            process.start()
        ranks, news, over = Ranks(0, count), _News(others, meeting), threading.Event()
        threading.Thread(target=_watch, args=(news, device, ranks.lost, over), daemon=True).start()
        try:
            _meet(ranks, device.type, meeting)
            yield ranks
            for process in others:
                process.join()
            dist.destroy_process_group()
        except UserError:
            raise
        except Exception as error:
            fault = news.fault()
            _end(others, over)
            if dist.is_initialized() and device.type == "cuda":
                _abort_process_group()  # an orderly end would wait for the others
            raise fault or error from None
        finally:
            _end(others, over)
            if dist.is_initialized() and device.type == "cpu":
                dist.destroy_process_group()


def _end(others: Sequence[BaseProcess], over: threading.Event) -> None:
    over.set()
    for process in others:
        process.kill()  # those that have ended do not mind
    for process in others:
        process.join()


def _meet(ranks: Ranks, device: str, meeting: Path) -> None:
    if device == "cuda":
        torch.cuda.set_device(ranks.rank)
        # Else torch ends the process when it notices a fault; we do, or go on without the others.
        os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
    else:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    store = dist.FileStore(str(meeting), ranks.count)  # type: ignore[attr-defined]
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.count, timeout=_PATIENCE)


def _other(rank: int, count: int, device: str, meeting: Path, follow: Callable[..., None], work: Sequence[Any]) -> None:
    """The life of a process but the first."""
    for number in (signal.SIGTERM, signal.SIGINT):  # a scheduler's go to all; the first ends the others
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    ranks = Ranks(rank, count)
    try:
        _meet(ranks, device, meeting)
        follow(ranks, *work)
    except BaseException as error:
        if is_out_of_memory(error):
            _words(meeting, os.getpid()).write_text(str(error), encoding="utf-8")
            os._exit(_OUT_OF_MEMORY)  # not by way of torch, which might wait for the others
        if not isinstance(error, UserError):
            traceback.print_exc()
        # What is wrong with settings is so for the first as well, which says it better.
        time.sleep(_SECONDS_FOR_THE_FIRST)
        print(f"process {rank + 1} of {count}: {error}", file=sys.stderr, flush=True)
        os._exit(_FAILED)


def _words(meeting: Path, pid: int | None) -> Path:
    """Where a process that memory did not suffice for leaves what was said."""
    return meeting.with_name(f"memory-{pid}")


def _end_with_the_first() -> None:
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os._exit(_FAILED)


@dataclass(frozen=True)
class _News:
    """What has become of the others; two threads ask, one at a time, for the system tells of an end once."""

    others: Sequence[BaseProcess]
    meeting: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self) -> Exception | None:
        """What the first process is to raise where one of them ended in an error, or was killed."""
        with self._lock:
            for process in self.others:
                process.join(1 / len(self.others))
                if process.exitcode == _OUT_OF_MEMORY:
                    words = _words(self.meeting, process.pid)
                    return torch.OutOfMemoryError(words.read_text(encoding="utf-8") if words.exists() else "")
                if process.exitcode:
                    return UserError(
                        f"another process of this run failed (exit status {process.exitcode}); what it said stands in "
                        "the log, and the same command goes on from the last checkpoint"
                    )
        return None


def _watch(news: _News, device: torch.device, lost: threading.Event, over: threading.Event) -> None:
    """Wake this process when another failed and torch does not notice: it would wait on the GPU for its gradients."""
    alive = {process.sentinel for process in news.others}
    while alive and not over.is_set():
        alive.difference_update(connection.wait(list(alive)))
        if (fault := news.fault()) and not over.wait(_SECONDS_FOR_THE_FIRST):
            lost.set()  # before the waiting ends, so that nothing half done is taken for whole
            if device.type == "cuda" and dist.group.WORLD is not None:
                with suppress(RuntimeError):
                    dist.group.WORLD.abort()
            if not over.wait(_SECONDS_TO_WAKE):
                print(f"train: {fault}", flush=True)
                print(f"train: {fault}", file=sys.stderr, flush=True)
                os._exit(_FAILED)
