"""One row's own numbers: a candidate against the baseline, on one metric.

Nothing here depends on any other row, so that a model added to the study moves no number of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bakeoff.compare import dropouts, paired
from bakeoff.compare.crossed import Crossed, crossed_test, nested_test
from bakeoff.compare.effects import Effects, at_ceiling, effects
from bakeoff.compare.grid import Group, contributions, scores
from bakeoff.compare.images import OverImages, mcnemar_test, seed_averaged_test
from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import Difference, FloatArray, Interval, Summary
from bakeoff.compare.seeds import any_failed, failed, listed, once
from bakeoff.compare.sensitivity import Sensitivity, sensitivity
from bakeoff.compare.spec import CompareSettings, Place
from bakeoff.provenance import canonical


@dataclass(frozen=True)
class Contrast:
    """`ok` and `base` summarise all scores of either side, `difference` only the seeds that both have.

    The baseline's own row has no `difference`. `cells` are the candidate's, in the strata that both sides have. `worst`
    is the difference were every failed run as bad as the worst of its side; `many_lost` says that so many pairs are
    lost that the others may be a selection.
    """

    group: Group
    candidate: str
    metric: str
    direction: str
    cells: tuple[Place, ...]
    ok: Summary
    ok_interval: Interval | None
    base: Summary
    rope: float | None
    completion: float | None = None
    difference: Difference | None = None
    boot: Interval | None = None
    crossed: Crossed | None = None
    images: OverImages | None = None
    effects: Effects = field(default_factory=Effects)
    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    worst: Difference | None = None
    many_lost: bool = False
    seeds_dropped: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sides:
    """Candidate and baseline: their cells, and their scores by seed."""

    cells: Sequence[Place]
    base_cells: Sequence[Place]
    mine: Mapping[int, float]
    base: Mapping[int, float]

    @property
    def both(self) -> tuple[Place, ...]:
        return (*self.cells, *self.base_cells)


def rng_for(rng_seed: int, *key: object) -> np.random.Generator:
    """A generator of its own for each key, the same on every machine and whatever else is computed."""
    digest = hashlib.sha256(canonical([rng_seed, *key]).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence(list(digest)))


def contrast(
    group: Group, candidate: str, metric: str, direction: str, unit: str, loaded: Loaded, settings: CompareSettings
) -> Contrast:
    """Compute the row of `candidate` in `group`; for the baseline itself, its mean and interval only."""
    baseline = group.comparison.baseline
    strata = group.shared(candidate, baseline) if baseline in group.sides else group.shared(candidate)
    cells, base_cells = group.cells(candidate, strata), group.cells(baseline, strata)
    if candidate != baseline:
        cells, base_cells = once(cells, base_cells, loaded)
    sides = _Sides(cells, base_cells, scores(cells, loaded, metric), scores(base_cells, loaded, metric))
    key = (group.comparison.name, group.dataset, dict(group.context), candidate, baseline, metric)
    rng = rng_for(settings.rng_seed, *key)
    ok_interval = paired.bootstrap_interval(_values(sides.mine), rng, settings.n_resamples)
    row = Contrast(
        group=group,
        candidate=candidate,
        metric=metric,
        direction=direction,
        cells=tuple(cells),
        ok=paired.summary(_values(sides.mine)),
        ok_interval=None if any_failed(cells, loaded) else ok_interval,
        base=paired.summary(_values(sides.base)),
        rope=settings.rope.get(metric),
        completion=dropouts.completion(cells, sides.mine),
    )
    if candidate == baseline:
        return row
    return _explained(_compared(row, sides, unit, rng, loaded, settings, key), sides, len(strata), loaded, settings)


def _compared(
    row: Contrast,
    sides: _Sides,
    unit: str,
    rng: np.random.Generator,
    loaded: Loaded,
    settings: CompareSettings,
    key: tuple[object, ...],
) -> Contrast:
    """The row with all that its tests say."""
    n_resamples, overlap = settings.n_resamples, settings.overlap
    difference = paired.compare(sides.mine, sides.base, rng, n_resamples, overlap)
    if any_failed(sides.both, loaded):  # a run counted twice makes any test look sure
        return replace(row, difference=Difference("identical_seeds", difference.seeds, difference.diff))
    shared = bool(difference.seeds)
    a, b = (
        _values({seed: side[seed] for seed in difference.seeds} if shared else side)
        for side in (sides.mine, sides.base)
    )
    boot = paired.bootstrap_interval(a - b, rng, n_resamples) if shared else None
    crossed, images = (None, None) if overlap else _over_images(row.metric, sides, difference.seeds, loaded)
    lost = dropouts.worst_case(sides.cells, sides.base_cells, sides.mine, sides.base, row.metric, row.direction, loaded)
    return replace(
        row,
        difference=difference,
        boot=boot if shared else paired.bootstrap_interval(a, rng, n_resamples, minus=b),
        crossed=crossed,
        images=images,
        effects=effects(a, b, row.direction, unit, shared),
        sensitivity=sensitivity(a, b, shared, rng_for(settings.rng_seed, "bca", *key), n_resamples),
        worst=paired.compare(*lost, rng_for(settings.rng_seed, "worst", *key), n_resamples, overlap) if lost else None,
        warnings=tuple(_test_warnings(difference, crossed, images, a, b, row.direction, unit)),
    )


def _over_images(
    metric: str, sides: _Sides, shared: Sequence[int], loaded: Loaded
) -> tuple[Crossed | None, OverImages | None]:
    """What new images would say: with the seeds random too, and of the trained models at hand."""
    mine = contributions(sides.cells, loaded, shared or sorted(sides.mine), metric)
    base = contributions(sides.base_cells, loaded, shared or sorted(sides.base), metric)
    if mine is None or base is None:
        return None, None
    smallest = paired.resolution(mine.mean(axis=1), base.mean(axis=1))
    crossed = crossed_test(mine - base, smallest) if shared else nested_test(mine, base, smallest)
    single = len(mine) == len(base) == len(sides.cells) == len(sides.base_cells) == 1
    if single and metric == "accuracy":
        return crossed, mcnemar_test(mine[0], base[0])
    return crossed, seed_averaged_test(mine.mean(axis=0) - base.mean(axis=0), smallest)


def _explained(row: Contrast, sides: _Sides, strata: int, loaded: Loaded, settings: CompareSettings) -> Contrast:
    """The row with its lost seeds and what a reader must know of it."""
    assert row.difference is not None
    unpaired = not row.difference.seeds and row.difference.diff is not None
    used = sides.mine.keys() | sides.base.keys() if unpaired else set(row.difference.seeds)
    dropped = tuple(sorted({seed for cell in sides.both for seed in cell.seeds} - used))
    baseline = row.group.comparison.baseline
    warnings = [
        *_strata_warnings(row.group, row.candidate, baseline, strata),
        *_seed_warnings(sides.both, loaded),
        *row.warnings,
    ]
    many_lost = False
    if sides.base_cells:
        named = {row.candidate: sides.cells, baseline: sides.base_cells}
        warnings += dropouts.reasons(named, row.metric, dropped, loaded)
        lost = dropouts.lost(sides.both, dropped)
        many_lost = bool(used) and len(lost) > dropouts.MANY * (len(lost) + len(used))
        if many_lost:
            warnings.append(f"{len(lost)} of {len(lost) + len(used)} seeds lost: what is left may be a selection")
    if settings.seeds_planned is not None and len(used) > settings.seeds_planned:
        warnings.append(
            f"{len(used)} seeds, though {settings.seeds_planned} were planned: who looks and adds seeds until p < 0.05 "
            "finds a difference between equal models in 15 % of cases (looking at 3, 5, 10 and 20 seeds), or in 23 % "
            "(looking after every seed)"
        )
    return replace(row, seeds_dropped=dropped, many_lost=many_lost, warnings=tuple(warnings))


def _values(by_seed: Mapping[int, float]) -> FloatArray:
    return np.array([by_seed[seed] for seed in sorted(by_seed)], dtype=float)


def _seed_warnings(cells: Sequence[Place], loaded: Loaded) -> Iterator[str]:
    for cell in cells:
        for same in failed(cell, loaded):
            yield f"{cell.label}: seeds {listed(same)} gave the same predictions: nothing is tested"


def _strata_warnings(group: Group, candidate: str, baseline: str, shared: int) -> Iterator[str]:
    if baseline not in group.sides:
        yield f"the baseline {baseline} has no runs here: nothing to compare with"
    elif shared < max(len(group.sides[candidate]), len(group.sides[baseline])):
        yield f"averaged over the {shared} settings that both have"


def _test_warnings(
    difference: Difference,
    crossed: Crossed | None,
    images: OverImages | None,
    a: FloatArray,
    b: FloatArray,
    direction: str,
    unit: str,
) -> Iterator[str]:
    n = len(difference.seeds)
    match difference.status:
        case "one_seed":
            only = "" if images is None else "; the test over images is of these trained models only"
            yield f"one seed: cannot say for new seeds{only}"
        case "one_run":
            only = "" if images is None else "; the test over images is of these trained models only"
            yield f"one run, and no seed is shared: cannot say for new seeds{only}"
        case "two_seeds":
            yield "two seeds: no stars, for no exact test of two can go below p = 0.5"
        case "unpaired":
            what = "" if crossed else ", and no test for new images"
            yield f"no seed is shared: unpaired (Welch){what}"
        case "zero_variance":
            yield f"all {n} differences are equal: no t-test; p is that of the exact sign-flip test"
        case "identical" if at_ceiling(a, direction, unit):
            yield f"all {2 * n} scores are the best there is: take a harder metric or test set"
        case "identical":
            yield f"the scores are equal at all {n} seeds: one model under two names, or a metric at its ceiling?"
        case "ok" if min(np.ptp(a), np.ptp(b)) <= paired.resolution(a, b):
            yield f"the {'baseline' if np.ptp(b) < np.ptp(a) else 'candidate'} scores the same at every seed"
    if crossed is not None and not crossed.seeds_vary:
        yield "the seeds do not vary: the test for new images takes the images alone as random"
