"""Where two models differ: class by class, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.compare import paired, seeds
from bakeoff.compare.aggregate import rounded
from bakeoff.compare.contrast import rng_for
from bakeoff.compare.families import adjust
from bakeoff.compare.grid import Group, groups
from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import Difference, FloatArray
from bakeoff.compare.spec import CompareInput, Place
from bakeoff.provenance import Json, finite

MOST = 20
"""Of more classes, those with the largest differences are kept."""


@dataclass(frozen=True)
class _Side:
    """Confusion rates [C, C] by seed, mean over the cells; a class without test images has a row of NaN."""

    rates: Mapping[int, FloatArray]

    def mean(self, chosen: Sequence[int]) -> FloatArray:
        matrix: FloatArray = np.mean([self.rates[seed] for seed in chosen], axis=0)
        return matrix

    def recalls(self, c: int) -> dict[int, float]:
        return {seed: float(matrix[c, c]) for seed, matrix in self.rates.items()}


def rows(inputs: CompareInput, loaded: Loaded) -> list[Json]:
    """The rows of diagnostics.json: each candidate against its baseline, in the order of the comparison's rows."""
    found = []
    for comparison in inputs.comparisons:
        for group in groups(comparison, inputs.cells):
            for candidate in group.sides:
                row = None if candidate == comparison.baseline else _row(group, candidate, inputs, loaded)
                found += [row] if row else []
    return found


def _row(group: Group, candidate: str, inputs: CompareInput, loaded: Loaded) -> Json | None:
    """None when either side has no run that ended well."""
    baseline = group.comparison.baseline
    strata = group.shared(candidate, baseline)
    cells, base_cells = seeds.once(group.cells(candidate, strata), group.cells(baseline, strata), loaded)
    mine, base = _side(cells, loaded), _side(base_cells, loaded)
    if not (mine.rates and base.rates):
        return None
    shared = sorted(mine.rates.keys() & base.rates.keys())
    ours, theirs = mine.mean(shared or sorted(mine.rates)), base.mean(shared or sorted(base.rates))
    key = ("classes", group.comparison.name, group.dataset, dict(group.context), candidate, baseline)
    rng = rng_for(inputs.rng_seed, *key)
    differences = [_difference(mine.recalls(c), base.recalls(c), rng, inputs.n_resamples) for c in range(ours.shape[0])]
    if seeds.any_failed((*cells, *base_cells), loaded):
        differences = [Difference("identical_seeds", difference.seeds) for difference in differences]
    level = inputs.alpha[0]
    p_adj = adjust([difference.p_used for difference in differences], "bh")
    names = next(run.class_names for cell in cells for run in loaded.done(cell))
    support = next(iter(loaded.evaluated(cells[0]).values())).confusion.sum(axis=1)
    change = ours - theirs
    kept = _largest(np.diag(change))

    def described(c: int) -> Json:
        lo, hi = differences[c].ci or (None, None)
        p = p_adj[c]
        return {
            "class": names[c],
            "support": int(support[c]),
            "recall": finite(float(ours[c, c])),
            "base_recall": finite(float(theirs[c, c])),
            "diff": finite(float(change[c, c])),
            "lo": lo,
            "hi": hi,
            "p": differences[c].p_used,
            "p_adj": p,
            "significant": p is not None and p < level,
        }

    return {
        "dataset": group.dataset,
        "comparison": group.comparison.name,
        "factor": group.comparison.factor,
        "context": dict(group.context),
        "candidate": candidate,
        "baseline": baseline,
        "seeds": shared,
        "n_classes": len(names),
        "n_tested": sum(p is not None for p in p_adj),
        "n_significant": sum(p is not None and p < level for p in p_adj),
        "alpha": level,
        "classes": [described(c) for c in kept],
        "confusion": [rounded(line) for line in change[np.ix_(kept, kept)]],
    }


def _side(cells: Sequence[Place], loaded: Loaded) -> _Side:
    """Only seeds at which every cell has a run that ended well."""
    outcomes = [loaded.evaluated(cell) for cell in cells]
    common = set.intersection(*(set(by_seed) for by_seed in outcomes)) if outcomes else set()
    return _Side({seed: np.mean([_rates(by_seed[seed].confusion) for by_seed in outcomes], axis=0) for seed in common})


def _rates(confusion: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> FloatArray:
    sums = confusion.sum(axis=1, keepdims=True)
    rates: FloatArray = np.divide(confusion, sums, out=np.full(confusion.shape, np.nan), where=sums > 0)
    return rates


def _difference(
    mine: Mapping[int, float], base: Mapping[int, float], rng: np.random.Generator, n_resamples: int
) -> Difference:
    """Of one class's recall, paired by seed; no test of a class without test images."""
    if any(np.isnan(value) for value in (*mine.values(), *base.values())):
        return Difference("no_pairs")
    return paired.compare(mine, base, rng, n_resamples)


def _largest(differences: FloatArray) -> list[int]:
    """The classes to keep, in their order; those without test images are the first to go."""
    size = np.where(np.isnan(differences), -1.0, np.abs(differences))
    return sorted(np.argsort(-size, kind="stable")[:MOST].tolist())
