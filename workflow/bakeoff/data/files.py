"""A user's own image files as images that are decoded when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.decode import Fit, read
from bakeoff.data.listing import Entry, Listing
from bakeoff.data.source import Images, Raw, Unreadable


@dataclass(frozen=True)
class Files:
    """The image files of a listing, or of an official part of it, in its order."""

    listing: Listing
    entries: list[Entry]
    channels: int
    fit: Fit

    def __len__(self) -> int:
        return len(self.entries)

    def take(self, rows: NDArray[np.int64], size: int, workers: int) -> NDArray[np.uint8]:
        """The images of these rows [n, channels, size, size]. Raises Unreadable, naming all that cannot be decoded."""
        return decoded(self._read, self.name, rows, (self.channels, size, size), workers)

    def name(self, row: int) -> str:
        """The file of an image."""
        return str(self.listing.root / self.entries[row].path)

    def _read(self, row: int, size: int) -> NDArray[np.uint8]:
        return read(self.listing.root / self.entries[row].path, size, self.channels, self.fit)


def decoded(
    read_one: Callable[[int, int], NDArray[np.uint8]],
    name: Callable[[int], str],
    rows: NDArray[np.int64],
    shape: tuple[int, int, int],
    workers: int,
) -> NDArray[np.uint8]:
    """Images [n, *shape], each from `read_one(row, size)` in one of so many threads.

    Raises Unreadable with every row for which `read_one` raises anything: decoders that meet a damaged file raise what
    comes to hand, from SyntaxError to struct.error.
    """
    pixels = np.empty((len(rows), *shape), np.uint8)

    def one(place: int) -> str | None:
        row = int(rows[place])
        try:
            pixels[place] = read_one(row, shape[1])
        except Exception as error:
            return f"{name(row)} ({' '.join(str(error).split()) or type(error).__name__})"
        return None

    with ThreadPoolExecutor(max(1, workers)) as pool:
        problems = list(pool.map(one, range(len(rows))))
    broken = {int(row): problem for row, problem in zip(rows, problems, strict=True) if problem}
    if broken:
        raise Unreadable(broken)
    return pixels


def raw(listing: Listing, channels: int, fit: Fit, skip_broken: bool) -> Raw:
    """The data set of a listing: its official parts, where it has them."""
    numbers = {label: number for number, label in enumerate(listing.class_names)}

    def images(entries: list[Entry]) -> Images:
        return Images(Files(listing, entries, channels, fit), _labels((entry.label for entry in entries), numbers))

    official = {part: listing.of(part) for part in ("val", "test")}
    return Raw(
        train=images(listing.of(None, "train")),
        val=images(official["val"]) if official["val"] else None,
        test=images(official["test"]) if official["test"] else None,
        skip_unreadable=skip_broken,
    )


def _labels(labels: Iterable[str], numbers: dict[str, int]) -> NDArray[np.int64]:
    return np.fromiter((numbers[label] for label in labels), dtype=np.int64)
