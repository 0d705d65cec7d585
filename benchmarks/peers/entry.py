"""What a contestant is given, and the counter it publishes its images with. Imports no torch: the race reads it too."""

from __future__ import annotations

import argparse
import json
import mmap
import struct
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import nn

    from bakeoff.data.arrays import Split


class Count(NamedTuple):
    """Images trained on so far, and when the last were done (CLOCK_MONOTONIC in ns: the same in all processes)."""

    images: int
    at: int


class Counter:
    """A count in a file that one process writes after every step and another reads while that goes on.

    The images stand there twice, before the time and after it: a reader who finds two different numbers came in the
    middle of a change and looks again.
    """

    _FORM = struct.Struct("=qqq")

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(self._FORM.size))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), self._FORM.size)
        self._images = 0

    def add(self, images: int) -> None:
        self._images += images
        self._FORM.pack_into(self._bytes, 0, self._images, time.monotonic_ns(), self._images)

    def read(self) -> Count:
        while True:
            after = self._FORM.unpack_from(self._bytes)[2]
            images, at, _ = self._FORM.unpack_from(self._bytes)
            if images == after:
                return Count(images, at)


class Finished(Exception):
    """So many steps were asked for, and done."""


@dataclass
class Entry:
    """A contestant's orders: the same for all of a race, but for the counter, the seed and `precision`."""

    model: str
    precision: str
    optimizer: str
    dataset: str
    root: Path
    counter: Path
    seed: int = 0
    steps: int = 0
    """Stop after so many; 0: train until stopped."""

    def __post_init__(self) -> None:
        self.root, self.counter = Path(self.root), Path(self.counter)
        self._counter = Counter(self.counter)
        self._done = 0

    @classmethod
    def from_command_line(cls) -> Entry:
        parser = argparse.ArgumentParser()
        parser.add_argument("orders", help="the fields of an entry as JSON")
        return cls(**json.loads(parser.parse_args().orders))

    def as_argument(self) -> str:
        return json.dumps({**asdict(self), "root": str(self.root), "counter": str(self.counter)})

    def count(self, images: int) -> None:
        """After each step."""
        self._counter.add(images)
        self._done += 1
        if self._done == self.steps:
            raise Finished

    # --- what the peers train, as the prepared data and the registry have it

    def data(self) -> Split:
        """The training images: pixels [N, 1, 28, 28] uint8, labels [N]."""
        from bakeoff.data import arrays

        return arrays.load(self._folder(), "train")

    def mean_std(self) -> tuple[list[float], list[float]]:
        manifest: dict[str, Any] = json.loads((self._folder() / "manifest.json").read_text(encoding="utf-8"))
        return manifest["mean"], manifest["std"]

    def _folder(self) -> Path:
        from benchmarks import ours

        return ours.prepare(ours.Setting(self.model, dataset=self.dataset).grid(epochs=1), self.root)

    def net(self) -> nn.Module:
        """The same net as ours, from the same registry."""
        import torch

        from bakeoff.models import registry

        torch.manual_seed(self.seed)
        pixels = self.data().pixels
        model = {"builder": self.model, "options": {}}
        return registry.build(model, channels=pixels.shape[1], size=pixels.shape[2], classes=10).train()

    def make_optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """torch's class with its defaults, and the figures of all."""
        import torch

        from benchmarks import ours

        if self.optimizer == "adamw":
            return torch.optim.AdamW(net.parameters(), lr=ours.LR, weight_decay=ours.WEIGHT_DECAY)
        return torch.optim.SGD(
            net.parameters(), lr=ours.LR, momentum=ours.MOMENTUM, weight_decay=ours.WEIGHT_DECAY, nesterov=True
        )

    def autocast(self) -> AbstractContextManager[Any]:
        import torch

        return torch.autocast("cpu", dtype=torch.bfloat16) if self.precision == "bf16" else nullcontext()
