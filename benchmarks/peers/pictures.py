"""The images as a torchvision data set serves them: one PIL image at a time, changed by a transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset

from bakeoff.data.arrays import Split

PADDING = 4  # as bakeoff's policy `standard`: an eighth of 28, rounded


class Pictures(Dataset[tuple[Any, int]]):
    """As torchvision.datasets.FashionMNIST."""

    def __init__(self, split: Split, transform: Callable[[Image.Image], Any] | None = None) -> None:
        self.data, self.targets = torch.from_numpy(split.pixels[:, 0].copy()), torch.from_numpy(split.labels)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image: Any = Image.fromarray(self.data[index].numpy())
        if self.transform is not None:
            image = self.transform(image)
        return image, int(self.targets[index])


def augmented(mean: list[float], std: list[float]) -> Callable[[Image.Image], torch.Tensor]:
    """Padded crop and flip, as tutorials write it."""
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.RandomCrop(28, padding=PADDING),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )
