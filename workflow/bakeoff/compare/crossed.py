"""Does a difference hold for new images too? Seeds and test images both random: the test of multi-reader studies.

Seeds are the readers, test images the cases. Dorfman, Berbaum & Metz (1992), Obuchowski & Rockette (1995), degrees of
freedom of Hillis (2007).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bakeoff.compare.paired import LEVEL, RESOLUTION, FloatArray, Interval


@dataclass(frozen=True)
class Crossed:
    """Mean difference of correctness with its interval and p for new seeds and new images, and where its noise is from.

    The variance of the mean is var_seed/S + var_image/N + var_inter/(S·N). `seeds_vary` is False when all seeds gave
    the same mean: then only the images are random and `df` is infinite (a z-test).
    """

    diff: float
    se: float
    df: float
    p: float
    var_seed: float
    var_image: float
    var_inter: float
    images: int
    seeds_vary: bool

    @property
    def ci(self) -> Interval:
        """95 % interval of the difference."""
        half = float(stats.t.ppf((1 + LEVEL) / 2, self.df)) * self.se
        return self.diff - half, self.diff + half

    def p_tost(self, margin: float) -> float:
        """The p of "the difference is smaller than `margin` for new seeds and images" (two one-sided tests).

        Models that agree on every image leave no variance; were they to differ on a share `margin` of all images, N
        images would show none of it with probability (1 - margin)^N.
        """
        if self.se == 0:
            return float((1 - min(margin, 1.0)) ** self.images)
        return float(stats.t.sf((margin - abs(self.diff)) / self.se, self.df))


def crossed_test(d: FloatArray) -> Crossed | None:
    """Test the mean of `d` [S seeds, N images], correctness of the candidate minus that of the baseline, against zero.

    Two-way table without replication. None when there are fewer than two seeds or images, and when every image
    differs alike at every seed, which leaves nothing to estimate a variance from.
    """
    seeds, images = d.shape
    if min(seeds, images) < 2:
        return None
    mean, by_seed, by_image = float(d.mean()), d.mean(axis=1), d.mean(axis=0)
    ms_seed = images * float(by_seed.var(ddof=1))
    ms_image = seeds * float(by_image.var(ddof=1))
    residual = d - by_seed[:, None] - by_image[None, :] + mean
    ms_inter = float((residual**2).sum()) / ((seeds - 1) * (images - 1))

    seeds_vary = bool(np.ptp(by_seed) > RESOLUTION)
    if seeds_vary:
        total = ms_seed + max(ms_image - ms_inter, 0.0)
        df = total**2 / (ms_seed**2 / (seeds - 1))
    else:
        total, df = ms_image, math.inf
    se = math.sqrt(total / (seeds * images))
    if se <= RESOLUTION / images:
        if abs(mean) > RESOLUTION:
            return None
        se, p = 0.0, 1.0
    else:
        p = 2 * float(stats.t.sf(abs(mean) / se, df))
    return Crossed(
        diff=mean,
        se=se,
        df=df,
        p=p,
        var_seed=max(ms_seed - ms_inter, 0.0) / images,
        var_image=max(ms_image - ms_inter, 0.0) / seeds,
        var_inter=ms_inter,
        images=images,
        seeds_vary=seeds_vary,
    )
