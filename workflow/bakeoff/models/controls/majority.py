"""Majority class: for every image the frequencies of the classes among the training images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.models.control import Control, Labels, Pixels, shared_vote


class Majority:
    """Class frequencies; accuracy is that of naming the most frequent class."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros(classes, dtype=np.int64)

    def fit(self, pixels: Pixels, labels: Labels) -> None:
        """Count labels [N]; images [N, C, S, S] are not looked at."""
        self.counts = np.bincount(labels, minlength=len(self.counts)).astype(np.int64)

    def log_probabilities(self, pixels: Pixels) -> NDArray[np.float32]:
        """The same row [classes] for each of N images."""
        n = int(self.counts.sum())
        return np.repeat(shared_vote(self.counts[None] / n, n), len(pixels), axis=0)

    def tensors(self) -> dict[str, Tensor]:
        """Training images of each class."""
        return {"class_counts": torch.from_numpy(self.counts)}


def build(classes: int, seed: int) -> Control:
    """The method for so many classes; it needs no seed."""
    return Majority(classes)
