"""Verification: are two images of one identity? The numbers of a set of embeddings, each with its interval.

embeddings -> scores of pairs      verification_pairs
scores -> ROC curve -> numbers     verification_curve
... and their intervals            verification_bootstrap
files and what is wrong with them  verification_file
record, tables, figure, text       verification_output
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from bakeoff.evaluate import verification_curve as curves
from bakeoff.evaluate.thresholds import Decision
from bakeoff.evaluate.verification_bootstrap import FEWEST, Bootstrap, bootstrap
from bakeoff.evaluate.verification_curve import Curve
from bakeoff.evaluate.verification_pairs import GRID, FloatArray, Pairs, threshold_level, workers

FEW_IDENTITIES = 20  # below, intervals are rough
FEW_ACCEPTS = 10  # false accepts below which a TAR rests on a handful of pairs


@dataclass(frozen=True)
class Options:
    """What is asked for; thresholds and FARs in the order of the tables."""

    thresholds: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    far: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4)
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; `why_null` says why a part is missing."""

    value: float | None
    lo: float | None = None
    hi: float | None = None
    why_null: str | None = None


@dataclass(frozen=True)
class AtFar:
    """The largest TAR of a threshold whose FAR is at most `far`; `reached` is that FAR."""

    far: float
    tar: Estimate
    threshold: float | None = None
    reached: float | None = None
    false_accepts: int | None = None


@dataclass(frozen=True)
class Best:
    """The threshold of the highest accuracy on the pairs it was chosen on, and what it does to the test pairs."""

    chosen_on: str
    threshold: Estimate
    accuracy_there: float
    accuracy: Estimate
    decision: Decision
    accepts_none: bool


@dataclass(frozen=True, eq=False)
class Verification:
    """All numbers of a set of pairs. `roc` has at most 1001 points."""

    identities: int
    genuine: int
    impostor: int
    auc: Estimate
    eer: Estimate
    eer_threshold: float
    tar_at_far: list[AtFar]
    table: list[tuple[Decision, Estimate]]  # with the accuracy's interval
    best: Best
    roc: Curve
    warnings: list[str]


def verify(pairs: Pairs, options: Options, validation: Pairs | None = None) -> Verification:
    """Every number of these pairs; the best threshold is that of the validation pairs, where there are some."""
    with workers() as pool:
        if validation is None:
            test = chooser = _measure(pairs, options, pool)
        else:
            chooser = _measure(validation, options, pool)
            test = _measure(pairs, options, pool, int(curves.best_level(chooser.exact)))
    exact = test.exact
    best = _best(test, chooser)
    at_far = [_at_far(test, target) for target in options.far]
    levels = [threshold_level(threshold) for threshold in options.thresholds]
    table = [
        (_decide(exact, threshold, level), _accuracy(test, level))
        for threshold, level in zip(options.thresholds, levels, strict=True)
    ]
    return Verification(
        identities=pairs.identities,
        genuine=int(exact.genuine),
        impostor=int(exact.impostor),
        auc=test.estimate(curves.auc),
        eer=test.estimate(curves.eer),
        eer_threshold=curves.eer_level(exact) / GRID,
        tar_at_far=at_far,
        table=table,
        best=best,
        roc=test.roc,
        warnings=_warnings(pairs, best, at_far),
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """The curve of some pairs: exact, with fewer points, and drawn anew."""

    exact: Curve
    roc: Curve
    drawn: Bootstrap

    def estimate(self, statistic: Callable[[Curve], FloatArray]) -> Estimate:
        """A statistic that lies in 0..1."""
        value = float(statistic(self.exact))
        interval = self.drawn.interval(statistic, value)
        return Estimate(value, interval.lo, interval.hi, interval.why_null)


def _measure(pairs: Pairs, options: Options, pool: Executor, *levels: int) -> _Measured:
    """`levels`: thresholds, beside those of the table and of the curve, to know the replicates' counts at."""
    exact = curves.count(pairs, pool)
    roc = curves.thinned(exact, options.far)
    asked_for = [*map(threshold_level, options.thresholds), *levels]
    cuts = exact.at(np.union1d(roc.levels, np.array(asked_for, dtype=np.int64))[::-1])
    return _Measured(exact, roc, bootstrap(pairs, cuts, options.resamples, options.seed, pool))


def _accuracy(measured: _Measured, level: int) -> Estimate:
    """Of accepting the pairs at this level and above."""
    return measured.estimate(lambda curve: curve.accuracy[curve.point(level)])


def _decide(curve: Curve, threshold: float, level: int) -> Decision:
    """Counts and shares of accepting the pairs at this level and above; `threshold` is its name."""
    point = curve.point(level)
    tp, fp = (int(accepts[point - 1]) if point else 0 for accepts in (curve.true_accepts, curve.false_accepts))
    fn, tn = int(curve.genuine) - tp, int(curve.impostor) - fp
    return Decision(
        threshold=float(threshold),
        accuracy=(tp + tn) / (tp + fp + tn + fn),
        precision=tp / (tp + fp) if tp + fp else None,
        recall=tp / (tp + fn),
        f1=2 * tp / (2 * tp + fp + fn),
        tp=tp,
        fp=fp,
        tn=tn,
        fn=fn,
    )


def _at_far(measured: _Measured, target: float) -> AtFar:
    exact = measured.exact
    if exact.impostor * target < 1:
        return AtFar(target, Estimate(None, why_null=f"needs {math.ceil(1 / target):,} impostor pairs or more"))
    tar = measured.estimate(partial(curves.tar_at_far, target=target))
    point = curves.point_of_far(exact, target)
    if not point:  # already the highest score has a higher FAR
        return AtFar(target, tar, None, 0.0, 0)
    accepts = int(exact.false_accepts[point - 1])
    return AtFar(target, tar, int(exact.levels[point - 1]) / GRID, accepts / int(exact.impostor), accepts)


def _best(test: _Measured, chooser: _Measured) -> Best:
    level = int(curves.best_level(chooser.exact))
    interval = chooser.drawn.interval(curves.best_level, level, (-GRID, GRID + 1))
    lo, hi = (None if end is None else end / GRID for end in (interval.lo, interval.hi))
    return Best(
        chosen_on="these pairs" if chooser is test else "validation",
        threshold=Estimate(level / GRID, lo, hi, interval.why_null),
        accuracy_there=float(chooser.exact.accuracy.max()),
        accuracy=_accuracy(test, level),
        decision=_decide(test.exact, level / GRID, level),
        accepts_none=not chooser.exact.point(level),
    )


def _warnings(pairs: Pairs, best: Best, at_far: Sequence[AtFar]) -> list[str]:
    found = []
    if FEWEST <= pairs.identities < FEW_IDENTITIES:
        found.append(f"{pairs.identities} identities are few: intervals over them are rough")
    if best.accepts_none:
        found.append("no threshold is more accurate than to accept no pair at all")
    if best.chosen_on != "validation":
        found.append("the best threshold was chosen on the pairs it is applied to; its accuracy is flattered")
    for row in at_far:
        if row.false_accepts is not None and row.false_accepts < FEW_ACCEPTS:
            found.append(f"TAR at FAR {row.far:g} rests on {row.false_accepts} false accepts")
    return found
