"""What a data set is before anything is done to it: facts that a study needs early, and the raw images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Info:
    """Facts about a data set that are known without its bytes."""

    title: str
    origin: str
    channels: int
    size: int
    class_names: tuple[str, ...]
    official_test: bool
    flip: bool
    """Whether the mirror image of an example is an example of its class (a 6 is no 6 in a mirror)."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)


@dataclass(frozen=True)
class Images:
    """Images [N, channels, size, size] uint8 with labels [N] int64, in the order of the source."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Raw:
    """A data set as its source gives it; `test` is None when it has no official test set."""

    train: Images
    test: Images | None
