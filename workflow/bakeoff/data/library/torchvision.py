"""Any image classification set of torchvision.datasets by its class's name, such as torchvision/Flowers102."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.source import Images, Info, Raw
from bakeoff.errors import UserError

_TRAIN_TEST: dict[str, dict[str, Any]] = {"train": {"split": "train"}, "test": {"split": "test"}}
_MNIST: dict[str, dict[str, Any]] = {"train": {"train": True}, "test": {"train": False}}
_THREE: dict[str, dict[str, Any]] = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}
# The public validation images of these are what papers report on; the labels of their test images are not published.
_VAL_IS_TEST: dict[str, dict[str, Any]] = {"train": {"split": "train"}, "test": {"split": "val"}}
_ONE: dict[str, dict[str, Any]] = {"train": {}}


@dataclass(frozen=True)
class Known:
    """What is known of a set without its bytes: from its paper, and how torchvision's class wants to be called."""

    classes: int | None
    size: int | None = None
    channels: int = 3
    flip: bool = True
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _TRAIN_TEST)
    argument: str = ""
    """The argument that chooses among its `variants`: name of each, and its number of classes. The first is default."""
    variants: Mapping[str, int] = field(default_factory=dict)


KNOWN: dict[str, Known] = {
    "CIFAR10": Known(10, 32, parts=_MNIST),
    "CIFAR100": Known(100, 32, parts=_MNIST),
    "Caltech101": Known(101, parts=_ONE),
    "Caltech256": Known(257, parts=_ONE),
    "Country211": Known(211, parts=_THREE | {"val": {"split": "valid"}}, flip=False),
    "DTD": Known(47, parts=_THREE),
    "EMNIST": Known(
        None,
        28,
        channels=1,
        flip=False,
        parts=_MNIST,
        argument="split",
        variants={"balanced": 47, "byclass": 62, "bymerge": 47, "letters": 26, "digits": 10, "mnist": 10},
    ),
    "EuroSAT": Known(10, 64, parts=_ONE),
    "FER2013": Known(7, 48, channels=1),
    "FGVCAircraft": Known(
        None,
        parts=_THREE,
        argument="annotation_level",
        variants={"variant": 100, "family": 70, "manufacturer": 41},
    ),
    "FashionMNIST": Known(10, 28, channels=1, parts=_MNIST),
    "Flowers102": Known(102, parts=_THREE),
    "Food101": Known(101),
    "GTSRB": Known(43, flip=False),
    "ImageNet": Known(1000, parts=_VAL_IS_TEST),
    "Imagenette": Known(None, parts=_VAL_IS_TEST, argument="size", variants={"full": 10, "320px": 10, "160px": 10}),
    "KMNIST": Known(10, 28, channels=1, flip=False, parts=_MNIST),
    "MNIST": Known(10, 28, channels=1, flip=False, parts=_MNIST),
    "OxfordIIITPet": Known(
        None,
        parts={"train": {"split": "trainval"}, "test": {"split": "test"}},
        argument="target_types",
        variants={"category": 37, "binary-category": 2},
    ),
    "PCAM": Known(2, 96, parts=_THREE),
    "Places365": Known(365, parts={"train": {"split": "train-standard"}, "test": {"split": "val"}}),
    "QMNIST": Known(10, 28, channels=1, flip=False, parts=_MNIST),
    "RenderedSST2": Known(2, 448, flip=False, parts=_THREE),
    "SEMEION": Known(10, 16, channels=1, flip=False, parts=_ONE),
    "STL10": Known(10, 96),
    "SUN397": Known(397, parts=_ONE),
    "SVHN": Known(10, 32, flip=False),
    "StanfordCars": Known(196),
    "USPS": Known(10, 16, channels=1, flip=False, parts=_MNIST),
}
_UNKNOWN = Known(None)


def about(name: str) -> str:
    """What is known of a set, in a line."""
    known = KNOWN.get(name, _UNKNOWN)
    if known.variants:
        counts = ", ".join(f"{variant} {classes}" for variant, classes in known.variants.items())
        return f"torchvision's, classes by variant: {counts}"
    return f"torchvision's, {known.classes} classes" if known.classes else "torchvision's, say its number of classes"


def info(
    name: str, data_root: Path, *, classes: int, channels: int | str, flip: bool | str, variant: str, **_: Any
) -> Info:
    """The facts; classes are numbered until the images are there. Raises UserError when a number must be said."""
    known = KNOWN.get(name, _UNKNOWN)
    number = classes or known.variants.get(_variant(name, variant)) or known.classes
    if number is None:
        raise UserError(f"classes: how many torchvision's {name} has is not known here; say it: classes: 10")
    if not 2 <= number <= 100_000:
        raise UserError(f"classes: {number} must be 2 to 100000")
    return Info(
        title=name,
        origin="through torchvision",
        channels=known.channels if isinstance(channels, str) else channels,
        size=known.size,
        class_names=tuple(map(str, range(number))),
        official_test=name in KNOWN and "test" in known.parts,
        flip=known.flip if isinstance(flip, str) else flip,
    )


