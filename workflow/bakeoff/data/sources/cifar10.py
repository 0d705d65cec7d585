"""CIFAR-10: 50,000 and 10,000 colour images of ten kinds of things, 32x32 (Krizhevsky 2009)."""

from __future__ import annotations

from pathlib import Path

from bakeoff.data.cifar import images
from bakeoff.data.source import Info, Raw

INFO = Info(
    title="CIFAR-10",
    origin="www.cs.toronto.edu/~kriz/cifar.html, through torchvision",
    channels=3,
    size=32,
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    official_test=True,
    flip=True,
)


def load(data_root: Path) -> Raw:
    """Both parts, from `data_root` or the network."""
    return Raw(train=images("CIFAR10", data_root, train=True), test=images("CIFAR10", data_root, train=False))
