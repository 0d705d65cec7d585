"""CIFAR-100: 50,000 and 10,000 colour images of a hundred kinds of things, 32x32 (Krizhevsky 2009)."""

from __future__ import annotations

from pathlib import Path

from bakeoff.data.cifar import images
from bakeoff.data.source import Info, Raw

_NAMES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
    motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
    poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
    wardrobe whale willow_tree wolf woman worm
"""

INFO = Info(
    title="CIFAR-100",
    origin="www.cs.toronto.edu/~kriz/cifar.html, through torchvision",
    channels=3,
    size=32,
    class_names=tuple(_NAMES.split()),
    official_test=True,
    flip=True,
)


def load(data_root: Path) -> Raw:
    """Both parts with the fine labels, from `data_root` or the network."""
    return Raw(train=images("CIFAR100", data_root, train=True), test=images("CIFAR100", data_root, train=False))
