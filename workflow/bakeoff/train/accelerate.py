"""Other ways to run a step on CUDA, where they pay: a graph of the whole step, or torch's compiler.

A small net's step on a GPU is spent launching kernels. A graph launches them all at once (Nguyen et al. 2021,
"Accelerating PyTorch with CUDA graphs"); the compiler fuses them, at a price of tens of seconds. Neither pays on a CPU:
measured, the compiler gave 0.5 to 1.0 times the speed there, after 24 to 38 seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from bakeoff.train.update import Learner, Update

MEASURED_STEPS = 20
WARM_UP_STEPS = 3


@dataclass
class Choice:
    """How steps are run, and why: seconds a step as measured, and seconds that the preparation took."""

    update: Update
    name: str
    reason: str
    step_seconds: dict[str, float] = field(default_factory=dict)
    preparation_seconds: dict[str, float] = field(default_factory=dict)

    def record(self) -> dict[str, object]:
        """For run.json."""
        return {
            "name": self.name,
            "reason": self.reason,
            "step_seconds": self.step_seconds,
            "preparation_seconds": self.preparation_seconds,
        }


Batch: TypeAlias = tuple[Tensor, Tensor, Tensor | None]


def choose(learner: Learner, make_batch: Callable[[], Batch], steps_to_come: int, before: str | None = None) -> Choice:
    """The way that the recipe names or, for `auto`, the one that the measured times say ends first.

    A run that is taken up again goes on in the way of `before`: another might round otherwise. `make_batch` gives a
    batch like those to come. What is tried leaves no trace in weights, buffers, optimizer or random state.
    """
    asked = before or learner.recipe.acceleration
    if learner.recipe.gpus > 1:
        return Choice(learner, "eager", "several processes share each step")
    if learner.sums.loss.device.type != "cuda":
        return Choice(learner, "eager", "on a CPU neither graphs nor the compiler pay")
    if asked == "eager":
        return Choice(learner, "eager", "as the recipe says")
    if learner.recipe.accumulate > 1:
        return Choice(learner, "eager", "gradients are gathered over several batches")
    batch = make_batch()
    if asked in ("graph", "compile"):
        return Choice(_BUILDERS[asked](learner, batch), asked, "as the recipe says")
    return _fastest(learner, batch, steps_to_come)


def _fastest(learner: Learner, batch: Batch, steps_to_come: int) -> Choice:
    choice = Choice(learner, "eager", "")
    snapshot = _Snapshot(learner)
    choice.step_seconds["eager"] = _time(learner, batch)
    ends_after = {"eager": choice.step_seconds["eager"] * steps_to_come}
    try:
        started = time.perf_counter()
        graph = _BUILDERS["graph"](learner, batch)
        choice.preparation_seconds["graph"] = time.perf_counter() - started
        choice.step_seconds["graph"] = _time(graph, batch)
        ends_after["graph"] = choice.step_seconds["graph"] * steps_to_come
        if ends_after["graph"] < ends_after["eager"]:
            choice.update, choice.name = graph, "graph"
        choice.reason = "measured: the fastest of those tried"
    except RuntimeError as error:  # a net with an operation that cannot be captured, such as one that asks the host
        choice.reason = f"no graph: {str(error).partition(chr(10))[0]}"
    snapshot.restore()
    return choice


def _time(update: Update, batch: Batch) -> float:
    """Seconds of a step, as the mean of some in a row."""
    for _ in range(WARM_UP_STEPS):
        update(*batch, 1e-8)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(MEASURED_STEPS):
        update(*batch, 1e-8)
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / MEASURED_STEPS


class Graph:
    """The whole step, with optimizer and sums, as one CUDA graph that reads its batch from fixed places."""

    def __init__(self, learner: Learner, batch: Batch) -> None:
        images, labels, share = batch
        self._images, self._labels = images.clone(), labels.clone()
        self._share = None if share is None else share.clone()
        self._lr = torch.tensor(1e-8, device=images.device)
        snapshot = _Snapshot(learner)
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self._step(learner)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._step(learner)
        snapshot.restore()

    def _step(self, learner: Learner) -> None:
        learner(self._images, self._labels, self._share, self._lr)

    def __call__(self, images: Tensor, labels: Tensor, share: Tensor | None, lr: float | None) -> None:
        """Learn from a batch of the captured shape."""
        self._images.copy_(images)
        self._labels.copy_(labels)
        if self._share is not None and share is not None:
            self._share.copy_(share)
        if lr is not None:
            self._lr.fill_(lr)
        self._graph.replay()


def _compiled(learner: Learner, batch: Batch) -> Update:
    snapshot = _Snapshot(learner)
    learner.forward = torch.compile(learner.net)
    learner(*batch, 1e-8)
    snapshot.restore()
    return learner


_BUILDERS: dict[str, Callable[[Learner, Batch], Update]] = {
    "graph": Graph,
    "compile": _compiled,
}


class _Snapshot:
    """All that a step changes, to be put back in place: graphs hold on to the very tensors."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._tensors = learner.tensors()
        self._values = [tensor.detach().clone() for tensor in self._tensors]
        self._random = torch.get_rng_state()
        self._device = learner.sums.loss.device
        self._random_there = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back."""
        for tensor, value in zip(self._tensors, self._values, strict=True):
            tensor.copy_(value)
        self._learner.sums.clear()
        torch.set_rng_state(self._random)
        if self._random_there is not None:
            torch.cuda.set_rng_state(self._random_there, self._device)
