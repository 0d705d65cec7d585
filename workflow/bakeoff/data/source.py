"""What a data set is before anything is done to it: facts that a study needs early, and the raw images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Target:
    """A number that is to be predicted of an image: its name and unit ("" where it has none)."""

    name: str
    unit: str


@dataclass(frozen=True)
class Info:
    """Facts about a data set that are known without decoding any image."""

    title: str
    """Its name in words; "" for a user's own images, which go by their name in the study."""
    origin: str
    channels: int
    size: int | None
    """Side of its images in pixels; None when they have no common one, so that a study must give `image_size`."""
    class_names: tuple[str, ...]
    official_test: bool
    flip: bool
    """Whether the mirror image of an example is an example of its class (a 6 is no 6 in a mirror)."""
    targets: tuple[Target, ...] = ()
    """Of a regression, which has no classes."""

    @property
    def task(self) -> Task:
        """What is to be predicted: one of several classes, or numbers."""
        return "regression" if self.targets else "classification"

    @property
    def outputs(self) -> int:
        """Numbers that a net gives for an image: one a class, or one a target."""
        return len(self.targets or self.class_names)

    @property
    def predicts(self) -> str:
        """In words, as in "10 classes" and "x (px), y (px)"."""
        if not self.targets:
            return f"{self.classes} classes"
        return ", ".join(f"{each.name} ({each.unit})" if each.unit else each.name for each in self.targets)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)


class Pixels(Protocol):
    """Images that are decoded when they are wanted, so that a data set need not fit into memory."""

    def __len__(self) -> int:
        """Number of images."""

    def take(self, rows: NDArray[np.int64], size: int, workers: int) -> NDArray[np.uint8]:
        """The images at these places [n, C, size, size], decoded by so many threads.

        Raises Unreadable, which names every one of them that cannot be decoded.
        """


@runtime_checkable
class Named(Protocol):
    """Images that have names, such as those of their files."""

    def name(self, row: int) -> str:
        """The name of the image at this place."""


class Unreadable(Exception):
    """Images that cannot be decoded: for each its row, and a text that names the file and says why."""

    def __init__(self, problems: Mapping[int, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True)
class Images:
    """Images in the order of the source: [N, channels, size, size] uint8, or decoded when wanted; labels [N] int64 (of
    a regression the d targets [N, d] float32).
    """

    pixels: NDArray[np.uint8] | Pixels
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Raw:
    """A data set as its source gives it; `test` and `val` are None when it has no official ones."""

    train: Images
    test: Images | None
    val: Images | None = None
    class_names: tuple[str, ...] | None = None
    """The names, when the source's Info could only number the classes."""
    skip_unreadable: bool = False
    """Whether images that cannot be decoded are left out (and listed) instead of ending the step."""
