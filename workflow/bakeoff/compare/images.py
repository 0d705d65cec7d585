"""What the test images alone can say: of the trained models at hand, not of what another seed would give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy import special
from statsmodels.stats.contingency_tables import mcnemar

from bakeoff.compare.paired import LEVEL, RESOLUTION, FloatArray, Interval


@dataclass(frozen=True)
class OverImages:
    """The difference between trained models, its 95 % interval and two-sided p for new images of this kind."""

    diff: float
    ci: Interval
    p: float
    method: Literal["mcnemar", "seed_averaged"]


def mcnemar_test(candidate: FloatArray, baseline: FloatArray) -> OverImages:
    """Exact McNemar test (1947) of which images [N] two models classify rightly, each 0 or 1.

    The interval is Wald's with half an image added to each cell (Agresti & Min 2005), which holds its coverage at few
    images; it may disagree with the exact p in close cases.
    """
    won = int(((candidate > 0.5) & (baseline < 0.5)).sum())
    lost = int(((candidate < 0.5) & (baseline > 0.5)).sum())
    p = float(mcnemar([[0, won], [lost, 0]], exact=True).pvalue) if won + lost else 1.0
    n, apart, either = candidate.size + 2, won - lost, won + lost + 1
    half = float(special.ndtri((1 + LEVEL) / 2)) * math.sqrt(either - apart**2 / n) / n
    return OverImages((won - lost) / candidate.size, (apart / n - half, apart / n + half), p, "mcnemar")


def seed_averaged_test(by_image: FloatArray, smallest: float = RESOLUTION) -> OverImages | None:
    """z-test of the differences `by_image` [N], each averaged over the seeds at hand, images being random.

    None below two images, and when every image differs alike, which leaves nothing to estimate a variance from. Below
    `smallest` two scores are the same number.
    """
    if by_image.size < 2:
        return None
    diff, se = float(by_image.mean()), float(by_image.std(ddof=1)) / math.sqrt(by_image.size)
    if se <= smallest / by_image.size:
        return None if abs(diff) > smallest else OverImages(0.0, (0.0, 0.0), 1.0, "seed_averaged")
    half = float(special.ndtri((1 + LEVEL) / 2)) * se
    return OverImages(diff, (diff - half, diff + half), 2 * float(special.ndtr(-abs(diff) / se)), "seed_averaged")
