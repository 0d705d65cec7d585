"""Draws of seeds and of test images, the same for all models: what ranks and frontiers are uncertain by.

Seeds and images are drawn with replacement, each by themselves (the crossed, or pigeonhole, bootstrap: Owen 2007,
doi:10.1214/07-AOAS122). Its variance is a little too large where the two interact, and too small, as that of every
bootstrap, at few seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from bakeoff.compare.paired import FloatArray

Scores = Mapping[str, Mapping[int, float]]
Scope = Literal["seeds+images", "seeds", "images"]

# Numbers in one block of image draws: 32 MB.
_BLOCK = 8_000_000


@dataclass(frozen=True)
class Draws:
    """Mean score of `names` [K] in each draw, `means` [K, B]; NaN where a model has none of the seeds drawn.

    `times` [S, B] says how often each of `seeds` was drawn, `images` whether images were drawn beside them.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    times: FloatArray
    means: FloatArray
    images: bool

    def scope(self, n_seeds: int) -> Scope | None:
        """What the draws of a model with so many seeds stand for."""
        if n_seeds < 2:
            return "images" if self.images else None
        return "seeds+images" if self.images else "seeds"

    def mean(self, by_seed: Mapping[int, float]) -> FloatArray:
        """The mean of other numbers by seed in the same draws: [B], NaN where none of their seeds was drawn."""
        mean: FloatArray = _means({"": by_seed}, self.seeds, self.times)[0]
        return mean


def draw(
    scores: Scores, by_image: Mapping[str, FloatArray] | None, rng: np.random.Generator, n_resamples: int
) -> Draws:
    """About `n_resamples` draws of the models that have scores, sorted by name.

    Seeds are drawn from all that any model has; a model's mean is over those of the draw that it has. Models that no
    seed connects are drawn by themselves, so that none is without a seed for the others' sake. `by_image` is what each
    image does to a score, by seed [S, N], seeds in order; without it the images stay as they are.
    """
    names = tuple(sorted(name for name in scores if scores[name]))
    groups = _connected(scores[name] for name in names)
    seeds = tuple(seed for group in groups for seed in group)
    if len(groups) > 1:  # not each by all its draws in order, which would pair them
        times = np.concatenate([_random_draws(len(group), rng, n_resamples) for group in groups])
    else:
        times = _seed_draws(len(seeds), rng, n_resamples)
    chosen = {name: scores[name] for name in names}
    if by_image is None or not names:
        return Draws(names, seeds, times, _means(chosen, seeds, times), images=False)
    runs = _exact(np.concatenate([by_image[name] for name in names]))
    return Draws(names, seeds, times, _means(chosen, seeds, times, runs, rng), images=True)


def _connected(models: Iterable[Iterable[int]]) -> list[list[int]]:
    """The seeds of all models in groups that share none with each other's models, in order."""
    groups: list[set[int]] = []
    for model in models:
        seeds = set(model)
        seeds |= {seed for group in groups if group & seeds for seed in group}
        groups = [*(group for group in groups if not group & seeds), seeds]
    return sorted(map(sorted, groups))


def _random_draws(n: int, rng: np.random.Generator, n_resamples: int) -> FloatArray:
    """How often each of `n` seeds is in each of so many draws: [n, B]."""
    return rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).T.astype(float)


def _seed_draws(n: int, rng: np.random.Generator, n_resamples: int) -> FloatArray:
    """How often each of `n` seeds is in each draw: [n, B].

    All n^n draws that there are, equally often, where they are no more than is asked for: 3125 at five seeds.
    """
    if n == 0 or n**n > n_resamples:
        return _random_draws(n, rng, n_resamples) if n else np.zeros((0, n_resamples))
    drawn = np.array(list(product(range(n), repeat=n)))
    every = np.array([(drawn == seed).sum(axis=1) for seed in range(n)], dtype=float)
    return np.tile(every, round(n_resamples / len(drawn)))


def _means(
    scores: Scores,
    seeds: tuple[int, ...],
    times: FloatArray,
    runs: npt.NDArray[np.floating[Any]] | None = None,
    rng: np.random.Generator | None = None,
) -> FloatArray:
    """Weighted means [K, B] over each model's seeds; with `runs` [all its runs, N] over drawn images too."""
    place = {seed: i for i, seed in enumerate(seeds)}
    known = [[(place[seed], by_seed[seed]) for seed in sorted(by_seed) if seed in place] for by_seed in scores.values()]
    starts = np.cumsum([0, *map(len, known)])
    totals = np.empty((len(known), times.shape[1]))
    step = times.shape[1] if runs is None else max(1, _BLOCK // runs.shape[1])
    for first in range(0, times.shape[1], step):
        block = slice(first, first + step)
        of_runs = None
        if runs is not None and rng is not None:
            drawn = _image_draws(runs.shape[1], times[:, block].shape[1], rng)
            counted = (runs @ drawn.astype(runs.dtype, copy=False).T).astype(float)
            n_drawn = drawn.sum(axis=1, dtype=float)
            of_runs = np.divide(counted, n_drawn, out=np.full(counted.shape, np.nan), where=n_drawn > 0)
        for k, pairs in enumerate(known):
            weights = times[[i for i, _ in pairs], block]
            values = np.array([value for _, value in pairs])[:, None]
            if of_runs is not None:
                values = of_runs[starts[k] : starts[k + 1]]
            total = weights.sum(axis=0)
            sums = (weights * values).sum(axis=0)
            totals[k, block] = np.divide(sums, total, out=np.full(total.shape, np.nan), where=total > 0)
    return totals


def _exact(runs: FloatArray) -> npt.NDArray[np.floating[Any]]:
    """The same in float32 where sums of it stay whole, such as counts of correct answers: twice as fast."""
    return runs.astype(np.float32) if (runs == np.rint(runs)).all() else runs


def _image_draws(n: int, draws: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """How often each of `n` images is in each draw: [draws, n], Poisson with mean 1.

    Given their sum these are the counts of a draw with replacement (Poisson bootstrap: Hanley & MacGibbon 2006,
    doi:10.1016/j.cmpb.2006.04.006), at a fraction of the time. Two random bytes each: probabilities in steps of 2^-16.
    """
    drawn: npt.NDArray[np.float32] = _poisson()[rng.integers(2**16, size=(draws, n), dtype=np.uint16)]
    return drawn


@cache
def _poisson() -> npt.NDArray[np.float32]:
    """The quantiles of that distribution at the middles of 2^16 equal parts."""
    quantiles: npt.NDArray[np.float32] = stats.poisson.ppf((np.arange(2**16) + 0.5) / 2**16, 1).astype(np.float32)
    return quantiles
