"""Mixing two images of a batch into one: mixup, cutmix, and the choice between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from bakeoff.train.augment import Mix, Policy
from bakeoff.train.policies import none, standard, strong

Base: TypeAlias = Literal["none", "standard", "strong"]
_KNOTS = 4097


@dataclass(frozen=True)
class Mixed:
    """A policy, and a mix of its images after normalisation."""

    base: Policy
    mix: Mix

    @property
    def draws(self) -> int:
        """Uniforms an image, without those of the mix."""
        return self.base.draws

    @property
    def host(self) -> bool:
        """As the base."""
        return self.base.host

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] uint8, changed by the base alone."""
        return self.base(images, uniforms)


class Beta:
    """Draws from Beta(alpha, alpha) by the inverse of its distribution function, from a table (exact for alpha 1)."""

    def __init__(self, alpha: float) -> None:
        self.table: Tensor | None = None
        if alpha != 1:
            from scipy.special import betaincinv

            levels = torch.linspace(0, 1, _KNOTS, dtype=torch.float64)
            self.table = torch.from_numpy(betaincinv(alpha, alpha, levels.numpy())).float()

    def __call__(self, uniforms: Tensor) -> Tensor:
        """Uniforms [B] in [0, 1) to draws [B] in [0, 1]."""
        if self.table is None:
            return uniforms
        if self.table.device != uniforms.device:
            self.table = self.table.to(uniforms.device)
        place = uniforms * (_KNOTS - 1)
        low = place.long()
        return torch.lerp(self.table[low], self.table[low + 1], place - low)


def partners(images: Tensor) -> Tensor:
    """The image before each one, in the memory order of the batch."""
    return torch.cat([images[-1:], images[:-1]])


@dataclass(frozen=True)
class Mixup:
    """A weighted mean of two images and of their labels (mixup, Zhang et al. 2018), for a fraction `p` of them."""

    beta: Beta
    p: float
    draws = 2

    def __call__(self, images: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """See Mix; uniforms [B, 2] are the share and whether to mix."""
        return self.blend(images, uniforms[:, 0], uniforms[:, 1] < self.p)

    def blend(self, images: Tensor, share: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the images that are chosen [B]."""
        share = torch.where(chosen, self.beta(share), 1.0)
        return torch.lerp(partners(images), images, share[:, None, None, None]), share


@dataclass(frozen=True)
class Cutmix:
    """A box of another image, and its label by the area it takes (CutMix, Yun et al. 2019), for a fraction `p`."""

    beta: Beta
    p: float
    draws = 4

    def __call__(self, images: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """See Mix; uniforms [B, 4] are the share, whether to mix, and the middle of the box."""
        return self.cut(images, images, uniforms, uniforms[:, 1] < self.p)

    def cut(self, images: Tensor, others: Tensor, uniforms: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Paste boxes of partners from `others` into the images that are chosen [B]; uniforms as above.

        What of a box lies outside of the image takes nothing of the share.
        """
        size = images.shape[-1]
        half = ((1 - self.beta(uniforms[:, 0])).sqrt() * size).floor() // 2
        half = torch.where(chosen, half, 0.0)[:, None]
        steps = torch.arange(size, device=uniforms.device)
        middles = (uniforms[:, 2:4] * size).floor()
        rows, columns = (
            (steps >= middle - half) & (steps < middle + half) for middle in (middles[:, :1], middles[:, 1:])
        )
        share = 1 - rows.sum(1) * columns.sum(1) / size**2
        return torch.where(_inside(rows, columns, images), partners(others), images), share


def _inside(rows: Tensor, columns: Tensor, images: Tensor) -> Tensor:
    """Where both [B, S] hold, for each pixel of the images; in their memory order, which makes it fast to use."""
    n, channels, size, _ = images.shape
    last = channels > 1 and images.is_contiguous(memory_format=torch.channels_last)
    across = columns.repeat_interleave(channels, 1) if last else columns
    # A product of bytes, as torch broadcasts logical operations one by one.
    inside = (rows.view(torch.uint8)[:, :, None] * across.view(torch.uint8)[:, None, :]).view(torch.bool)
    return inside.view(n, size, size, channels).permute(0, 3, 1, 2) if last else inside[:, None]


@dataclass(frozen=True)
class Either:
    """cutmix for a fraction `switch` of the images that are mixed, mixup for the others."""

    mixup: Mixup
    cutmix: Cutmix
    switch: float
    draws = 5

    def __call__(self, images: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """See Mix; uniforms [B, 5] are those of cutmix, and which of the two."""
        chosen, cut = uniforms[:, 1] < self.cutmix.p, uniforms[:, 4] < self.switch
        blended, share = self.mixup.blend(images, uniforms[:, 0], chosen & ~cut)
        # Each image is changed by one of the two at most, so that the product is the share left by that one.
        mixed, left = self.cutmix.cut(blended, images, uniforms, chosen & cut)
        return mixed, share * left


_BASES: dict[str, Callable[[int, bool, int], Policy]] = {
    "none": none.build,
    "standard": standard.build,
    "strong": strong.build,
}


def base_policy(base: str, size: int, flip: bool, channels: int) -> Policy:
    """The policy that changes the images before they are mixed, with its default options."""
    return _BASES[base](size, flip, channels)
