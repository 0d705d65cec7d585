"""From prepared arrays to the augmented, normalised batches of an epoch, the same whatever their way to the device."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bakeoff.errors import UserError
from bakeoff.train.augment import Policy
from bakeoff.train.parallel import ALONE, Ranks
from bakeoff.train.sampling import order
from bakeoff.train.spec import Recipe


@dataclass(frozen=True)
class Part:
    """Images: pixels [N, C, S, S] uint8 on the device, or in a mapped file when they stream to it; labels [N] int64, or
    standardised targets [N, d] float32 of a regression, on the device.
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Side in pixels."""
        return self.pixels.shape[-1]

    def resized(self, size: int, chunk: int = 1024) -> Part:
        """The images at another size, by an antialiased bilinear filter; they stay where they are."""
        if size == self.size:
            return self
        pieces = [resize(pixels, size) for pixels in torch.split(self.pixels, chunk)]
        return Part(torch.cat(pieces), self.labels)


def resize(pixels: Tensor, size: int) -> Tensor:
    """Images [B, C, S, S] uint8 to [B, C, size, size] uint8."""
    new = F.interpolate(pixels.float(), size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return new.round_().clamp_(0, 255).byte()


@dataclass(frozen=True)
class Normalise:
    """Bytes to floats of mean 0 and standard deviation 1 a channel, by figures in [0, 1]; in the memory order asked."""

    scale: Tensor
    shift: Tensor
    layout: torch.memory_format = torch.contiguous_format

    @classmethod
    def of(
        cls, mean: Sequence[float], std: Sequence[float], device: torch.device, channels_last: bool = False
    ) -> Normalise:
        """From a mean and a standard deviation a channel."""
        std_, mean_ = (torch.tensor(v, dtype=torch.float32, device=device).view(1, -1, 1, 1) for v in (std, mean))
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return cls(scale=1 / (255 * std_), shift=mean_ / std_, layout=layout)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pixels [B, C, S, S] uint8 to float32."""
        return pixels.to(torch.float32, memory_format=self.layout).mul_(self.scale).sub_(self.shift)


@dataclass(frozen=True)
class Streams:
    """Seeds of the two random streams of training; neither knows the model."""

    order: int
    augment: int


# Places of a batch's images, and the policy's draws for them.
_Draw: TypeAlias = tuple[Tensor, Tensor]


