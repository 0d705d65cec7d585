"""SVHN: 73,257 and 26,032 colour images of house numbers, the middle digit is the class, 32x32 (Netzer et al. 2011)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bakeoff.data.source import Images, Info, Raw
from bakeoff.data.torchsets import open_set

INFO = Info(
    title="SVHN",
    origin="ufldl.stanford.edu/housenumbers, through torchvision",
    channels=3,
    size=32,
    class_names=tuple("0123456789"),
    official_test=True,
    flip=False,
)


def load(data_root: Path) -> Raw:
    """The parts `train` (without the 531,131 extra images) and `test`, from `data_root` or the network."""
    return Raw(train=_images(data_root, "train"), test=_images(data_root, "test"))


def _images(data_root: Path, split: str) -> Images:
    part = open_set("SVHN", data_root, split=split)
    return Images(np.ascontiguousarray(part.data), part.labels.astype(np.int64))
