"""One row's own numbers: a candidate against the baseline, on one metric.

Nothing here depends on any other row, so that a model added to the study moves no number of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.compare import paired
from bakeoff.compare.crossed import Crossed, crossed_test
from bakeoff.compare.grid import Group, correctness, scores
from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import Difference, FloatArray, Interval, Summary
from bakeoff.compare.seeds import any_failed, failed, listed
from bakeoff.compare.spec import CompareSettings, Place
from bakeoff.provenance import canonical

# Above this share of lost pairs, the runs that are left are a selection.
MANY_LOST = 0.2


@dataclass(frozen=True)
class Contrast:
    """`ok` and `base` summarise all scores of either side, `difference` only the seeds that both have.

    The baseline's own row has no `difference`. `cells` are the candidate's, in the strata that both sides have.
    """

    group: Group
    candidate: str
    metric: str
    direction: str
    cells: tuple[Place, ...]
    ok: Summary
    ok_interval: Interval | None
    base: Summary
    difference: Difference | None
    boot: Interval | None
    crossed: Crossed | None
    rope: float | None
    seeds_dropped: tuple[int, ...]
    warnings: tuple[str, ...]


def rng_for(rng_seed: int, *key: object) -> np.random.Generator:
    """A generator of its own for each key, the same on every machine and whatever else is computed."""
    digest = hashlib.sha256(canonical([rng_seed, *key]).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence(list(digest)))


def contrast(
    group: Group, candidate: str, metric: str, direction: str, loaded: Loaded, settings: CompareSettings
) -> Contrast:
    """Compute the row of `candidate` in `group`; for the baseline itself, its mean and interval only."""
    baseline = group.comparison.baseline
    strata = group.shared(candidate, baseline) if baseline in group.sides else group.shared(candidate)
    cells, base_cells = group.cells(candidate, strata), group.cells(baseline, strata)
    mine, base = scores(cells, loaded, metric), scores(base_cells, loaded, metric)
    name = group.comparison.name
    rng = rng_for(settings.rng_seed, name, group.dataset, dict(group.context), candidate, baseline, metric)

    ok_interval = paired.bootstrap_interval(_values(mine), rng, settings.n_resamples)
    if any_failed(cells, loaded):
        ok_interval = None
    difference, boot, crossed = None, None, None
    dropped: tuple[int, ...] = ()
    warnings: list[str] = []
    if candidate != baseline:
        difference = paired.compare(mine, base, rng, settings.n_resamples)
        used = mine.keys() | base.keys() if difference.status == "unpaired" else set(difference.seeds)
        if any_failed((*cells, *base_cells), loaded):  # a run counted twice makes any test look sure
            difference = Difference("identical_seeds", difference.seeds, difference.diff)
        else:
            boot = _bootstrap(difference, mine, base, rng, settings.n_resamples)
            crossed = _crossed(cells, base_cells, difference.seeds, loaded) if metric == "accuracy" else None
        dropped = tuple(sorted({seed for cell in (*cells, *base_cells) for seed in cell.seeds} - used))
        warnings += _strata_warnings(group, candidate, baseline, len(strata))
        warnings += _seed_warnings((*cells, *base_cells), loaded)
        warnings += _test_warnings(difference, crossed)
        if base_cells:
            warnings += _lost_warnings({candidate: cells, baseline: base_cells}, metric, dropped, loaded)
            # Seeds that a side never planned, such as those of an ensemble over seeds, are not lost.
            lost = [seed for seed in dropped if all(seed in cell.seeds for cell in (*cells, *base_cells))]
            warnings += _selection_warnings(len(lost), len(used))
    return Contrast(
        group=group,
        candidate=candidate,
        metric=metric,
        direction=direction,
        cells=tuple(cells),
        ok=paired.summary(_values(mine)),
        ok_interval=ok_interval,
        base=paired.summary(_values(base)),
        difference=difference,
        boot=boot,
        crossed=crossed,
        rope=settings.rope.get(metric),
        seeds_dropped=dropped,
        warnings=tuple(warnings),
    )


def _values(by_seed: Mapping[int, float]) -> FloatArray:
    return np.array([by_seed[seed] for seed in sorted(by_seed)], dtype=float)


def _bootstrap(
    difference: Difference,
    mine: Mapping[int, float],
    base: Mapping[int, float],
    rng: np.random.Generator,
    n_resamples: int,
) -> Interval | None:
    if difference.seeds:
        d = np.array([mine[seed] - base[seed] for seed in difference.seeds])
        return paired.bootstrap_interval(d, rng, n_resamples)
    return paired.bootstrap_interval(_values(mine), rng, n_resamples, minus=_values(base))


def _crossed(
    cells: Sequence[Place], base_cells: Sequence[Place], shared: Sequence[int], loaded: Loaded
) -> Crossed | None:
    if not shared:
        return None
    mine, base = correctness(cells, loaded, shared), correctness(base_cells, loaded, shared)
    return None if mine is None or base is None else crossed_test(mine - base)


def _seed_warnings(cells: Sequence[Place], loaded: Loaded) -> Iterator[str]:
    for cell in cells:
        for same in failed(cell, loaded):
            yield f"{cell.label}: seeds {listed(same)} gave the same predictions: nothing is tested"


def _strata_warnings(group: Group, candidate: str, baseline: str, shared: int) -> Iterator[str]:
    if baseline not in group.sides:
        yield f"the baseline {baseline} has no runs here: nothing to compare with"
    elif shared < max(len(group.sides[candidate]), len(group.sides[baseline])):
        yield f"averaged over the {shared} settings that both have"


def _test_warnings(difference: Difference, crossed: Crossed | None) -> Iterator[str]:
    n = len(difference.seeds)
    match difference.status:
        case "one_seed":
            yield "one seed: cannot say"
        case "two_seeds":
            yield "two seeds: no stars, for no exact test of two can go below p = 0.5"
        case "unpaired":
            yield "no seed is shared: unpaired (Welch), and no test for new images"
        case "zero_variance":
            yield f"all {n} differences are equal: no t-test; p is that of the exact sign-flip test"
        case "identical":
            yield f"the scores are equal at all {n} seeds: one model under two names, or a metric at its ceiling?"
    if crossed is not None and not crossed.seeds_vary:
        yield "the seeds do not vary: the test for new images takes the images alone as random"


def _lost_warnings(
    sides: Mapping[str, Sequence[Place]], metric: str, dropped: Sequence[int], loaded: Loaded
) -> Iterator[str]:
    """Which seeds fell, and through whom."""
    for value, cells in sides.items():
        reasons: dict[str, list[int]] = {}
        for seed in dropped:
            for reason in sorted({_lack(cell, seed, metric, loaded) for cell in cells} - {""}):
                reasons.setdefault(reason, []).append(seed)
        for reason, seeds in sorted(reasons.items()):
            yield f"{value} {reason} at seed {' '.join(map(str, seeds))}: dropped"


def _selection_warnings(lost: int, left: int) -> Iterator[str]:
    if left and lost > MANY_LOST * (lost + left):
        yield f"{lost} of {lost + left} seeds lost: what is left may be a selection"


def _lack(cell: Place, seed: int, metric: str, loaded: Loaded) -> str:
    """What a cell lacks at a seed: nothing ("") when its run is done and has the metric."""
    if seed not in cell.seeds:
        return "was not run"
    run = loaded.runs.get((cell.key, seed))
    if run is None:
        return "is missing"
    if run.outcome is None:
        return run.status
    return "" if metric in run.metrics and run.metrics[metric].value is not None else f"has no {metric}"
