"""Random transforms of torchvision, which draws from torch's global generator, by a seed of our own."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import torch

from bakeoff.train.policies._each import Pixels
from bakeoff.train.policies.per_image.standard import crop_flip, to_pil


@dataclass(frozen=True)
class Seeded:
    """Crop and flip by `padding` pixels (None: neither), then a transform of PIL images."""

    transform: Any
    padding: int | None
    flip: bool

    def __call__(self, image: Pixels, seed: int) -> Pixels:
        """An image [S, S, C] changed; the global generator is left as it was."""
        picture = to_pil(image)
        if self.padding is not None:
            picture = crop_flip(picture, Random(seed), self.padding, self.flip)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return np.asarray(self.transform(picture))
