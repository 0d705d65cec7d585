"""Near duplicates: pairs of images that are the same picture, but not byte for byte.

Two images are near each other when their perceptual hashes differ in at most 8 of 64 bits *and* the prepared pixels
bear it out: a mean absolute difference of at most 8 of 255 and a correlation of at least 0.99. So a copy that was
compressed again, sharpened, made a little brighter or retouched is found; one that was shifted, turned or mirrored is
not. The hash alone is too coarse for small grey images: on Fashion-MNIST 2.8 million pairs agree in it, 202 of them in
their pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit import perceptual
from bakeoff.audit.perceptual import Bytes, Ints

DISTANCE = 8
MEAN_DIFFERENCE = 8
CORRELATION = 0.99

# Up to so many images each is held against each other, in seconds; of more, only those that share a part of the hash.
_ALL_PAIRS = 150_000
_PARTS = 4
_PARTS_DISTANCE = 3
# Beyond these the search is given up, with a reason: minutes, or gigabytes.
_MOST_IMAGES = 2_000_000
_MOST_COMPARISONS = 2 * 10**10
_MOST_CANDIDATES = 20_000_000
_MOST_BYTES = 2**36
# How much is worked on at a time: pairs of small pictures, bytes of pixels as float64.
_BATCH = 2**15
_CHUNK = 64 * 2**20

Take = Callable[[Ints], Bytes]
"""The prepared pixels [n, C, S, S] of the images at these places."""


@dataclass(frozen=True)
class Near:
    """The pairs i < j of images that are near each other, as two arrays, in order.

    `distance` is how many bits of their hashes may differ; None when they were not looked for. `reason` says why they
    were not, or not with the usual distance.
    """

    i: Ints
    j: Ints
    distance: int | None
    reason: str | None


def nothing(reason: str) -> Near:
    """No search."""
    none = np.empty(0, np.int64)
    return Near(none, none, None, f"not looked for: {reason}")


def too_many(images: int) -> str | None:
    """Why small pictures of so many images are not even made; None when they are."""
    return f"{images:,} images are too many, at most {_MOST_IMAGES:,}" if images > _MOST_IMAGES else None


def find(small: Bytes, take: Take, image_bytes: int) -> Near:
    """The near pairs among different images, whose small pictures [N, 16, 16] are given."""
    hashes = perceptual.hashes(small)
    distance, parts, reason = DISTANCE, 1, None
    if len(hashes) > _ALL_PAIRS:
        distance, parts = _PARTS_DISTANCE, _PARTS
        reason = (
            f"{len(hashes):,} images are too many to hold each against each other: found are pairs whose hashes differ "
            f"in at most {distance} bits, not {DISTANCE}"
        )
        if perceptual.comparisons(hashes, parts) > _MOST_COMPARISONS:
            return nothing(f"the hashes of {len(hashes):,} images are too much alike")
    kept: list[tuple[Ints, Ints]] = []
    candidates = 0
    for i, j in _batches(perceptual.close(hashes, distance, parts)):
        candidates += len(i)
        if candidates > _MOST_CANDIDATES:
            return nothing(f"more than {_MOST_CANDIDATES:,} pairs have hashes that are close")
        alike = _alike(small[i], small[j])
        kept.append((i[alike], j[alike]))
    i, j = _joined(kept)
    if 2 * len(i) * image_bytes > _MOST_BYTES:
        return nothing(f"{len(i):,} pairs of images of {image_bytes:,} bytes would have to be compared")
    near = _confirmed(i, j, take, image_bytes)
    i, j = i[near], j[near]
    order = np.lexsort((j, i))
    return Near(i[order], j[order], distance, reason)


def _joined(pairs: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    none = np.empty(0, np.int64)
    return np.concatenate([none, *(i for i, _ in pairs)]), np.concatenate([none, *(j for _, j in pairs)])


def _batches(pairs: Iterator[tuple[Ints, Ints]]) -> Iterator[tuple[Ints, Ints]]:
    """The same pairs in arrays of a size that numpy is fast with."""
    waiting: list[tuple[Ints, Ints]] = []
    size = 0
    for found in pairs:
        waiting.append(found)
        size += len(found[0])
        if size >= _BATCH:
            yield _joined(waiting)
            waiting, size = [], 0
    yield _joined(waiting)


def _alike(one: Bytes, other: Bytes) -> NDArray[np.bool_]:
    """Whether small pictures differ so little that the images may be near: none that is near is lost here."""
    differences: NDArray[np.float64] = (np.maximum(one, other) - np.minimum(one, other)).mean(axis=(1, 2))
    rounding = 1
    return differences <= MEAN_DIFFERENCE + rounding


def _confirmed(i: Ints, j: Ints, take: Take, image_bytes: int) -> NDArray[np.bool_]:
    """[pairs]: whether the pixels of these pairs of images bear out that they are near."""
    near = np.zeros(len(i), bool)
    n = max(1, _CHUNK // (2 * image_bytes * np.dtype(np.float64).itemsize))
    for start in range(0, len(i), n):
        part = slice(start, start + n)
        one, other = (take(rows[part]).reshape(len(rows[part]), -1).astype(np.float64) for rows in (i, j))
        near[part] = (np.abs(one - other).mean(axis=1) <= MEAN_DIFFERENCE) & (_correlation(one, other) >= CORRELATION)
    return near


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation [n] of pixels [n, values]; 0 with an image of one shade, which is like nothing."""
    n = one.shape[1]
    # n times the sum of products less the product of the sums: whole numbers, exact in float64.
    covariance, first, second = (
        n * np.einsum("ij,ij->i", a, b) - a.sum(axis=1) * b.sum(axis=1)
        for a, b in ((one, other), (one, one), (other, other))
    )
    spread = np.sqrt(first) * np.sqrt(second)
    correlation: NDArray[np.float64] = np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 0)
    return correlation
