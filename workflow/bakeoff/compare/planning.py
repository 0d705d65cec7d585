"""How many seeds, and how many test images, a difference needs: from what the runs at hand show of its noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import special

from bakeoff.compare.paired import LEVEL, MIN_SEEDS, POWER

# No advice goes beyond these.
MOST_SEEDS = 100_000
MOST_IMAGES = 10**9


@dataclass(frozen=True)
class Components:
    """Variances of a difference: between seeds, between images, and between what one seed says of one image.

    That of the mean over S paired seeds and N images is seed/S + image/N + inter/(S·N). The crossed test is never surer
    than the t-test over seeds on the same images (`bakeoff.compare.crossed`), and neither is what is expected of it.
    """

    seed: float
    image: float
    inter: float

    def precision(self, seeds: int, images: float) -> tuple[float, float]:
        """Standard error and degrees of freedom (Hillis 2007) to expect of `seeds` >= 2 and `images`."""
        by_seed = images * self.seed + self.inter  # the mean square that is expected of the seeds
        total = by_seed + seeds * self.image
        df = total**2 / (by_seed**2 / (seeds - 1)) if by_seed > 0 else math.inf
        return math.sqrt(total / (seeds * images)), df

    def over_seeds(self, seeds: int, images: float) -> tuple[float, float]:
        """Standard error and degrees of freedom to expect of the t-test over `seeds` >= 2 on `images` that stay."""
        return math.sqrt((self.seed + self.inter / images) / seeds), seeds - 1

    def half_width(self, seeds: int, images: float) -> float:
        """Half of the 95 % interval to expect for new seeds and new images: never below that for these images."""
        tests = self.precision(seeds, images), self.over_seeds(seeds, images)
        return max(_quantile((1 - LEVEL) / 2, df) * se for se, df in tests)

    def power(self, effect: float, seeds: int, images: float, alpha: float) -> float:
        """The chance that the crossed test of so many seeds and images shows a true difference of `effect`."""
        return min(
            power(effect, *self.precision(seeds, images), alpha), power(effect, *self.over_seeds(seeds, images), alpha)
        )

    def gain(self, seeds: int, images: int, more_seeds: int, more_images: int) -> float:
        """The fraction by which the interval would shrink with that many seeds and images instead.

        The degrees of freedom change too, and with them the factor of the standard error: at three seeds a doubling
        gains most by it. Never below 0: what more of the same costs in estimated degrees of freedom is no loss.
        """
        now = self.half_width(seeds, images)
        return max(0.0, 1 - self.half_width(more_seeds, more_images) / now) if now > 0 else 0.0


def power(effect: float, se: float, df: float, alpha: float) -> float:
    """The chance that a two-sided t-test at `alpha` shows a true difference of `effect`, the far tail left out."""
    if se <= 0:
        return 1.0
    shift, critical = abs(effect) / se, _quantile(alpha / 2, df)
    if math.isinf(df):
        return float(special.ndtr(shift - critical))
    missed = float(special.nctdtr(df, shift, critical))
    if math.isnan(missed):  # scipy gives up on some large shifts: the normal approximation (Johnson & Welch 1940)
        missed = float(special.ndtr((critical * (1 - 1 / (4 * df)) - shift) / math.sqrt(1 + critical**2 / (2 * df))))
    return 1 - missed


def _quantile(tail: float, df: float) -> float:
    """The t, or of infinite `df` the z, that is exceeded with probability `tail`."""
    return -float(special.ndtri(tail) if math.isinf(df) else special.stdtrit(df, tail))


def seeds_needed(effect: float, std: float, alpha: float, overlap: float = 0.0) -> int | None:
    """The fewest paired seeds, of those that earn a p, at which a paired t-test at `alpha` shows a true difference of
    `effect` with power 0.8.

    `std` is that of the differences. `overlap` is n_test/n_train where splits are re-drawn (Nadeau & Bengio 2003),
    which no number of seeds makes up for. None when there is no such number up to MOST_SEEDS.
    """
    if effect == 0 or std <= 0:
        return None
    return _fewest(lambda n: power(effect, std * math.sqrt(1 / n + overlap), n - 1, alpha), MIN_SEEDS, MOST_SEEDS)


def images_needed(components: Components, effect: float, seeds: int, alpha: float) -> int | None:
    """The fewest test images at which the crossed test of `seeds` seeds shows a true difference of `effect`.

    With power 0.8. None when no number of images does, for so few seeds are the limit.
    """
    if effect == 0 or seeds < 2:
        return None
    return _fewest(lambda n: components.power(effect, seeds, n, alpha), 2, MOST_IMAGES)


def seeds_alone_help(components: Components, effect: float, images: int, alpha: float) -> bool:
    """Whether any number of seeds, on these images, shows a true difference of `effect` with power 0.8."""
    return power(effect, math.sqrt(components.image / images), math.inf, alpha) >= POWER


def _fewest(power_of: Callable[[int], float], low: int, high: int) -> int | None:
    """The smallest whole number from `low` to `high` with power 0.8, of a power that rises with it."""
    if power_of(high) < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= POWER else (middle + 1, high)
    return low
