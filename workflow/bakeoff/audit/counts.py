"""The audit of prepared images: how many of each class, and which are copies, contradictions or empty.

Everything is counted exactly; of ids the first 50 are listed. `bakeoff.audit.verdict` says in words what was found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit import near
from bakeoff.audit.perceptual import SIDE, Bytes, Ints, thumbnails
from bakeoff.data.arrays import PARTS, Part, Split
from bakeoff.provenance import Json

LISTED = 50
"""How many ids, pairs of ids or texts are listed, at most."""
# Within a part, between two, and between all that training sees (or chooses its epoch by) and the test images.
RELATIONS: dict[str, tuple[tuple[Part, ...], Part]] = {
    "train": (("train",), "train"),
    "val": (("val",), "val"),
    "test": (("test",), "test"),
    "train/val": (("train",), "val"),
    "train/test": (("train",), "test"),
    "val/test": (("val",), "test"),
    "train+val/test": (("train", "val"), "test"),
}
# What is held in memory at a time: this many bytes of pixels, eight times as much while they are shrunk.
_CHUNK = 16 * 2**20

Watch = Callable[[str, int, int], None]
"""Is told what is being done, and how much of how much is done."""


def unwatched(_what: str, _done: int, _of: int) -> None:
    """Nobody looks on."""


def audit(
    splits: Mapping[Part, Split],
    classes: int,
    unreadable: Iterable[str] = (),
    *,
    look_for_near: bool = True,
    watch: Watch = unwatched,
) -> Json:
    """All that can be counted of a data set with so many classes; `unreadable` images were left out of it.

    Near duplicates are the one part that takes longer than reading the images once.
    """
    everything = Everything(splits)
    omitted = near.too_many(len(everything.labels)) if look_for_near else "audit: off"
    scan = _scan(everything, omitted is None, watch)
    copies = Copies(everything, _numbered(scan.digests))
    unreadable = list(unreadable)
    return {
        "status": "done" if look_for_near else "off",
        **_class_counts(splits, classes),
        "labels_out_of_range": everything.listed((everything.labels < 0) | (everything.labels >= classes)),
        "constant": everything.listed(scan.constant),
        "unreadable": {"count": len(unreadable), "listed": unreadable[:LISTED]},
        "exact": {name: copies.exact(*relation) for name, relation in RELATIONS.items()},
        "conflicts": copies.conflicts(),
        "near": _near(everything, copies, scan, omitted, watch),
    }


def _class_counts(splits: Mapping[Part, Split], classes: int) -> Json:
    """Images of each class in each part; the most over the fewest of those that have any; classes without images."""
    counts = {}
    for part in PARTS:
        labels = splits[part].labels
        counts[part] = np.bincount(labels[(labels >= 0) & (labels < classes)], minlength=classes)
    present = {part: count[count > 0] for part, count in counts.items()}
    return {
        "class_counts": {part: count.tolist() for part, count in counts.items()},
        "imbalance": {part: round(float(n.max() / n.min()), 4) if len(n) else None for part, n in present.items()},
        "empty_classes": {part: _first(np.flatnonzero(count == 0)) for part, count in counts.items()},
    }


def _first(values: Ints) -> Json:
    return {"count": len(values), "listed": values[:LISTED].tolist()}


@dataclass(frozen=True)
class Everything:
    """The images of all parts, one after the other; a place is where an image stands in this row."""

    splits: Mapping[Part, Split]

    @cached_property
    def ids(self) -> Ints:
        """Ids [N]."""
        return np.concatenate([self.splits[part].ids for part in PARTS])

    @cached_property
    def labels(self) -> Ints:
        """Labels [N]."""
        return np.concatenate([self.splits[part].labels for part in PARTS])

    @cached_property
    def starts(self) -> Ints:
        """[4]: the place of the first image of each part, and the number of images."""
        return np.cumsum([0, *(len(self.splits[part]) for part in PARTS)])

    def places(self, part: Part) -> Ints:
        """The places of the images of a part, in the order of their ids."""
        places: Ints = np.argsort(self.splits[part].ids, kind="stable") + self.starts[PARTS.index(part)]
        return places

    def take(self, places: Ints) -> Bytes:
        """Their pixels [n, C, S, S]."""
        pixels = np.empty((len(places), *self.splits["train"].pixels.shape[1:]), np.uint8)
        parts = np.searchsorted(self.starts, places, side="right") - 1
        for number, part in enumerate(PARTS):
            here = parts == number
            pixels[here] = self.splits[part].pixels[places[here] - self.starts[number]]
        return pixels

    def listed(self, chosen: NDArray[np.bool_]) -> Json:
        """How many images are chosen, and the lowest of their ids."""
        return _first(np.sort(self.ids[chosen]))


@dataclass(frozen=True)
class _Scan:
    """What one reading of all images gives: digests [N, 2] uint64, whether each is of one colour, small pictures."""

    digests: NDArray[np.uint64]
    constant: NDArray[np.bool_]
    small: Bytes | None


def _scan(everything: Everything, with_small: bool, watch: Watch) -> _Scan:
    n = len(everything.labels)
    digests = bytearray()
    constant = np.zeros(n, bool)
    small = np.empty((n, SIDE, SIDE), np.uint8) if with_small else None
    done = 0
    for part in PARTS:
        pixels = everything.splits[part].pixels
        step = max(1, _CHUNK // int(np.prod(pixels.shape[1:])))
        for start in range(0, len(pixels), step):
            watch("reading the images", done, n)
            chunk = np.ascontiguousarray(pixels[start : start + step])
            here = slice(done, done + len(chunk))
            for image in chunk:
                digests += hashlib.blake2b(image.data, digest_size=16).digest()
            flat = chunk.reshape(*chunk.shape[:2], -1)
            constant[here] = (flat == flat[..., :1]).all(axis=(1, 2))
            if small is not None:
                small[here] = thumbnails(chunk)
            done += len(chunk)
    watch("reading the images", n, n)
    return _Scan(np.frombuffer(bytes(digests), np.uint64).reshape(n, 2), constant, small)


def _numbered(digests: NDArray[np.uint64]) -> Ints:
    """[N]: the number of each image's content; copies have the same."""
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    new = np.any(np.diff(digests[order], axis=0) != 0, axis=1)
    numbers = np.empty(len(digests), np.int64)
    numbers[order] = np.concatenate(([0], np.cumsum(new)))
    return numbers


class Copies:
    """Which images are copies of one another: `content` [N] is the number of what each of them shows, byte for byte."""

    def __init__(self, everything: Everything, content: Ints) -> None:
        self._all = everything
        self._content = content
        self._n = int(content.max()) + 1
        self._first = {part: self._first_of(everything.places(part)) for part in PARTS}
        self._count = {
            part: np.bincount(content[everything.places(part)], minlength=self._n).astype(np.int64) for part in PARTS
        }

    def _first_of(self, places: Ints) -> Ints:
        """[contents]: the place of the first of these images that shows it; -1 where none does."""
        first = np.full(self._n, -1, np.int64)
        shown, at = np.unique(self._content[places], return_index=True)
        first[shown] = places[at]
        return first

    def _among(self, parts: tuple[Part, ...]) -> tuple[Ints, Ints]:
        """[contents]: how many images of these parts show it, and the place of the first of them or -1."""
        first = np.full(self._n, -1, np.int64)
        for part in reversed(parts):
            first = np.where(self._first[part] >= 0, self._first[part], first)
        return sum((self._count[part] for part in parts), np.zeros(self._n, np.int64)), first

    @cached_property
    def representatives(self) -> Ints:
        """[contents]: the place of an image that shows it."""
        return np.unique(self._content, return_index=True)[1]

    def exact(self, parts: tuple[Part, ...], other: Part) -> Json:
        """The copies, in one part, of images in others, or within it: pairs, images that have one, and which.

        Each is listed once, with the first image that it is a copy of.
        """
        count, first = self._among(parts)
        places = self._all.places(other)
        within = parts == (other,)
        content = self._content[places]
        pairs = count * (count - 1) // 2 if within else count * self._count[other]
        originals = first[content]
        copies = (originals >= 0) & (originals != places)
        return {
            "pairs": int(pairs.sum()),
            "images": int(np.count_nonzero(count[content] > within)),
            "listed": self._pairs(originals[copies], places[copies]),
        }

    def near(self, i: Ints, j: Ints, parts: tuple[Part, ...], other: Part) -> Json:
        """The same for pairs of contents that are near each other; copies of one image are listed once."""
        count, first = self._among(parts)
        many, first_other = self._among((other,))
        one, two = (i, j) if parts == (other,) else (np.concatenate([i, j]), np.concatenate([j, i]))
        shown = (count[one] > 0) & (many[two] > 0)
        one, two = one[shown], two[shown]
        # Within a part each pair stands there once, and makes two images near ones.
        near = np.unique(np.concatenate([one, two]) if parts == (other,) else two)
        return {
            "pairs": int((count[one] * many[two]).sum()),
            "images": int(many[near].sum()),
            "listed": self._pairs(first[one], first_other[two]),
        }

    def _pairs(self, one: Ints, two: Ints) -> list[list[int]]:
        """The first pairs of ids; within a part the lower id stands first."""
        ids = np.stack([self._all.ids[one], self._all.ids[two]], axis=1)
        same_part = np.searchsorted(self._all.starts, one, "right") == np.searchsorted(self._all.starts, two, "right")
        ids[same_part] = np.sort(ids[same_part], axis=1)
        listed: list[list[int]] = ids[np.lexsort((ids[:, 1], ids[:, 0]))][:LISTED].tolist()
        return listed

    def conflicts(self) -> Json:
        """Copies that are of different classes: contents, the images that show them, the first two classes of each."""
        lowest, highest = np.full(self._n, np.iinfo(np.int64).max), np.full(self._n, -1, np.int64)
        np.minimum.at(lowest, self._content, self._all.labels)
        np.maximum.at(highest, self._content, self._all.labels)
        disputed = lowest < highest
        places = np.argsort(self._all.ids, kind="stable")
        places = places[disputed[self._content[places]]]
        found: dict[int, list[int]] = {}
        for place in places.tolist():
            shown = found.setdefault(int(self._content[place]), [place])
            if len(shown) == 1 and self._all.labels[place] != self._all.labels[shown[0]]:
                shown.append(place)
        listed = [
            {"ids": self._all.ids[pair].tolist(), "labels": self._all.labels[pair].tolist()}
            for pair in list(found.values())[:LISTED]
        ]
        return {"contents": len(found), "images": len(places), "listed": listed}


def _near(everything: Everything, copies: Copies, scan: _Scan, omitted: str | None, watch: Watch) -> Json:
    """The near duplicates, counted as the exact ones are, and what counts as near; null where they were not sought."""
    found = near.nothing(omitted or "")
    if scan.small is not None:
        watch("looking for near duplicates", 0, 1)
        places = copies.representatives
        image_bytes = int(np.prod(everything.splits["train"].pixels.shape[1:]))
        found = near.find(scan.small[places], lambda rows: everything.take(places[rows]), image_bytes)
        watch("looking for near duplicates", 1, 1)
    counted = {name: copies.near(found.i, found.j, *relation) for name, relation in RELATIONS.items()}
    return {
        "distance": found.distance,
        "mean_difference": near.MEAN_DIFFERENCE,
        "correlation": near.CORRELATION,
        "reason": found.reason,
        "found": None if found.distance is None else counted,
    }
