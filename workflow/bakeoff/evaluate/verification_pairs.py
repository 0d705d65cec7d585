"""The cosine similarity of pairs of images, part by part; an N x N matrix never exists.

A score is worked out exactly: unit vectors are rounded to multiples of 2^-26, so that every product and every partial
sum of a dot product is an integer that float64 holds, whatever order a BLAS adds in. So a score, which is within about
1e-8 of the cosine, does not depend on the block, the number of threads or the machine, and copies of an image tie.
Scores are kept as integers, `levels`: multiples of 2^-30, or of 2^-22 (2.4e-7) where there are over 8 million pairs, so
that memory does not grow with them. A score within 6e-8 of 1 is 1: the cosine of an image with its copy.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # scikit-learn brings it

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]
T = TypeVar("T")

GRID = 2**30  # levels of a score from 0 to 1
COARSE = 2**8  # levels that become one where there are many pairs
_UNIT = 2.0**26
_SLACK = 160
_PART = 2**21  # pairs of one part: 16 MB as float64
_MANY = 2**23  # pairs
_AHEAD = 12  # parts that are worked out or wait to be used


def threshold_level(threshold: float) -> int:
    """The level of a threshold that somebody wrote down, less what rounding can take from an equal score: 1.5e-7."""
    return round(threshold * GRID) - _SLACK


def unit_vectors(embeddings: FloatArray) -> NDArray[np.float64]:
    """Rows of length 1 in units of 2^-26, rounded to integers [N, D]; no row may be zero or not finite."""
    rows = embeddings.astype(np.float64)
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1))
    rows /= largest[:, None]  # squares of very large and very small numbers are no numbers
    rows *= (_UNIT / np.sqrt(np.einsum("ij,ij->i", rows, rows)))[:, None]
    return np.rint(rows, out=rows)


def _levels(dots: NDArray[np.float64], step: int) -> IntArray:
    """Levels of dot products of unit vectors, as multiples of `step`; overwrites them."""
    dots *= GRID / step / _UNIT**2
    levels = np.rint(dots, out=dots).astype(np.int32)
    levels *= step
    levels[levels > GRID - 64] = GRID
    return levels


@dataclass(frozen=True, eq=False)
class Strip:
    """Impostor pairs of one identity with others, in the order of these."""

    identity: int
    table: IntArray  # [r, m / r] levels: r images of this identity, and in each column one of another
    bounds: IntArray  # [G + 1]: levels[bounds[h]:bounds[h + 1]] are the pairs with identity h

    @property
    def levels(self) -> IntArray:
        """Of all pairs [m], column by column."""
        return self.table.T.ravel()

    @property
    def others(self) -> IntArray:
        """The other identity of each pair [m]."""
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the pairs: the genuine ones with their identity, and the impostor ones by identity."""

    genuine: IntArray  # [k] levels
    genuine_identity: IntArray  # [k] in 0..G-1
    strips: list[Strip]

    @property
    def impostor(self) -> IntArray:
        """Levels of all impostor pairs of this part, in no order."""
        return np.concatenate([strip.table.ravel() for strip in self.strips]) if self.strips else np.empty(0, np.int32)


class Pairs(Protocol):
    """Pairs of images of G identities, in parts that can be worked out one by one, again and again."""

    @property
    def identities(self) -> int:
        """G."""

    @property
    def parts(self) -> int:
        """How many parts there are."""

    @property
    def step(self) -> int:
        """All levels are multiples of this."""

    def part(self, index: int) -> Part:
        """Works one part out."""


@cache
def _libraries() -> ThreadpoolController:
    """Those that are loaded: to look for them takes as long as to score 15,000 pairs."""
    return ThreadpoolController()


