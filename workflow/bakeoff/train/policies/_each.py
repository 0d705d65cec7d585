"""Policies that change one image after the other on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.errors import UserError

Pixels: TypeAlias = NDArray[np.uint8]
"""An image as the libraries have it: [S, S, C]."""


def seeds(uniforms: Tensor) -> list[int]:
    """Seeds of 48 bits from uniforms [B, 2]: each float32 of torch.rand has 24."""
    return [high << 24 | low for high, low in (uniforms.double().cpu() * 2**24).long().tolist()]


@dataclass(frozen=True)
class Each:
    """A change of one image [S, S, C] by a seed, done for each image of a batch.

    The seed of 48 bits is all the randomness of an image, so that no image depends on another one, or on the worker
    that changes it.
    """

    change: Callable[[Pixels, int], Pixels]
    name: str

    draws = 2
    mix = None
    host = True

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] uint8 on any device to new ones there; uniforms [B, 2] in [0, 1)."""
        given = images.permute(0, 2, 3, 1).cpu().numpy()
        changed = np.empty(given.shape, np.uint8)
        for i, seed in enumerate(seeds(uniforms)):
            changed[i] = self._checked(self.change(np.array(given[i]), seed), given[i])
        result = torch.from_numpy(np.ascontiguousarray(changed.transpose(0, 3, 1, 2)))
        return result.to(images.device)

    def _checked(self, changed: Any, like: Pixels) -> Pixels:
        image: Pixels = np.asarray(changed)
        if image.ndim == 2:  # some functions drop the channel of a grey image
            image = image[:, :, None]
        if image.shape != like.shape or image.dtype != np.uint8:
            raise UserError(
                f"augmentation {self.name}: makes {image.dtype} {list(image.shape)} of an image {list(like.shape)};"
                f" its size and type must stay as they are: add a Resize to {like.shape[0]} pixels at the end"
            )
        return image
