"""What an augmentation policy is, and where a study's name for one leads."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from bakeoff import plugins

FOLDER = "train/policies"


class Policy(Protocol):
    """A random change of a batch of training images, made on the device they are on.

    All randomness comes in as `draws` uniforms an image, drawn by the loop from the stream `augment`: so an image gets
    the same change in the same epoch whatever the model, the batch it falls into, or the device.
    """

    draws: int

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] uint8 and uniforms [B, draws] in [0, 1) to images of the same shape and type."""


def build(augmentation: Mapping[str, Any], *, size: int, flip: bool) -> Policy:
    """The policy of a study's augmentation, for square images of `size`; `flip` says whether mirroring is allowed."""
    module = importlib.import_module(plugins.module(FOLDER, augmentation["policy"]))
    policy: Policy = module.build(size, flip, **augmentation["options"])
    return policy
