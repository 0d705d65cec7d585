"""One run trained by several processes, one a GPU (on a CPU by gloo), in the same steps as by one.

Every process draws the order and the augmentation of the whole batch and takes its part of it; gradients are averaged
by torch's DistributedDataParallel (Li et al. 2020, arXiv:2006.15704), parts being of equal size. The first process
alone validates, keeps checkpoints, listens to signals and writes; the others follow it step by step, and when it ends
before its time they are ended too: a gradient that they wait for does not come.
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
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.train.memory import has_batch_norm
from bakeoff.train.update import Learner

T = TypeVar("T")
_PATIENCE = timedelta(days=7)
"""How long a process waits for another: while the first validates or writes; those that died are noticed otherwise."""
_FAILED = 1
_SECONDS_FOR_THE_FIRST = 5.0


@dataclass(frozen=True)
class Ranks:
    """Which of `count` processes this is; of one, nothing below does anything."""

    rank: int = 0
    count: int = 1

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
        return told[0]  # type: ignore[return-value]  # the first had a value

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

    Where one of them ends in an error, so does this one: exit status 1, and its last checkpoint stays.
    """
    if count == 1:
        yield ALONE
        return
    with tempfile.TemporaryDirectory(prefix="bakeoff-") as folder:
        meeting = Path(folder) / "meeting"
        context = multiprocessing.get_context("spawn")
        others = [
            context.Process(target=_other, args=(Ranks(rank, count), device.type, meeting, follow, work))
            for rank in range(1, count)
        ]
        for process in others:
            process.start()
        over = threading.Event()
        threading.Thread(target=_watch, args=(others, over), daemon=True).start()
        try:
            _meet(Ranks(0, count), device.type, meeting)
            yield Ranks(0, count)
            for process in others:
                process.join()
            dist.destroy_process_group()
        except RuntimeError:
            if news := _failed(others):
                raise UserError(news) from None
            raise
        finally:
            over.set()
            for process in others:
                process.kill()  # those that have ended do not mind
            for process in others:
                process.join()
            if dist.is_initialized() and device.type == "cpu":
                dist.destroy_process_group()


def _meet(ranks: Ranks, device: str, meeting: Path) -> None:
    if device == "cuda":
        torch.cuda.set_device(ranks.rank)
    else:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    store = dist.FileStore(str(meeting), ranks.count)  # type: ignore[attr-defined]
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.count, timeout=_PATIENCE)


def _other(ranks: Ranks, device: str, meeting: Path, follow: Callable[..., None], work: Sequence[Any]) -> None:
    """The life of a process but the first."""
    for number in (signal.SIGTERM, signal.SIGINT):  # a scheduler's go to all; the first ends the others
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    try:
        _meet(ranks, device, meeting)
        follow(ranks, *work)
    except BaseException as error:
        if not isinstance(error, UserError):
            traceback.print_exc()
        # What is wrong with settings, or too large, is so for the first as well, which says it better.
        time.sleep(_SECONDS_FOR_THE_FIRST)
        print(f"process {ranks.rank + 1} of {ranks.count}: {error}", file=sys.stderr, flush=True)
        os._exit(_FAILED)  # not by way of torch, which might wait for the others


def _end_with_the_first() -> None:
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os._exit(_FAILED)


def _watch(others: Sequence[BaseProcess], over: threading.Event) -> None:
    """End this process when another failed and torch does not notice: it would wait for its gradients."""
    alive = {process.sentinel for process in others}
    while alive:
        alive.difference_update(connection.wait(list(alive)))
        if (news := _failed(others)) and not over.wait(_SECONDS_FOR_THE_FIRST):
            print(f"train: {news}", flush=True)
            print(f"train: {news}", file=sys.stderr, flush=True)
            os._exit(_FAILED)


def _failed(others: Sequence[BaseProcess]) -> str | None:
    """What is to be said where one of them ended in an error, or was killed."""
    for process in others:
        process.join(1 / len(others))
        if process.exitcode:
            return (
                f"another process of this run failed (exit status {process.exitcode}); what it said stands in the log, "
                "and the same command goes on from the last checkpoint"
            )
    return None