@contextmanager
def workers() -> Iterator[Executor]:
    """Threads for the parts, one a core; a BLAS that starts threads of its own in each of them would be slower."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(min(cores, 8)) as pool:
        yield pool


def over_parts(pairs: Pairs, function: Callable[[Part], T], pool: Executor) -> Iterator[T]:
    """What `function` makes of each part, in order; only a few parts and results exist at a time."""
    waiting: deque[Future[T]] = deque()
    for index in range(pairs.parts):
        waiting.append(pool.submit(lambda i: function(pairs.part(i)), index))
        if len(waiting) == _AHEAD:
            yield waiting.popleft().result()
    yield from (each.result() for each in waiting)


class AllPairs:
    """Every image with every other, once. Images are put in the order of their identities first."""

    def __init__(
        self, embeddings: FloatArray, identity: IntArray, pairs_in_a_part: int = _PART, many: int = _MANY
    ) -> None:
        """`embeddings` [N, D]; `identity` [N] in 0..G-1, each of which occurs."""
        n = len(identity)
        self.step = COARSE if n * (n - 1) // 2 > many else 1
        order = np.argsort(identity, kind="stable")
        self._vectors = unit_vectors(embeddings[order])
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(identity))])  # of each identity's images, and N
        self._rows = list(_row_ranges(n, min(pairs_in_a_part, n * n // 8 + 1)))  # enough parts for all cores

    @property
    def identities(self) -> int:
        """G."""
        return len(self._starts) - 1

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return len(self._rows)

    def part(self, index: int) -> Part:
        """Some rows of the similarity matrix, above its diagonal."""
        begin, end = self._rows[index]
        levels = _levels(self._vectors[begin:end] @ self._vectors[begin:].T, self.step)
        genuine, owners, strips = [], [], []
        first, last = np.searchsorted(self._starts, [begin, end - 1], side="right") - 1
        for identity in range(first, last + 1):
            stop = self._starts[identity + 1]
            low, high = max(begin, self._starts[identity]), min(end, stop)
            rows = levels[low - begin : high - begin]
            own = rows[:, low - begin : stop - begin]
            genuine.append(own[np.arange(stop - low) > np.arange(high - low)[:, None]])
            owners.append(np.full(len(genuine[-1]), identity))
            bounds = np.maximum(self._starts - stop, 0) * (high - low)
            strips.append(Strip(identity, rows[:, stop - begin :], bounds))
        return Part(np.concatenate(genuine), np.concatenate(owners), strips)


def _row_ranges(n: int, pairs: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows of an N x N triangle with about as many pairs in each, and at least one row."""
    begin = 0
    while begin < n:
        end = min(n, begin + max(1, pairs // (n - begin)))
        yield begin, end
        begin = end


class ListedPairs:
    """The pairs of a list."""

    def __init__(
        self,
        embeddings: FloatArray,
        identity: IntArray,
        a: IntArray,
        b: IntArray,
        pairs_in_a_part: int = _PART,
        many: int = _MANY,
    ) -> None:
        """`embeddings` [N, D]; `identity` [N] in 0..G-1; rows `a` and `b` [P] of the images of each pair."""
        self.step = COARSE if len(a) > many else 1
        low, high = np.minimum(identity[a], identity[b]), np.maximum(identity[a], identity[b])
        order = np.lexsort((high, low))
        self._low, self._high = low[order], high[order]
        self._identities = int(identity.max()) + 1
        vectors = unit_vectors(embeddings)
        at_once = max(1, _PART // vectors.shape[1])
        blocks = np.split(order, range(at_once, len(order), at_once))
        self._levels = np.concatenate([_levels(_dots(vectors, a[rows], b[rows]), self.step) for rows in blocks])
        self._size = pairs_in_a_part

    @property
    def identities(self) -> int:
        """G, with those that no pair has."""
        return self._identities

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-len(self._levels) // self._size)

    def part(self, index: int) -> Part:
        """A stretch of the list, which is in the order of the lower and then the higher identity of a pair."""
        stretch = slice(index * self._size, (index + 1) * self._size)
        low, high, levels = self._low[stretch], self._high[stretch], self._levels[stretch]
        genuine = low == high
        owners = low[genuine]
        low, high, others = low[~genuine], high[~genuine], levels[~genuine]
        present, begins = np.unique(low, return_index=True)
        ends = np.append(begins, len(low))[1:]
        strips = [
            Strip(int(identity), others[None, begin:end], np.searchsorted(high[begin:end], self._every_identity))
            for identity, begin, end in zip(present, begins, ends, strict=True)
        ]
        return Part(levels[genuine], owners, strips)

    @cached_property
    def _every_identity(self) -> IntArray:
        return np.arange(self._identities + 1)


def _dots(vectors: NDArray[np.float64], a: IntArray, b: IntArray) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.einsum("ij,ij->i", vectors[a], vectors[b])
    return found
