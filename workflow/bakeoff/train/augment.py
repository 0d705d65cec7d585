"""What an augmentation policy is, and where a study's name for one leads. Imports no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from bakeoff import plugins
from bakeoff.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "train/policies"
PER_IMAGE = "per_image"
"""Sub-folder of the plain forms: the same policies image by image, by PIL and torchvision. Slow; what the batched forms
are tested against, and what they are raced against.
"""


class Mix(Protocol):
    """A change that makes one image of two, and the label with it; made of normalised images.

    The partner of image i is image i - 1 of the batch: the order is random, so the partner is.
    """

    @property
    def draws(self) -> int:
        """Uniforms an image."""

    def __call__(self, images: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, C, S, S] float and uniforms [B, draws] in [0, 1) to images of the same shape, and the share [B]
        float32 that the label of the image itself has.
        """


class Policy(Protocol):
    """A random change of a batch of training images, made on the device they are on.

    All randomness comes in as `draws` uniforms an image, drawn by the loop from the stream `augment`: so an image gets
    the same change in the same epoch whatever the model, the batch it falls into, or the device.
    """

    @property
    def draws(self) -> int:
        """Uniforms an image."""

    @property
    def mix(self) -> Mix | None:
        """What is to be done after normalisation, if anything."""

    @property
    def host(self) -> bool:
        """Whether it works image by image on the CPU, and so is better run by workers."""

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] uint8 and uniforms [B, draws] in [0, 1) to images of the same shape and type."""


def names() -> list[str]:
    """Every policy that a study may name."""
    return plugins.names(FOLDER) + [f"{PER_IMAGE}/{name}" for name in plugins.names(f"{FOLDER}/{PER_IMAGE}")]


def complete(policy: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a policy: those given, and the defaults of the others. Raises UserError for what does not fit."""
    if policy not in names():
        raise UserError(f"augmentation {policy}: no such policy (all: bakeoff augmentations)")
    known = plugins.options(FOLDER, policy)
    for name, value in given.items():
        if name not in known:
            raise UserError(f"augmentation {policy}: {name}: no such option; it has {', '.join(known) or 'none'}")
        if problem := known[name].problem(value):
            raise UserError(f"augmentation {policy}: {name}: {value!r} {problem}")
    return {name: option.read(given.get(name, option.default)) for name, option in known.items()}


def build(augmentation: Mapping[str, Any], *, size: int, flip: bool, channels: int = 1) -> Policy:
    """The policy of a study's augmentation (`policy`, `options`), for square images of `size` pixels; `flip` says
    whether mirroring is allowed. Raises UserError for options that do not fit.
    """
    name = augmentation["policy"]
    options = complete(name, augmentation["options"])
    module = importlib.import_module(plugins.module(FOLDER, name))
    policy: Policy = module.build(size, flip, channels, **options)
    return policy
