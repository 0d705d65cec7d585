"""Which images look alike: small pictures of them, a hash of what is in these, and the pairs of hashes that are close.

All of it is arithmetic on whole numbers, in float64 where that is faster and still exact, so the same images give the
same hashes on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

SIDE = 16
"""Side of the small pictures."""
_BITS = 8  # a hash has 8 x 8 bits
_AT_A_TIME = 2**14  # small pictures that are hashed at a time: 32 MiB as float64
# Hashes are held against each other in tiles of this many rows and columns, which fit into a processor's cache.
_ROWS, _COLUMNS = 64, 8192


@cache
def _shares(size: int) -> NDArray[np.float64]:
    """[SIDE, size]: what each pixel of a row gives to each of a small picture: their overlap, in parts of 1/size."""
    small, large = np.arange(SIDE)[:, None], np.arange(size)[None]
    ends = np.minimum((small + 1) * size, (large + 1) * SIDE)
    shares: NDArray[np.float64] = np.maximum(0, ends - np.maximum(small * size, large * SIDE)).astype(np.float64)
    return shares


def thumbnails(images: Bytes) -> Bytes:
    """Images [N, C, S, S] as grey pictures [N, SIDE, SIDE]: the mean over the channels and over each pixel's area.

    A mean brings two images no farther apart: the mean absolute difference of two small pictures is, but for less than
    1 of rounding, at most that of the images.
    """
    shares = _shares(images.shape[-1])
    grey = images.sum(axis=1, dtype=np.float64)
    sums = shares @ grey @ shares.T
    small: Bytes = (sums // (images.shape[1] * images.shape[-1] ** 2)).astype(np.uint8)
    return small


@cache
def _waves() -> NDArray[np.float64]:
    """[8, SIDE]: the slowest cosines of the discrete cosine transform (DCT-II), in whole 1024ths."""
    turns = np.arange(_BITS)[:, None] * (2 * np.arange(SIDE) + 1)[None]
    waves: NDArray[np.float64] = np.rint(1024 * np.cos(np.pi * turns / (2 * SIDE)))
    return waves


def hashes(small: Bytes) -> Hashes:
    """The pHash of small pictures [N, SIDE, SIDE]: 64 bits [N], each whether one of the 8 x 8 slowest waves of the
    picture is above the median of all but the constant one.

    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1. It says nothing
    of how bright an image is or how strong its contrast, and little of fine detail and noise.
    """
    found = np.empty(len(small), np.uint64)
    for start in range(0, len(small), _AT_A_TIME):
        chunk = small[start : start + _AT_A_TIME].astype(np.float64)
        waves = (_waves() @ chunk @ _waves().T).reshape(len(chunk), -1)
        median = np.median(waves[:, 1:], axis=1, keepdims=True)
        found[start : start + _AT_A_TIME] = np.packbits(waves > median, axis=1).view(">u8").ravel()
    return found


def close(values: Hashes, distance: int, parts: int = 1) -> Iterator[tuple[Ints, Ints]]:
    """All pairs i < j of hashes that differ in at most so many bits, each once, in arrays of them.

    With `parts` = 1 every hash is held against every other. With more, a hash is cut into as many parts of equal size
    and held against those that have one of these parts in common: then all pairs up to `distance` are found as long as
    that is smaller than `parts` (Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing",
    CVPR 2012).
    """
    if parts > 1 and distance >= parts:
        raise ValueError(f"{parts} parts find all pairs up to a distance of {parts - 1}, not {distance}")
    for part in range(parts):
        for members in _buckets(_part(values, part, parts)):
            for i, j in _within(values[members], distance):
                first, second = members[i], members[j]
                # A pair with several parts in common was found by the first of them.
                differences = values[first] ^ values[second]
                new = np.ones(len(first), bool)
                for earlier in range(part):
                    new &= _part(differences, earlier, parts) != 0
                yield np.minimum(first, second)[new], np.maximum(first, second)[new]


def comparisons(values: Hashes, parts: int) -> int:
    """How many pairs of hashes `close` compares."""
    return sum(len(m) * (len(m) - 1) // 2 for part in range(parts) for m in _buckets(_part(values, part, parts)))


def _part(values: Hashes, part: int, parts: int) -> Hashes:
    """One of the equal parts of each hash, as a key; the only part is no key at all: 0."""
    width = 64 // parts
    mask = 0 if parts == 1 else 2**width - 1
    return (values >> np.uint64(width * part)) & np.uint64(mask)


def _buckets(keys: Hashes) -> Iterator[Ints]:
    """The places that share a key, where there are several."""
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    starts, ends = np.concatenate(([0], bounds)), np.concatenate((bounds, [len(keys)]))
    for start, end in zip(starts, ends, strict=True):
        if end - start > 1:
            yield order[start:end]


def _within(values: Hashes, distance: int) -> Iterator[tuple[Ints, Ints]]:
    """All pairs i < j of these hashes that differ in at most so many bits."""
    for top in range(0, len(values), _ROWS):
        for left in range(top, len(values), _COLUMNS):
            differing = np.bitwise_count(values[top : top + _ROWS, None] ^ values[None, left : left + _COLUMNS])
            found = np.flatnonzero(differing <= distance)
            if len(found):
                i, j = np.divmod(found, differing.shape[1])
                i, j = i + top, j + left
                yield i[i < j], j[i < j]
