"""Which images an epoch holds, in which order, and how much each class weighs."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def order(labels: Tensor, sampling: Literal["shuffled", "balanced"], generator: torch.Generator) -> Tensor:
    """Places [N] int64 of an epoch's images, on the CPU. Shuffled: every image once. Balanced: as many draws, with
    repetition, in which every class comes as often as any other, to within one; a class's images take turns.
    """
    if sampling == "shuffled":
        return torch.randperm(len(labels), generator=generator)
    classes = torch.unique(labels)
    turn = torch.arange(len(labels)) % len(classes)
    places = torch.empty(len(labels), dtype=torch.int64)
    for i, label in enumerate(classes.tolist()):
        members = torch.nonzero(labels == label).flatten()
        wanted = int((turn == i).sum())
        rounds = [torch.randperm(len(members), generator=generator) for _ in range(-(-wanted // len(members)))]
        places[turn == i] = members[torch.cat(rounds)[:wanted]]
    return places[torch.randperm(len(places), generator=generator)]


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights [classes] float32 of the loss, n / (classes present x n of the class): 1 on average over the images (King
    and Zeng 2001; scikit-learn's "balanced"). A class without images weighs nothing.
    """
    counts = torch.bincount(labels, minlength=classes).float()
    present = counts > 0
    return torch.where(present, len(labels) / (present.sum() * counts.clamp(min=1)), torch.zeros_like(counts))
