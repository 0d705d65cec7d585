"""What the two CIFAR sets share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bakeoff.data.source import Images
from bakeoff.data.torchsets import open_set


def images(name: str, data_root: Path, *, train: bool) -> Images:
    """A part of CIFAR10 or CIFAR100, whose files torchvision has checked by their md5 before it unpickles them."""
    part = open_set(name, data_root, train=train)
    return Images(np.ascontiguousarray(part.data.transpose(0, 3, 1, 2)), np.array(part.targets, dtype=np.int64))
