"""What training has come to, on disk, so that a run that was cut off goes on to the very bits it would have had.

Epochs are drawn from (seed, epoch) alone, so a place in training is an epoch and a number of its batches; with it are
kept the tensors that steps change, the best weights, the schedule's memory, the random state and the history. The file
is no output of a rule: Snakemake deletes the outputs of jobs that fail.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Self, TypeAlias

import torch
from torch import Tensor

from bakeoff.provenance import Json, canonical, whole

NAME = "checkpoint.pt"
SECONDS = 60.0

State: TypeAlias = Json
Keep: TypeAlias = Callable[[Callable[[], State]], None]
"""Told at the end of each step how to make the state that training has then."""


class Interrupted(SystemExit):
    """The process was told to end and has put its work down; another can take it up."""

    STATUS = 75  # EX_TEMPFAIL of sysexits.h: try again later


class Keeper:
    """Writes the state of one training now and then, and when the process is told to end (SIGTERM, SIGINT).

    `key` is what the state must have been made with to be gone on from: settings, code, seeds, versions. Use it as a
    context: within it, signals are listened to.
    """

    def __init__(self, path: Path, key: Json, seconds: float | None = None) -> None:
        self.path, self.key = path, canonical(key)
        self.seconds = SECONDS if seconds is None else seconds
        self.before: list[Json] = []
        """What was done before this training and belongs to it, such as the trials of a search."""
        self.resumed = 0
        """How often the work was taken up again."""
        self._state: State | None = None
        self._latest: Callable[[], State] | None = None
        self._told: str | None = None
        self._old: dict[int, Any] = {}
        self._last = time.monotonic()
        self._read()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        self._last = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)
        self._old = {}

    def take(self) -> State | None:
        """The state to go on from, once: the next training begins anew."""
        state, self._state = self._state, None
        return state

    def step(self, make: Callable[[], State]) -> None:
        """A step is done. Raises Interrupted, with the state written, when the process was told to end."""
        self._latest = make
        if self._told is None and time.monotonic() - self._last < self.seconds:
            return
        self.save(make())
        if self._told is not None:
            news = f"bakeoff train: interrupted by {self._told}; the same command goes on from {self.path}"
            print(news, flush=True)
            print(news, file=sys.stderr, flush=True)
            raise Interrupted(Interrupted.STATUS)

    def save_last(self) -> None:
        """Write the state after the last step, due or not, for work that others of the same job are still to follow."""
        if self._latest is not None:
            self.save(self._latest())

    def save(self, state: State) -> None:
        """Write the state, whole or not at all; a disk that is full costs the checkpoint, not the training."""
        self._last = time.monotonic()
        content = {"key": self.key, "before": self.before, "resumed": self.resumed, "state": state}
        try:
            with whole(self.path) as part, part.open("wb") as file:
                summed = _Summed(file)
                torch.save(content, summed)  # type: ignore[arg-type]  # all that it needs of a file
                file.write(summed.sum.to_bytes(4, "big"))
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            print(f"{self.path}: could not be written ({error}); training goes on without", file=sys.stderr, flush=True)

    def remove(self) -> None:
        """The work is done: leave neither the file nor what a killed process left of it."""
        for path in (self.path, *self.path.parent.glob(f".{self.path.name}.*.part*")):
            path.unlink(missing_ok=True)

    def _read(self) -> None:
        if not self.path.exists():
            return
        try:
            data = self.path.read_bytes()
            if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
                raise ValueError("its sum is not its content's")
            content = torch.load(io.BytesIO(data[:-4]), map_location="cpu", weights_only=True)
            key, before, resumed, state = (content[name] for name in ("key", "before", "resumed", "state"))
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
            reason = str(error).partition("\n")[0]
            print(f"{self.path}: is broken and not used ({type(error).__name__}: {reason})", file=sys.stderr)
            return
        if key != self.key:
            print(f"{self.path}: is of other settings, code or versions and not used", file=sys.stderr)
            return
        self.before, self.resumed, self._state = before, resumed + 1, state
        print(f"goes on from {self.path}: {state['batch']} batches of epoch {state['epoch']} done", file=sys.stderr)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._told = signal.Signals(number).name
        if number == signal.SIGINT:  # who asks twice does not want to wait
            signal.signal(number, self._old[number])


class _Summed:
    """A file to write to that keeps count of what was written, for torch's format does not notice changed bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = 0

    def write(self, data: bytes) -> int:
        self.sum = zlib.crc32(data, self.sum)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def outcomes(state: State) -> list[Json]:
    """What the trainings have come to in a state: of one run, or of several seeds together."""
    found: list[Json] = state["outcomes"] if "outcomes" in state else [state["outcome"]]
    return found


def capture(tensors: Sequence[Tensor]) -> State:
    """Tensors as they are, on the CPU, and the random state of the CPU and of the GPU that they lie on."""
    device = tensors[0].device
    return {
        "tensors": [tensor.detach().cpu() for tensor in tensors],
        "random": torch.get_rng_state(),
        "random_there": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


@torch.no_grad()
def put_back(state: State, tensors: Sequence[Tensor]) -> None:
    """The tensors' values, in place, and the random state, as they were captured."""
    for tensor, value in zip(tensors, state["tensors"], strict=True):
        tensor.copy_(value)
    torch.set_rng_state(state["random"])
    if state["random_there"] is not None:
        torch.cuda.set_rng_state(state["random_there"], tensors[0].device)
