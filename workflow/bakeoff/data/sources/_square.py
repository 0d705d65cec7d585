"""What the data sets of one square on grey noise have in common: the image, and parts of the sizes asked for.

Nothing but integers, and bytes of SHAKE-256, goes into an image, so it is the same on every machine and with every
version of every library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.source import Images, Info, Raw, Target
from bakeoff.errors import UserError

SIZE, SIDE = 32, 6
"""Sides in pixels: of the image, and of its square."""
_MOST_IMAGES = 1_000_000


def facts(
    title: str,
    channels: int,
    images: Mapping[str, int],
    class_names: Sequence[str] = (),
    targets: Sequence[Target] = (),
) -> Info:
    """The facts of such a data set; `images` has the number of each part by the name of its option.

    Raises UserError for a number out of range: each part has two images at least, and one a class.
    """
    least = max(2, len(class_names))
    for name, n in images.items():
        if not least <= n <= _MOST_IMAGES:
            raise UserError(f"{name}: {n} must be {least}{' (one a class)' * bool(class_names)} to {_MOST_IMAGES:,}")
    return Info(
        title=title,
        origin="drawn from a seed",
        channels=channels,
        size=SIZE,
        class_names=tuple(class_names),
        official_test=True,
        flip=False,
        targets=tuple(targets),
    )


def parts(make: Callable[[str, int], Images], images: int, val_images: int, test_images: int) -> Raw:
    """The parts, each of so many images. Those of one do not depend on how many others there are."""
    return Raw(train=make("train", images), val=make("val", val_images), test=make("test", test_images))


def stacked(images: Sequence[NDArray[np.uint8]], channels: int) -> NDArray[np.uint8]:
    """Images [32, 32] as [N, channels, 32, 32], all channels alike."""
    return np.repeat(np.stack(images)[:, None], channels, axis=1)


def paint(stream: bytes, row: int, column: int) -> NDArray[np.uint8]:
    """An image [32, 32] with a square that begins in this row and column, black or white by the first byte of `stream`;
    the background is the other bytes.
    """
    image = np.frombuffer(stream, np.uint8, offset=1).reshape(SIZE, SIZE).copy()
    image[row : row + SIDE, column : column + SIDE] = 255 * (stream[0] % 2)
    return image
