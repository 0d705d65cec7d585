"""The grid as an experiment of several factors: what each does on the whole, and whether that depends on another.

Seeds are the blocks: every effect is worked out inside each seed, then tested over seeds, as the rows of the table are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy import linalg, stats

from bakeoff.compare import families, paired
from bakeoff.compare.cells import ends, metrics
from bakeoff.compare.contrast import rng_for
from bakeoff.compare.families import adjust
from bakeoff.compare.grid import scores
from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import Difference, FloatArray
from bakeoff.compare.seeds import any_failed
from bakeoff.compare.spec import AXES, Axis, Place, Questions
from bakeoff.provenance import Json

# What a level is called that changes nothing, for factors of which no comparison names a baseline.
_PLAIN = ("none", "default", "plain")

BySeed = Mapping[int, float]


@dataclass(frozen=True)
class Factor:
    """An axis with more than one level on a data set; the baseline comes first."""

    axis: Axis
    levels: tuple[str, ...]

    @property
    def baseline(self) -> str:
        """The level that the others are held against."""
        return self.levels[0]


@dataclass(frozen=True)
class Repeated:
    """F of an effect within seeds, with the Greenhouse-Geisser epsilon, and p with degrees of freedom times it."""

    f: float
    df1: int
    df2: int
    epsilon: float
    p: float


def factorial(inputs: Questions, loaded: Loaded) -> list[Json]:
    """`factorial` of comparison.json: one entry for each data set on which two factors or more vary, on the primary
    metric. Cells made from others' runs, and elsewhere, take no part.
    """
    known = metrics(inputs, loaded)[inputs.metric]
    found = []
    for dataset in dict.fromkeys(cell.dataset for cell in inputs.cells):
        every = [cell for cell in inputs.cells if cell.dataset == dataset]
        cells = [cell for cell in every if not (cell.combined or cell.external)]
        factors = [factor for axis in AXES[1:] if (factor := _factor(axis, cells, inputs))]
        if len(factors) < 2:
            continue
        view = _View(dataset, cells, known.direction, inputs, loaded)
        found.append(
            {
                "dataset": dataset,
                "metric": inputs.metric,
                "unit": known.unit,
                "direction": known.direction,
                "factors": {factor.axis: list(factor.levels) for factor in factors},
                "main": [row for factor in factors for row in view.main(factor)],
                "interactions": [view.interaction(factor, between) for between, factor in combinations(factors, 2)],
                "without": sorted({cell.model for cell in every if cell.combined}),
            }
        )
    return found


def _factor(axis: Axis, cells: Sequence[Place], inputs: Questions) -> Factor | None:
    levels = sorted({str(getattr(cell, axis)) for cell in cells})
    if len(levels) < 2:
        return None
    named = [comparison.baseline for comparison in inputs.comparisons if comparison.factor == axis]
    first = next((level for level in (*named, *_PLAIN) if level in levels), levels[0])
    return Factor(axis, (first, *(level for level in levels if level != first)))


@dataclass(frozen=True)
class _View:
    """The cells of one data set, and how effects are taken from them."""

    dataset: str
    cells: Sequence[Place]
    direction: str
    inputs: Questions
    loaded: Loaded

    def main(self, factor: Factor) -> list[Json]:
        """Each level against the baseline, averaged inside each seed over all settings that both have."""
        rows = [self._effect({factor.axis: level}, [({}, 1)], factor, level) for level in factor.levels[1:]]
        return self._judged(rows)

    def interaction(self, factor: Factor, between: Factor) -> Json:
        """Whether what `factor` does differs between the levels of `between`: its effect at each, and the differences
        of these effects from that at the baseline.
        """
        axis = between.axis
        simple = [
            self._effect({axis: place, factor.axis: level}, [({axis: place}, 1)], factor, level)
            for place in between.levels
            for level in factor.levels[1:]
        ]
        differences = [
            self._effect(
                {axis: place, factor.axis: level}, [({axis: place}, 1), ({axis: between.baseline}, -1)], factor, level
            )
            for place in between.levels[1:]
            for level in factor.levels[1:]
        ]
        overall, why = self._overall(factor, between)
        return {
            "factor": factor.axis,
            "between": axis,
            "baselines": {factor.axis: factor.baseline, axis: between.baseline},
            "simple": simple,
            "differences": self._judged(differences),
            "overall": overall,
            "why": why,
        }

    def _effect(self, levels: Json, terms: Sequence[tuple[Json, int]], factor: Factor, level: str) -> Json:
        """The sum over `terms` (settings held fixed, sign) of `level` minus the baseline of the factor."""
        axis = factor.axis
        signed = [
            ({**fixed, axis: name}, sign * way)
            for fixed, sign in terms
            for name, way in ((level, 1), (factor.baseline, -1))
        ]
        strata = self._shared([fixed for fixed, _ in signed])
        sides: dict[int, list[BySeed]] = {1: [], -1: []}
        used: list[Place] = []
        for fixed, sign in signed:
            cells = self._cells(fixed, strata)
            used += cells
            sides[sign].append(scores(cells, self.loaded, self.inputs.metric))
        rng = rng_for(self.inputs.rng_seed, "factorial", self.dataset, levels, self.inputs.metric)
        plus, minus = _summed(sides[1]), _summed(sides[-1])
        # Levels without a common seed have no effect inside any.
        shared = plus.keys() & minus.keys()
        plus, minus = ({seed: side[seed] for seed in shared} for side in (plus, minus))
        difference = paired.compare(plus, minus, rng, self.inputs.n_resamples, self.inputs.overlap)
        if any_failed(used, self.loaded):
            difference = Difference("identical_seeds", difference.seeds, difference.diff)
        return {
            "factor": axis,
            "levels": levels,
            "baseline": factor.baseline,
            "averaged_over": len(strata),
            "status": difference.status,
            "n_pairs": len(difference.seeds),
            "seeds_used": list(difference.seeds),
            "diff": difference.diff,
            **ends("diff_ci_lo", "diff_ci_hi", difference.ci),
            **{name: getattr(difference, name) for name in ("t", "df", "p_raw", "p_exact", "p_used", "p_method")},
        }

    def _judged(self, rows: Sequence[Json]) -> list[Json]:
        """Rows of one family of tests with their corrected p and what follows."""
        level = self.inputs.alpha[0]
        p_adj = adjust([row["p_used"] for row in rows], self.inputs.correction)
        size = sum(p is not None for p in p_adj)
        found = []
        for row, p in zip(rows, p_adj, strict=True):
            better = ((row["diff"] or 0.0) > 0) == (self.direction == "max")
            marks = families.stars(p, better, self.inputs.alpha)
            verdict = families.verdict(p, better, None, level)
            found.append({**row, "p_adj": p, "family_size": size, "stars": marks, "verdict": verdict})
        return found

    def _overall(self, factor: Factor, between: Factor) -> tuple[Json | None, str | None]:
        """F of the whole interaction, or why there is none."""
        pairs = list(product(between.levels, factor.levels))
        settings: list[Json] = [{between.axis: place, factor.axis: level} for place, level in pairs]
        strata = self._shared(settings)
        by_seed = [scores(self._cells(fixed, strata), self.loaded, self.inputs.metric) for fixed in settings]
        seeds = sorted(set.intersection(*(set(values) for values in by_seed)))
        if not strata:
            return None, "the grid has holes: not every pair of levels has runs of the same settings"
        if len(seeds) < paired.MIN_SEEDS:
            return None, f"{len(seeds)} seeds have all cells, fewer than {paired.MIN_SEEDS}"
        if any_failed(self.cells, self.loaded):
            return None, "seeds of a cell gave the same predictions"
        if self.inputs.overlap:
            return None, "each seed drew its own split, and no F is corrected for the images that these share"
        table: FloatArray = np.array([[values[seed] for values in by_seed] for seed in seeds], dtype=float)
        contrasts = np.kron(_contrasts(len(between.levels)), _contrasts(len(factor.levels))).astype(np.float64)
        test = repeated(table, contrasts)
        if test is None:
            return None, "the effects do not vary over seeds"
        return {"f": test.f, "df1": test.df1, "df2": test.df2, "epsilon": test.epsilon, "p": test.p}, None

    def _shared(self, settings: Sequence[Json]) -> list[tuple[str, ...]]:
        """The settings of all other axes at which each of these has a cell."""
        rest = [axis for axis in AXES if axis not in settings[0]]
        strata = [{tuple(getattr(c, axis) for axis in rest) for c in self._at(fixed)} for fixed in settings]
        return sorted(set.intersection(*strata))

    def _cells(self, fixed: Json, strata: Sequence[tuple[str, ...]]) -> list[Place]:
        rest = [axis for axis in AXES if axis not in fixed]
        return [cell for cell in self._at(fixed) if tuple(getattr(cell, axis) for axis in rest) in strata]

    def _at(self, fixed: Json) -> Iterator[Place]:
        return (cell for cell in self.cells if all(getattr(cell, axis) == value for axis, value in fixed.items()))


def _summed(sides: Sequence[BySeed]) -> dict[int, float]:
    seeds = set.intersection(*(set(side) for side in sides))
    return {seed: sum(side[seed] for side in sides) for seed in sorted(seeds)}


def _contrasts(levels: int) -> FloatArray:
    """Orthonormal contrasts of so many levels: [levels - 1, levels]."""
    found: FloatArray = linalg.helmert(levels)
    return found


def repeated(values: FloatArray, contrasts: FloatArray) -> Repeated | None:
    """Repeated-measures F of orthonormal `contrasts` [d, m] of the cells `values` [S seeds, m]; None without variance.

    F is that of the usual analysis of variance, seeds as subjects: mean square of the effect over that of its
    interaction with seeds. p has both degrees of freedom times the epsilon of Greenhouse and Geisser (1959), because
    the contrasts of an effect need not vary alike; at few seeds that is conservative.
    """
    seeds, d = values.shape[0], contrasts.shape[0]
    effects = values @ contrasts.T  # [S, d]
    covariance = np.atleast_2d(np.cov(effects, rowvar=False))
    trace = float(np.trace(covariance))
    if trace <= paired.resolution(values) ** 2:
        return None
    f = seeds * float((effects.mean(axis=0) ** 2).sum()) / trace
    epsilon = trace**2 / (d * float((covariance**2).sum()))
    df1, df2 = d, d * (seeds - 1)
    return Repeated(f, df1, df2, epsilon, float(stats.f.sf(f, epsilon * df1, epsilon * df2)))