def _variant(name: str, variant: str) -> str:
    variants = KNOWN.get(name, _UNKNOWN).variants
    if variant and variant not in variants:
        choices = f"must be one of {', '.join(variants)}" if variants else f"there is none of torchvision's {name}"
        raise UserError(f"variant: {variant!r} {choices}")
    return variant or next(iter(variants), "")


def load(
    name: str,
    data_root: Path,
    *,
    classes: int = 0,
    channels: Literal["auto", 1, 3] = "auto",
    flip: Literal["auto", True, False] = "auto",
    variant: str = "",
    fit: Literal["crop", "squash", "pad"] = "crop",
) -> Raw:
    """The images, to be decoded when they are wanted; from `data_root` or the network."""
    from bakeoff.data.torchsets import open_set

    known = KNOWN.get(name, _UNKNOWN)
    facts = info(name, data_root, classes=classes, channels=channels, flip=flip, variant=variant)
    chosen = {known.argument: _variant(name, variant)} if known.argument else {}
    calls = known.parts if name in KNOWN else _parts(name)
    parts = {part: open_set(name, data_root, **call, **chosen) for part, call in calls.items()}
    first = 1 if (name, variant) == ("EMNIST", "letters") else 0  # A is 1 there, and no image is 0
    images = {
        part: Images(Decoded(dataset, f"{name} {part}", facts.channels, fit), labels(dataset) - first)
        for part, dataset in parts.items()
    }
    names = _class_names(parts["train"], "bin_classes" if variant == "binary-category" else "classes", first)
    if names is None and images["train"].labels.max() + 1 != facts.classes:
        raise UserError(f"{name}: has {images['train'].labels.max() + 1} classes, not {facts.classes}")
    return Raw(images["train"], images.get("test"), images.get("val"), names)


def _parts(name: str) -> Mapping[str, Mapping[str, Any]]:
    """How a class that is not known here is asked for its parts, by its signature."""
    from torchvision import datasets

    from bakeoff.data.torchsets import parameters

    known = parameters(getattr(datasets, name))
    return _MNIST if "train" in known else _TRAIN_TEST if "split" in known else _ONE


def _class_names(dataset: Any, attribute: str, first: int) -> tuple[str, ...] | None:
    """The names that the set gives its classes; of several for one class, the first."""
    names = getattr(dataset, attribute, None)
    if not isinstance(names, list | tuple) or not names:
        return None
    plain = [name if isinstance(name, str) else str(name[0]) for name in names][first:]
    # Two classes of ImageNet are called crane, and two maillot.
    return tuple(f"{name} ({i})" if plain.count(name) > 1 else name for i, name in enumerate(plain))


@dataclass(frozen=True)
class Decoded:
    """The images of a part, which torchvision gives one by one as Pillow's."""

    dataset: Any
    title: str
    channels: int
    fit: Literal["crop", "squash", "pad"]

    def __len__(self) -> int:
        return len(self.dataset)

    def take(self, rows: NDArray[np.int64], size: int, workers: int) -> NDArray[np.uint8]:
        """The images of these rows [n, channels, size, size]. Raises Unreadable, naming all that cannot be decoded."""
        from bakeoff.data.files import decoded

        return decoded(self._read, self._name, rows, (self.channels, size, size), workers)

    def _read(self, row: int, size: int) -> NDArray[np.uint8]:
        from bakeoff.data.decode import fitted

        return fitted(self.dataset[row][0], size, self.channels, self.fit)

    def _name(self, row: int) -> str:
        return f"{self.title} {row}"


def labels(dataset: Any) -> NDArray[np.int64]:
    """The labels [N] of a part: where the class keeps them or, of a class that keeps them nowhere, image by image."""
    for place in ("targets", "labels", "_labels", "y"):
        values = getattr(dataset, place, None)
        if values is not None and len(values) == len(dataset):
            return np.asarray(values).astype(np.int64)
    for place in ("_samples", "samples", "imgs"):
        pairs = getattr(dataset, place, None)
        if pairs is not None and len(pairs) == len(dataset):
            return np.array([int(pair[1]) for pair in pairs], dtype=np.int64)
    return np.array([int(dataset[i][1]) for i in range(len(dataset))], dtype=np.int64)
