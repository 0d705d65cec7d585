"""What a pilot of a few seeds says that the study proper needs: how many seeds, how many test images.

A pilot's spread is itself known only roughly, and so is everything planned from it; see `Plan.spread`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from bakeoff.compare import paired, planning
from bakeoff.compare.planning import Components
from bakeoff.compare.spec import CompareSettings
from bakeoff.provenance import Json

SEEDS = (3, 5, 10, 20, 30)
TIMES_IMAGES = (1, 2, 4)
FEW = 3
"""Below this many seeds, a pilot's spread is known to no order of magnitude."""


@dataclass(frozen=True)
class Outlook:
    """What so many seeds and test images promise: half of the 95 % interval, and the chance to show `effect`.

    `images` is None where the test images at hand are all that is spoken of: their own chance is not in the interval.
    """

    seeds: int
    images: int | None
    half_width: float
    power: float | None


@dataclass(frozen=True)
class Plan:
    """One candidate against the baseline. Differences are in the metric's unit, `alpha` is Holm's strictest level.

    `effect` is what must be shown: the margin of equivalence, else the difference seen. `spread` are the 95 % bounds
    of the standard deviation `std` of the paired differences. What takes new images into account (`images_needed`,
    `seeds_needed_new`) needs predictions; None there, with `images`, is "no number does". `reason` says why nothing
    can be planned.
    """

    dataset: str
    context: Mapping[str, str]
    candidate: str
    baseline: str
    seeds: int
    images: int | None
    diff: float | None
    alpha: float
    margin: float | None = None
    effect: float | None = None
    std: float | None = None
    spread: tuple[float, float] | None = None
    detectable: float | None = None
    seeds_for_margin: int | None = None
    seeds_for_observed: int | None = None
    images_needed: int | None = None
    seeds_help: bool | None = None
    outlooks: tuple[Outlook, ...] = ()
    reason: str | None = None


def plans(rows: Sequence[Json], images: Mapping[str, int], settings: CompareSettings) -> list[Plan]:
    """A plan for each candidate in `rows`, those of comparison.json; `images` has the size of each test set."""
    tested = [row for row in rows if row["metric"] == settings.metric and row["status"] != "baseline"]
    return [_plan(row, _family(row, tested, settings), images.get(row["dataset"]), settings.overlap) for row in tested]


def _family(row: Json, tested: Sequence[Json], settings: CompareSettings) -> float:
    """The level that the smallest p of the study proper must be below."""
    same = [other for other in tested if (other["dataset"], other["comparison"]) == (row["dataset"], row["comparison"])]
    return settings.alpha[0] / (len(same) if settings.correction != "none" else 1)


def _plan(row: Json, alpha: float, images: int | None, overlap: float) -> Plan:
    n, diff, margin = row["n_pairs"] or 0, row["diff"], row["rope"]
    std = _std(row, n, overlap)
    known = {name: row[name] for name in ("dataset", "context", "candidate", "baseline")}
    if not std:
        return Plan(**known, seeds=n, images=images, diff=diff, alpha=alpha, reason=_reason(row, n))
    effect = margin or abs(diff)
    components = _components(row) if images else None
    return Plan(
        **known,
        seeds=n,
        images=images if components else None,
        diff=diff,
        alpha=alpha,
        margin=margin,
        effect=effect,
        std=std,
        spread=_spread(std, n),
        detectable=paired.detectable_effect(n, alpha) * std * math.sqrt(1 + n * overlap),
        seeds_for_margin=planning.seeds_needed(margin, std, alpha, overlap) if margin else None,
        seeds_for_observed=planning.seeds_needed(abs(diff), std, alpha, overlap),
        images_needed=planning.images_needed(components, effect, n, alpha) if components else None,
        seeds_help=planning.seeds_alone_help(components, effect, images, alpha) if components and images else None,
        outlooks=tuple(_outlooks(std, components, images, effect, alpha, overlap)),
    )


def _std(row: Json, n: int, overlap: float) -> float | None:
    """Of the paired differences, from the t interval of their mean."""
    if n < 2 or row["diff_ci_lo"] is None or row["status"] == "unpaired":
        return None
    half = (row["diff_ci_hi"] - row["diff_ci_lo"]) / 2
    return float(half / math.sqrt(1 / n + overlap) / stats.t.ppf((1 + paired.LEVEL) / 2, n - 1))


def _reason(row: Json, n: int) -> str:
    if row["status"] in ("zero_variance", "identical"):
        return f"the differences are the same at all {n} seeds, so there is no spread to plan from"
    if row["status"] == "unpaired":
        return "no seed is shared with the baseline; a plan is made of paired seeds"
    if row["status"] == "identical_seeds":
        return "seeds gave the same predictions, so they are no repetitions"
    return f"a pilot needs two seeds that both have, better {FEW}; there {'is one' if n == 1 else 'is none'}"


def _spread(std: float, n: int) -> tuple[float, float]:
    """95 % bounds of a standard deviation of `n` normal values."""
    tail = (1 - paired.LEVEL) / 2
    low, high = stats.chi2.ppf([1 - tail, tail], n - 1)
    return std * math.sqrt((n - 1) / low), std * math.sqrt((n - 1) / high)


def _components(row: Json) -> Components | None:
    found = [row[name] for name in ("var_seed", "var_image", "var_inter")]
    return None if None in found else Components(*found)


def _outlooks(
    std: float, components: Components | None, images: int | None, effect: float, alpha: float, overlap: float
) -> Iterator[Outlook]:
    for seeds in SEEDS:
        if components is None or images is None:
            se = std * math.sqrt(1 / seeds + overlap)
            chance = planning.power(effect, se, seeds - 1, alpha) if effect else None
            yield Outlook(seeds, None, float(stats.t.ppf((1 + paired.LEVEL) / 2, seeds - 1)) * se, chance)
            continue
        for times in TIMES_IMAGES:
            half = components.half_width(seeds, times * images)
            chance = components.power(effect, seeds, times * images, alpha) if effect else None
            yield Outlook(seeds, times * images, half, chance)
