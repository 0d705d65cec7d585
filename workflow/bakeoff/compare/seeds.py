"""Whether the seeds of a cell did what seeds are for: other predictions each time, and not too much other.

Every statistic over seeds takes them as repetitions. Two equal ones are one run counted twice, which makes any
difference look sure; and a spread far from what chance alone would give says that something is wrong with the training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bakeoff.compare.load import Loaded
from bakeoff.compare.spec import Place

FAR = 3.0
"""How many times more, or less, than expected is far off."""
LUCK = 0.01
"""How rare a spread must be, if the expected one were the true one, to be spoken of."""


@dataclass(frozen=True)
class Spread:
    """How much accuracy varies over `n` seeds (`std`, ddof 1), and how much is to be expected of so many test images.

    Jordan (2023), "Calibrated chaos", arXiv:2304.01910: trainings whose ensemble is calibrated have a variance of test
    accuracy of err/(2N). It is derived for two classes and a guide for more.
    """

    n: int
    error: float
    images: int
    std: float

    @property
    def expected(self) -> float:
        """sqrt(err/(2N))."""
        return math.sqrt(self.error / (2 * self.images))

    @property
    def ratio(self) -> float | None:
        """Observed over expected; None for runs without an error, of which no spread is expected."""
        return self.std / self.expected if self.error > 0 else None

    @property
    def verdict(self) -> str | None:
        """What a ratio far off suggests; None where there is nothing to say, or so few seeds may say it by luck.

        Variances over seeds scatter by chi-squared. Accuracy comes in steps of 1/N, whose variance of 1/(12 N²) keeps
        equal counts of a few errors from looking impossible.
        """
        if self.ratio is None or self.n < 2:
            return None
        steps = 1 / (12 * self.images**2)
        scatter = (self.n - 1) * (self.std**2 + steps) / self.expected**2
        if self.ratio < 1 / FAR and stats.chi2.cdf(scatter, self.n - 1) < LUCK / 2:
            return "seeds hardly change anything: are they applied?"
        if self.ratio > FAR and stats.chi2.sf(scatter, self.n - 1) < LUCK / 2:
            return "unstable training"
        return None


def listed(seeds: Sequence[int]) -> str:
    """As in "0, 1 and 4"."""
    *first, last = map(str, seeds)
    return f"{', '.join(first)} and {last}" if first else last


def twins(cell: Place, loaded: Loaded) -> list[tuple[int, ...]]:
    """The groups of two seeds or more that gave the same predictions, bit for bit."""
    found: dict[str, list[int]] = {}
    for seed, outcome in loaded.outcomes(cell).items():
        if outcome.predictions_digest is not None:
            found.setdefault(outcome.predictions_digest, []).append(seed)
    return [tuple(seeds) for seeds in found.values() if len(seeds) > 1]


def without_randomness(cell: Place, loaded: Loaded) -> bool:
    """Whether seeds need change nothing: of a control method, which profiles skip, for it is fitted and not trained;
    and of an ONNX file of others, as its runs say.
    """
    sources = {((run.record or {}).get("weights") or {}).get("source") for run in loaded.of(cell)}
    skipped = bool(cell.profiles) and all(loaded.profiles[ref.name].status == "skipped" for ref in cell.profiles)
    return skipped or sources == {"onnx"}


def once(cells: list[Place], base_cells: list[Place], loaded: Loaded) -> tuple[list[Place], list[Place]]:
    """Both sides of a comparison, with one seed alone where neither has any randomness and every seed gave the same
    predictions: their difference is one number, and as many of it would look like so many repetitions.
    """
    both = [*cells, *base_cells]
    if not (cells and base_cells and all(_steady(cell, loaded) for cell in both)):
        return cells, base_cells
    common = set.intersection(*(set(loaded.outcomes(cell)) for cell in both))
    if not common:
        return cells, base_cells
    one = {"seeds": (min(common),)}
    return [cell.model_copy(update=one) for cell in cells], [cell.model_copy(update=one) for cell in base_cells]


def _steady(cell: Place, loaded: Loaded) -> bool:
    return without_randomness(cell, loaded) and [len(same) for same in twins(cell, loaded)] == [len(loaded.done(cell))]


def failed(cell: Place, loaded: Loaded) -> list[tuple[int, ...]]:
    """The seeds that ought to differ and do not."""
    return [] if without_randomness(cell, loaded) else twins(cell, loaded)


def any_failed(cells: Sequence[Place], loaded: Loaded) -> bool:
    """Whether any of the cells repeats a run under another seed."""
    return any(failed(cell, loaded) for cell in cells)


def spread(cell: Place, loaded: Loaded) -> Spread | None:
    """The spread of a cell's accuracy; None below two runs, and for seeds that need change nothing or failed to."""
    rows = [outcome.correct for outcome in loaded.outcomes(cell).values() if outcome.correct is not None]
    if len(rows) < 2 or twins(cell, loaded):
        return None
    # Counted, so that equal scores have no spread at all.
    right = np.array([np.count_nonzero(correct) for correct in rows])
    images = rows[0].size
    return Spread(len(rows), float(1 - right.mean() / images), images, float(right.std(ddof=1) / images))
