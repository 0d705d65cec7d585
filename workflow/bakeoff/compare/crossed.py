"""Does a difference hold for new images too? Seeds and test images both random: the test of multi-reader studies.

Seeds are the readers, test images the cases. Dorfman, Berbaum & Metz (1992), Obuchowski & Rockette (1995), degrees of
freedom of Hillis (2007).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bakeoff.compare.paired import LEVEL, RESOLUTION, FloatArray, Interval, t_beyond, t_quantile
from bakeoff.compare.planning import Components, images_needed, seeds_alone_help


@dataclass(frozen=True)
class Crossed:
    """Mean difference of correctness with its interval and p for new seeds and new images, and where its noise is from.

    The variance of the mean is var_seed/S + var_image/N + var_inter/(S·N); without pairs of seeds there are no such
    components.

    `over_seeds` is the t-test over seeds alone, as standard error and degrees of freedom; None when all seeds gave the
    same mean: then only the images are random and `df` is infinite (a z-test). What holds for new seeds and
    new images holds for new seeds on these images, so no p is below that test's, no interval inside its own: at few
    seeds that matter much, Hillis' degrees of freedom, estimated from those seeds, are too many by themselves.
    """

    diff: float
    se: float
    df: float
    seeds: int
    images: int
    over_seeds: tuple[float, float] | None
    components: Components | None

    @property
    def seeds_vary(self) -> bool:
        """Whether the seeds are a source of noise at all."""
        return self.over_seeds is not None

    @property
    def ci(self) -> Interval:
        """95 % interval of the difference."""
        half = max(t_quantile((1 + LEVEL) / 2, df) * se for se, df in self._tests())
        return self.diff - half, self.diff + half

    @property
    def p(self) -> float:
        """Two-sided p of no difference for new seeds and new images."""
        return 1.0 if self.se == 0 else 2 * max(t_beyond(abs(self.diff) / se, df) for se, df in self._tests())

    def _tests(self) -> list[tuple[float, float]]:
        return [(self.se, self.df), *([self.over_seeds] if self.over_seeds else [])]

    @property
    def gain_double_seeds(self) -> float | None:
        """The fraction by which twice as many seeds would shrink the interval."""
        c = self.components
        return c.gain(self.seeds, self.images, 2 * self.seeds, self.images) if c else None

    @property
    def gain_double_images(self) -> float | None:
        """The fraction by which twice as many test images would shrink the interval."""
        c = self.components
        return c.gain(self.seeds, self.images, self.seeds, 2 * self.images) if c else None

    def images_needed(self, effect: float, alpha: float) -> int | None:
        """How many test images, at these seeds, would show a true difference of `effect` with power 0.8."""
        return images_needed(self.components, effect, self.seeds, alpha) if self.components else None

    def seeds_alone_help(self, effect: float, alpha: float) -> bool | None:
        """Whether any number of seeds on these images would; None where the components are not known."""
        return seeds_alone_help(self.components, effect, self.images, alpha) if self.components else None

    def p_tost(self, margin: float) -> float:
        """The p of "the difference is smaller than `margin` for new seeds and images" (two one-sided tests).

        Models that agree on every image leave no variance; were they to differ on a share `margin` of all images, N
        images would show none of it with probability (1 - margin)^N.
        """
        if self.se == 0:
            return float((1 - min(margin, 1.0)) ** self.images)
        return max(t_beyond((margin - abs(self.diff)) / se, df) for se, df in self._tests())


def crossed_test(d: FloatArray, smallest: float = RESOLUTION) -> Crossed | None:
    """Test the mean of `d` [S seeds, N images], correctness of the candidate minus that of the baseline, against zero.

    Two-way table without replication. Of other metrics `d` are jackknife pseudo-values (`bakeoff.compare.jackknife`).
    Below `smallest` two scores are the same number (`paired.resolution`): of errors in metres that may be little.
    None when there are fewer than two seeds or images, and when every image differs alike at every seed, which leaves
    nothing to estimate a variance from.
    """
    seeds, images = d.shape
    if min(seeds, images) < 2:
        return None
    ms_seed, ms_image, ms_inter = _mean_squares(d)
    over_seeds = None
    if np.ptp(d.mean(axis=1)) > smallest:
        total = ms_seed + max(ms_image - ms_inter, 0.0)
        df = total**2 / (ms_seed**2 / (seeds - 1))
        over_seeds = math.sqrt(ms_seed / d.size), float(seeds - 1)
    else:
        total, df = ms_image, math.inf
    components = Components(
        seed=max(ms_seed - ms_inter, 0.0) / images, image=max(ms_image - ms_inter, 0.0) / seeds, inter=ms_inter
    )
    mean, se = float(d.mean()), math.sqrt(total / (seeds * images))
    return _decided(Crossed(mean, se, df, seeds, images, over_seeds, components), smallest)


def nested_test(candidate: FloatArray, baseline: FloatArray, smallest: float = RESOLUTION) -> Crossed | None:
    """The same of two sides that share the images, but no seed: correctness [S, N] of each, S of its own.

    Each side's seeds have a variance of their own; the images' is that of the difference of the two means (readers
    nested within treatments, Hillis 2007). At equal S it has the terms of the crossed test. None as there.
    """
    images = candidate.shape[1]
    if min(len(candidate), len(baseline), images) < 2:
        return None
    by_seeds, by_both, df_terms = 0.0, 0.0, 0.0
    for side in (candidate, baseline):
        ms_seed, _, ms_inter = _mean_squares(side)
        by_seeds += ms_seed / side.size
        by_both += ms_inter / side.size
        df_terms += (ms_seed / side.size) ** 2 / (len(side) - 1)
    by_image = candidate.mean(axis=0) - baseline.mean(axis=0)
    by_images = float(by_image.var(ddof=1)) / images
    over_seeds = None
    if any(np.ptp(side.mean(axis=1)) > smallest for side in (candidate, baseline)):
        total = by_seeds + max(by_images - by_both, 0.0)
        df = total**2 / df_terms
        over_seeds = math.sqrt(by_seeds), by_seeds**2 / df_terms
    else:
        total, df = by_images, math.inf
    fewest = min(len(candidate), len(baseline))
    return _decided(Crossed(float(by_image.mean()), math.sqrt(total), df, fewest, images, over_seeds, None), smallest)


def _mean_squares(table: FloatArray) -> tuple[float, float, float]:
    """Of seeds, of images, and of what is left, of a two-way table [S, N]."""
    seeds, images = table.shape
    by_seed, by_image = table.mean(axis=1), table.mean(axis=0)
    residual = table - by_seed[:, None] - by_image[None, :] + table.mean()
    ms_inter = float(np.einsum("sn,sn->", residual, residual)) / ((seeds - 1) * (images - 1))
    return images * float(by_seed.var(ddof=1)), seeds * float(by_image.var(ddof=1)), ms_inter


def _decided(found: Crossed, smallest: float) -> Crossed | None:
    """What has no noise at all: models that agree on every image do not differ, others leave nothing to test with."""
    if found.se > smallest / found.images:
        return found
    return None if abs(found.diff) > smallest else replace(found, se=0.0, over_seeds=None)
