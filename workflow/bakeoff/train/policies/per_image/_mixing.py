"""mixup and cutmix one image after the other, as their authors' code has them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from bakeoff.train.augment import Policy
from bakeoff.train.policies import none
from bakeoff.train.policies._each import seeds
from bakeoff.train.policies.per_image import standard, strong


@dataclass(frozen=True)
class EachMix:
    """A share from Beta(alpha, alpha); the pair is blended, or for a fraction `switch` of the images cut."""

    mixup_alpha: float
    cutmix_alpha: float
    switch: float
    p: float
    draws = 2

    def __call__(self, images: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """See Mix; the uniforms [B, 2] are a seed."""
        mixed = images.clone()
        shares = torch.ones(len(images))
        for i, seed in enumerate(seeds(uniforms)):
            random = Random(seed)
            if random.random() < self.p:
                make = self.cutmix if random.random() < self.switch else self.mixup
                shares[i] = make(mixed[i], images[i - 1], random)
        return mixed, shares.to(images.device)

    def mixup(self, image: Tensor, partner: Tensor, random: Random) -> float:
        """Blend the image [C, S, S] in place; returns the share it keeps."""
        share = random.betavariate(self.mixup_alpha, self.mixup_alpha)
        image.copy_(share * image + (1 - share) * partner)
        return share

    def cutmix(self, image: Tensor, partner: Tensor, random: Random) -> float:
        """Paste a box of the partner into the image [C, S, S]; returns the share that the image keeps."""
        size = image.shape[-1]
        half = int(size * (1 - random.betavariate(self.cutmix_alpha, self.cutmix_alpha)) ** 0.5) // 2
        row, column = random.randrange(size), random.randrange(size)
        top, bottom = max(row - half, 0), min(row + half, size)
        left, right = max(column - half, 0), min(column + half, size)
        image[:, top:bottom, left:right] = partner[:, top:bottom, left:right]
        return 1 - (bottom - top) * (right - left) / size**2


def base_policy(base: str, size: int, flip: bool, channels: int) -> Policy:
    """The policy that changes the images before they are mixed, image by image, with its default options."""
    if base == "none":
        return none.build(size, flip, channels)
    return standard.build(size, flip, channels) if base == "standard" else strong.build(size, flip, channels)
