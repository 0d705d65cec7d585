"""What a row owes to the others of its family: corrected p, stars and verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from statsmodels.stats.multitest import multipletests

from bakeoff.compare import paired
from bakeoff.compare.contrast import Contrast
from bakeoff.compare.planning import seeds_needed
from bakeoff.compare.spec import CompareSettings, Correction

UNCORRELATED = 0.2
"""Below this correlation over seeds an unpaired test would be the more powerful one (measured at five seeds)."""


@dataclass(frozen=True)
class Needed:
    """What would show a true difference with power 0.8 at the strictest level of the family; null: nothing would.

    A difference as large as the margin: seeds on these test images, and test images at these seeds. As large as the
    observed one: a noisy number, and mostly too low, for what is looked at tends to look large.
    """

    seeds_for_rope: int | None = None
    seeds_for_observed: int | None = None
    images_for_rope: int | None = None


@dataclass(frozen=True)
class Judgement:
    """`family_size` counts the tests that were corrected for; rows that could not be tested are not among them. A claim
    that two models are equivalent is corrected as one that they differ: `p_tost_adj`.

    `scope` says what is random in the test that the verdict rests on: "seeds", "seeds+images", or "images", which speak
    of the trained models alone and give no verdict.
    """

    verdict: str
    family: str | None = None
    family_size: int | None = None
    p_adj: float | None = None
    crossed_p_adj: float | None = None
    stars: str = ""
    dagger: str = ""
    p_tost: float | None = None
    p_tost_adj: float | None = None
    mde80: float | None = None
    scope: str | None = None
    needed: Needed = field(default_factory=Needed)
    warnings: tuple[str, ...] = ()


def adjust(p: Sequence[float | None], correction: Correction) -> list[float | None]:
    """Holm's (1979) or Benjamini & Hochberg's (1995) adjusted p; what is None or NaN stays None and is not counted."""
    tested = [i for i, value in enumerate(p) if value is not None and not math.isnan(value)]
    values = np.array([p[i] for i in tested], dtype=float)
    if len(tested) > 1 and correction == "bh":
        values = multipletests(values, method="fdr_bh")[1]
    elif len(tested) > 1 and correction == "holm":  # multipletests collects garbage each time: 50 ms for a few products
        order = np.argsort(values, kind="stable")
        steps = np.maximum.accumulate(values[order] * np.arange(len(tested), 0, -1))
        values[order] = np.minimum(steps, 1.0)
    adjusted: list[float | None] = [None] * len(p)
    for i, value in zip(tested, values, strict=True):
        adjusted[i] = float(value)
    return adjusted


def stars(p: float | None, better: bool, alpha: Sequence[float]) -> str:
    """One mark for each level that `p` is below: ★ for better, ▼ for worse."""
    return ("★" if better else "▼") * (0 if p is None else sum(p < level for level in alpha))


def verdict(p: float | None, better: bool, p_tost: float | None, alpha: float) -> str:
    """In words: better, worse, equivalent (within the margin), inconclusive, or not testable."""
    if p is None:
        return "not testable"
    if p < alpha:
        return "better" if better else "worse"
    return "equivalent" if p_tost is not None and p_tost < alpha else "inconclusive"


def judge(contrasts: Sequence[Contrast], settings: CompareSettings) -> list[Judgement]:
    """Judge the rows of one comparison, in their order: a family is all candidates of one data set.

    Only the primary metric is judged; others keep their raw p. The verdict takes the stricter of the two tests, over
    seeds and for new images.
    """
    judged = [row.metric == settings.metric and row.difference is not None for row in contrasts]
    results: list[Judgement] = [_unjudged(row, settings) for row in contrasts]
    for dataset in {row.group.dataset for row in contrasts}:
        members = [i for i, row in enumerate(contrasts) if judged[i] and row.group.dataset == dataset]
        rows = [contrasts[i] for i in members]
        p = adjust([row.difference.p_used if row.difference else None for row in rows], settings.correction)
        crossed = adjust([row.crossed.p if row.crossed else None for row in rows], settings.correction)
        size = sum(value is not None for value in p)
        tested = [row if p_adj is not None else None for row, p_adj in zip(rows, p, strict=True)]
        alike = adjust([_p_tost(row) if row else None for row in tested], settings.correction)
        alike_new = adjust([_p_tost_new(row) if row else None for row in tested], settings.correction)
        for i, row, *p_row in zip(members, rows, p, crossed, alike, alike_new, strict=True):
            results[i] = _judgement(row, _Corrected(*p_row), size, settings)
    return results


@dataclass(frozen=True)
class _Corrected:
    """The p of a row as its family has it: of a difference and of equivalence, over seeds and for new images too."""

    here: float | None
    new: float | None
    alike_here: float | None
    alike_new: float | None

    @property
    def both(self) -> float | None:
        """The stricter of the two tests of a difference."""
        return None if self.here is None else _strictest(self.here, self.new)

    @property
    def alike(self) -> float | None:
        """The stricter of the two tests of equivalence."""
        return None if self.alike_here is None else _strictest(self.alike_here, self.alike_new)


def _unjudged(row: Contrast, settings: CompareSettings) -> Judgement:
    if row.difference is None:
        return Judgement("baseline")
    alpha = settings.alpha[0]
    lost = "‡" if row.many_lost else ""
    return Judgement(
        "exploratory",
        dagger=lost,
        p_tost=_p_tost(row),
        mde80=_mde80(row, alpha),
        scope=_scope(row),
        needed=_needed(row, alpha, settings.overlap),
    )


def _judgement(row: Contrast, p: _Corrected, size: int, settings: CompareSettings) -> Judgement:
    assert row.difference is not None
    alpha = settings.alpha[0]
    strictest = alpha / (max(size, 1) if settings.correction != "none" else 1)
    better = ((row.difference.diff or 0.0) > 0) == (row.direction == "max")
    here, both = verdict(p.here, better, p.alike_here, alpha), verdict(p.both, better, p.alike, alpha)
    marks = stars(p.here, better, settings.alpha)
    floor = row.difference.p_floor
    return Judgement(
        verdict=both,
        family=f"{row.group.comparison.name}/{row.group.dataset}/{row.metric}",
        family_size=size,
        p_adj=p.here,
        crossed_p_adj=p.new,
        stars=marks,
        dagger=("†" if marks and floor is not None and floor >= alpha else "") + "‡" * row.many_lost,
        p_tost=_p_tost(row),
        p_tost_adj=p.alike_here,
        mde80=_mde80(row, strictest),
        scope=_scope(row),
        needed=_needed(row, strictest, settings.overlap),
        warnings=tuple(_warnings(row, here, both, marks, p.alike_here, alpha)),
    )


def _strictest(p: float, other: float | None) -> float:
    return p if other is None else max(p, other)


def _p_tost(row: Contrast) -> float | None:
    return row.difference.p_tost(row.rope) if row.difference and row.rope else None


def _p_tost_new(row: Contrast) -> float | None:
    return row.crossed.p_tost(row.rope) if row.crossed and row.rope else None


def _mde80(row: Contrast, alpha: float) -> float | None:
    """The smallest true difference, in the metric's unit, that so many seeds would show with power 0.8."""
    if row.difference is None or not row.difference.std or row.difference.se is None:
        return None
    n = len(row.difference.seeds)
    return paired.detectable_effect(n, alpha) * math.sqrt(n) * row.difference.se


