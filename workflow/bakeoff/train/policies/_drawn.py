"""Policies that draw operations for each image, on top of crop and flip."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bakeoff.train.policies._operations import SIGNED, Operation, apply
from bakeoff.train.policies.standard import CropFlip


class Drawn:
    """`slots` operations one after the other, each drawn from all; their strengths from a table.

    `table` [14][bins]: the strength of each operation in each of equally likely bins.
    """

    mix = None
    host = False

    def __init__(self, first: CropFlip | None, slots: int, table: Sequence[Sequence[float]]) -> None:
        self.first, self.slots = first, slots
        self.table = torch.tensor(table)
        self.signed = torch.tensor([kind in SIGNED for kind in Operation])

    @property
    def draws(self) -> int:
        """Uniforms an image: those of crop and flip, then operation, bin and sign for each slot."""
        return (self.first.draws if self.first else 0) + 3 * self.slots

    def __call__(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images [B, C, S, S] uint8 to new ones."""
        if self.first is not None:
            images = self.first(images, uniforms[:, : self.first.draws])
            uniforms = uniforms[:, self.first.draws :]
        if self.table.device != images.device:
            self.table, self.signed = self.table.to(images.device), self.signed.to(images.device)
        for kind, level, sign in uniforms.reshape(len(images), self.slots, 3).permute(1, 2, 0):
            operation = (kind * len(Operation)).long()
            strength = self.table[operation, (level * self.table.shape[1]).long()]
            turned = self.signed[operation] & (sign < 0.5)
            images = apply(images, operation, torch.where(turned, -strength, strength))
        return images