class Feed:
    """Batches of a part, epoch after epoch, under one policy.

    Order and draws depend on the seed, the epoch and the place in the epoch alone, and are drawn on the CPU: all
    models, devices and numbers of workers see the same images. A last, smaller batch is left out: batch norm and the
    mean loss would weigh its images more.
    """

    def __init__(
        self,
        part: Part,
        recipe: Recipe,
        policy: Policy,
        normalise: Normalise,
        streams: Streams,
        *,
        size: int | None = None,
        workers: int = 0,
        ranks: Ranks = ALONE,
    ) -> None:
        if ranks.count > 1 and policy.mix is not None:
            raise UserError("gpus: an augmentation that mixes images needs a whole batch; for it set gpus: 1")
        self.device = part.labels.device
        streamed = workers > 0 or part.pixels.device != self.device
        self.part = part if streamed or size is None else part.resized(size)
        self.policy, self.normalise, self.streams = policy, normalise, streams
        self.sampling = recipe.sampling
        self.batch_size = min(recipe.batch_size, len(part) // recipe.accumulate)
        self.steps_per_epoch = len(part) // (self.batch_size * recipe.accumulate)
        self.batches_per_epoch = self.steps_per_epoch * recipe.accumulate
        self.images_per_epoch = self.batches_per_epoch * self.batch_size
        self.ranks, self._own = ranks, ranks.share(self.batch_size)
        self._labels = part.labels.cpu()
        self._sampler: list[_Draw] = []
        self._loader = self._make_loader(size or part.size, workers) if streamed else None

    def epoch(self, number: int, first: int = 0) -> Generator[tuple[Tensor, Tensor, Tensor | None], None, None]:
        """Images [B, C, S, S] float32, labels [B] (or targets [B, d]) and, from a mixing policy, the share [B] of each
        label; the rest of an image is of the one before it. Batches before the `first` are left out. Of several
        processes each gets its own part of every batch.
        """
        draws, mix = self.policy.draws, self.policy.mix
        places = order(self._labels, self.sampling, _generator(self.streams.order, number))
        uniforms = torch.rand(len(places), draws + (mix.draws if mix else 0), generator=self._draws(number))
        left = slice(first * self.batch_size, self.images_per_epoch)
        places, uniforms = (self.ranks.rows(each[left], self.batch_size) for each in (places, uniforms))
        if self._loader is None:
            places, uniforms = places.to(self.device), uniforms.to(self.device)
            pieces = self._resident(places, uniforms[:, :draws])
        else:
            self._sampler[:] = self._cut(places, uniforms[:, :draws])
            places, uniforms = places.to(self.device), uniforms.to(self.device)
            pieces = self._streamed(self._loader, uniforms[:, :draws])
        for i, pixels in enumerate(pieces):
            batch = slice(i * self._own, (i + 1) * self._own)
            images, share = self.normalise(pixels), None
            if mix is not None:
                images, share = mix(images, uniforms[batch, draws:])
            yield images, self.part.labels.index_select(0, places[batch]), share

    def _draws(self, number: int) -> torch.Generator:
        return _generator(self.streams.augment, number)

    def _cut(self, places: Tensor, uniforms: Tensor) -> list[_Draw]:
        batches = [slice(at, at + self._own) for at in range(0, len(places), self._own)]
        return [(places[batch], uniforms[batch]) for batch in batches]

    def _resident(self, places: Tensor, uniforms: Tensor) -> Iterator[Tensor]:
        for chosen, draws in self._cut(places, uniforms):
            yield self.policy(self.part.pixels.index_select(0, chosen), draws)

    def _streamed(self, loader: DataLoader[Tensor], uniforms: Tensor) -> Iterator[Tensor]:
        for i, pixels in enumerate(loader):
            pixels = pixels.to(self.device, non_blocking=True)
            if not self.policy.host:
                pixels = self.policy(pixels, uniforms[i * self._own : (i + 1) * self._own])
            yield pixels

    def _make_loader(self, size: int, workers: int) -> DataLoader[Tensor]:
        settings: dict[str, Any] = {"prefetch_factor": 4, "persistent_workers": True} if workers else {}
        return DataLoader(
            # A policy that works image by image does so on the way, the others on the device.
            _Stored(self.part.pixels.cpu(), size, self.policy if self.policy.host else None),
            sampler=self._sampler,
            batch_size=None,  # an item is a batch already
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=_leave_signals_to_the_parent if workers else None,
            **settings,
        )


class _Stored(Dataset[Tensor]):
    """Batches of pixels as a worker reads them."""

    def __init__(self, pixels: Tensor, size: int, policy: Callable[[Tensor, Tensor], Tensor] | None) -> None:
        self.pixels, self.size, self.policy = pixels, size, policy

    def __getitem__(self, draw: _Draw) -> Tensor:
        places, uniforms = draw
        pixels = self.pixels.index_select(0, places)
        if self.size != pixels.shape[-1]:
            pixels = resize(pixels, self.size)
        return pixels if self.policy is None else self.policy(pixels, uniforms)


def _leave_signals_to_the_parent(worker: int) -> None:
    # A scheduler's signal goes to all processes of a job; training without its workers could not end its step.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _generator(seed: int, epoch: int) -> torch.Generator:
    # An odd multiplier keeps the epochs of one seed apart from those of its neighbours.
    return torch.Generator().manual_seed((seed + epoch * 0x9E3779B97F4A7C15) % 2**63)