def _scope(row: Contrast) -> str | None:
    if row.difference is not None and row.difference.p_used is not None:
        return "seeds+images" if row.crossed else "seeds"
    return "images" if row.images else None


def _needed(row: Contrast, alpha: float, overlap: float) -> Needed:
    if row.difference is None or not row.difference.std:
        return Needed()
    std, crossed = row.difference.std, row.crossed
    return Needed(
        seeds_for_rope=seeds_needed(row.rope, std, alpha, overlap) if row.rope else None,
        seeds_for_observed=seeds_needed(row.difference.diff or 0.0, std, alpha, overlap),
        images_for_rope=crossed.images_needed(row.rope, alpha) if crossed and row.rope else None,
    )


def _warnings(row: Contrast, here: str, both: str, marks: str, p_tost: float | None, alpha: float) -> Iterable[str]:
    if here != both:
        yield f"{here} on this test set, but not shown for new images"
    if marks and p_tost is not None and p_tost < alpha:
        yield "significant, but smaller than the margin of equivalence"
    if both == "inconclusive" and row.crossed and row.rope and row.crossed.seeds_alone_help(row.rope, alpha) is False:
        yield "no number of seeds would show a difference of the margin for new images: the test set is too small"
    r = row.effects.seed_correlation
    if here == "inconclusive" and r is not None and r < UNCORRELATED:
        yield f"note: over seeds both hardly vary together (r < {UNCORRELATED}): pairing them gains nothing here"
