"""MNIST: 60,000 and 10,000 grey images of handwritten digits, 28x28 (LeCun, Cortes and Burges 1998)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bakeoff.data.source import Images, Info, Raw
from bakeoff.data.torchsets import open_set

INFO = Info(
    title="MNIST",
    origin="yann.lecun.com/exdb/mnist, through torchvision",
    channels=1,
    size=28,
    class_names=tuple("0123456789"),
    official_test=True,
    flip=False,
)


def load(data_root: Path) -> Raw:
    """Both parts, from `data_root` or the network."""
    return Raw(train=_images(data_root, True), test=_images(data_root, False))


def _images(data_root: Path, train: bool) -> Images:
    part = open_set("MNIST", data_root, train=train)
    return Images(part.data.numpy()[:, None], part.targets.numpy().astype(np.int64))
