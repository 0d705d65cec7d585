"""Scores and predictions made elsewhere, put where the runs of a study stand: then the same statistics apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import Field, PositiveFloat

from bakeoff.compare.csvfile import shown
from bakeoff.compare.load import CellKey, Loaded, Metric, Outcome, Run
from bakeoff.compare.predictions import Predictions
from bakeoff.compare.scores import Score, Scores, label_of
from bakeoff.compare.spec import AXES, Comparison, Name, Place, Questions
from bakeoff.compare.units import Known, Scale, scale_of
from bakeoff.errors import UserError
from bakeoff.problems import nearest
from bakeoff.provenance import Json, validated

ROUNDED = 0.006
"""What an accuracy in a file may differ from that of the predictions: two decimals, rounded or cut off."""

RunKey = tuple[CellKey, int]


class AnyComparison(Comparison):
    """A comparison of what bears any name."""

    baseline: Name


class AnyQuestions(Questions):
    """Questions about metrics and models of any name."""

    metric: Name = "accuracy"
    rope: dict[Name, PositiveFloat] = Field(default_factory=lambda: {"accuracy": 0.005})
    comparisons: Annotated[tuple[AnyComparison, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Request:
    """What a user wants to know. `within` are the axes held fixed (None: all that the files have), `rope` is in the
    numbers of the file, `settings` are those of the comparison that go by their own names.
    """

    baseline: str | None
    metric: str | None = None
    direction: str | None = None
    unit: str | None = None
    factor: str = "model"
    within: tuple[str, ...] | None = None
    rope: float | None = None
    settings: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Assembled:
    """What the statistics work from, the scale of the primary metric, and what was found on the way."""

    questions: AnyQuestions
    loaded: Loaded
    scale: Scale
    warnings: tuple[str, ...]


def assemble(
    scores: Scores | None, predictions: Predictions | None, request: Request, known: Mapping[str, Known]
) -> Assembled:
    """Put scores, predictions, or both in place.

    Raises UserError for numbers that are of no known direction or scale, for predictions that are not those of the
    scores, for pairs on two test sets, and for a baseline that is not there.
    """
    if scores is None:
        if predictions is None:
            raise UserError("compare: give scores, --predictions, or both")
        scores = _accuracies(predictions)
    metric = _metric(scores, request.metric)
    scales, warnings = _scales(scores, metric, request, known)
    rows = [row for row in scores.rows if row.metric in scales]
    warnings += _test_sets(rows, scores.source, request.settings.get("split") == "resampled")
    if predictions is not None:
        warnings += _matched(rows, scores, predictions, scales)
    questions = _questions(rows, (*scores.axes, *(predictions.axes if predictions else ())), metric, scales, request)
    runs = dict(_runs(rows, predictions, scales))
    if not any(metric in run.metrics and run.metrics[metric].value is not None for run in runs.values()):
        raise UserError(f"{scores.source}: no run has a value of {shown(metric)}, so there is nothing to compare")
    found = [*scores.warnings, *(predictions.warnings if predictions else ()), *warnings, *_coverage(questions, runs)]
    loaded = Loaded(runs, {}, predictions.tests if predictions else {})
    return Assembled(questions, loaded, scales[metric], tuple(found))


def _accuracies(predictions: Predictions) -> Scores:
    rows = [
        Score(0, *key, seed, "accuracy", float(np.mean(outcome.correct)), "ok", None, ())
        for (key, seed), outcome in predictions.outcomes.items()
        if outcome.correct is not None
    ]
    return Scores(predictions.source, predictions.axes, tuple(rows))


# --- metrics ------------------------------------------------------------------------------------------------------


def _metric(scores: Scores, wanted: str | None) -> str:
    names = sorted({row.metric for row in scores.rows})
    if wanted is None:
        if len(names) == 1 or "accuracy" in names:
            return "accuracy" if "accuracy" in names else names[0]
        raise UserError(f"{scores.source}: has several metrics; name one, as in --metric {shown(names[0])}")
    if wanted not in names:
        raise UserError(f"--metric: {scores.source} has no {shown(wanted)!r}; {shown(nearest(wanted, names), 400)}")
    return wanted


def _scales(
    scores: Scores, metric: str, request: Request, known: Mapping[str, Known]
) -> tuple[dict[str, Scale], list[str]]:
    """The scale of each metric whose direction is known, and which are left out."""
    scales, warnings = {}, []
    for name in sorted({row.metric for row in scores.rows}):
        mine = [row for row in scores.rows if row.metric == name]
        said = (request.direction, request.unit) if name == metric else (None, None)
        scale = scale_of(mine, scores.source, known, *said)
        if scale is not None:
            scales[name] = scale
            if scale.per_cent and said[1] is None:
                warnings.append(f"{shown(name)} is read as per cent, for some values are above 1")
        elif name == metric:
            raise UserError(f"--direction: whether more {shown(name)} is better is not known: say max or min")
        else:
            warnings.append(f"{shown(name)} is left out: whether more of it is better is not known (column direction)")
    return scales, warnings


# --- runs ---------------------------------------------------------------------------------------------------------


def _runs(
    rows: Sequence[Score], predictions: Predictions | None, scales: Mapping[str, Scale]
) -> Iterator[tuple[RunKey, Run]]:
    by_run: dict[RunKey, list[Score]] = {}
    for row in rows:
        by_run.setdefault((row.key, row.seed), []).append(row)
    for key, mine in by_run.items():
        statuses = {row.status for row in mine}
        if statuses == {"missing"}:
            continue
        ended_well = "ok" in statuses
        outcome = predictions.outcomes.get(key, Outcome()) if predictions else Outcome()
        metrics = {row.metric: _as_metric(row, scales[row.metric]) for row in mine}
        yield (
            key,
            Run(
                seed=key[1],
                metrics=metrics,
                outcome=outcome if ended_well else None,
                fault="diverged" if "diverged" in statuses else "failed",
            ),
        )


def _as_metric(row: Score, scale: Scale) -> Metric:
    value = None if row.value is None else row.value * scale.factor
    return Metric(value, scale.unit, scale.direction, why_null=None if value is not None else row.status)


def _test_sets(rows: Sequence[Score], source: str, resampled: bool) -> list[str]:
    """What is to be said of test images that differ among seeds. Raises UserError where they differ within a pair."""
    first: dict[tuple[str, int], Score] = {}
    for row in rows:
        if row.test:
            other = first.setdefault((row.dataset, row.seed), row)
            if other.test != row.test:
                raise UserError(
                    f"{source}: lines {other.line} and {row.line}: seed {row.seed} of {shown(other.model)} has "
                    f"{' and '.join(other.test)}, of {shown(row.model)} {' and '.join(row.test)}: "
                    "runs on two test sets do not compare"
                )
    tests: dict[str, set[tuple[str, ...]]] = {}
    for row in first.values():
        tests.setdefault(row.dataset, set()).add(row.test)
    several = sorted(dataset for dataset, of_seeds in tests.items() if len(of_seeds) > 1)
    if resampled or not several:
        return []
    return [
        f"{shown(', '.join(several))}: test images differ among seeds; --split resampled (with --n-train and --n-test) "
        "takes into account what such runs share"
    ]


def _matched(rows: Sequence[Score], scores: Scores, predictions: Predictions, scales: Mapping[str, Scale]) -> list[str]:
    """What is to be said of predictions beside scores. Raises UserError when they are not of the same runs."""
    there = {(row.key, row.seed) for row in rows}
    strange = [key for key in predictions.outcomes if key not in there]
    if strange:
        (place, seed) = strange[0]
        raise UserError(
            f"{predictions.source}: has predictions of {label_of(place)} at seed {seed}, of which "
            f"{scores.source} has no score ({len(strange)} such): are names and seeds the same in both?"
        )
    for row in rows:
        outcome = predictions.outcomes.get((row.key, row.seed))
        if row.metric != "accuracy" or row.value is None or outcome is None or outcome.correct is None:
            continue
        said, true = row.value * scales["accuracy"].factor, float(np.mean(outcome.correct))
        if abs(said - true) > ROUNDED:
            raise UserError(
                f"{scores.source}: line {row.line}: accuracy of {row.label} at seed {row.seed} is "
                f"{100 * said:.2f} %, but {100 * true:.2f} % by its predictions in {predictions.source}"
            )
    done = {(row.key, row.seed) for row in rows if row.value is not None}
    without = len(done - set(predictions.outcomes))
    return [f"{without} of {len(done)} runs have no predictions: no test for new images with them"] if without else []


def _coverage(questions: Questions, runs: Mapping[RunKey, Run]) -> Iterator[str]:
    expected = [(cell.key, seed) for cell in questions.cells for seed in cell.seeds]
    ends = [runs[key].status if key in runs else "missing" for key in expected]
    for state in ("missing", "failed", "diverged"):
        if number := ends.count(state):
            yield f"{number} of {len(ends)} runs {'are missing' if state == 'missing' else state}"


# --- questions ----------------------------------------------------------------------------------------------------


def _questions(
    rows: Sequence[Score], axes: Sequence[str], metric: str, scales: Mapping[str, Scale], request: Request
) -> AnyQuestions:
    seeds: dict[CellKey, set[int]] = {}
    for row in rows:
        seeds.setdefault(row.key, set()).add(row.seed)
    if request.factor not in AXES[1:]:
        raise UserError(f"--factor: {request.factor!r} is none; choose from {', '.join(AXES[1:])}")
    values = sorted({key[AXES.index(request.factor)] for key in seeds})
    if request.baseline is None:
        raise UserError(f"--baseline: name the {request.factor} to compare with; {shown(nearest('', values), 400)}")
    if request.baseline not in values:
        hint = shown(nearest(request.baseline, values), 400)
        raise UserError(f"--baseline: {shown(request.baseline)!r} is no {request.factor} of these scores; {hint}")
    within = request.within if request.within is not None else tuple(axis for axis in axes if axis != request.factor)
    strange = [axis for axis in within if axis not in AXES]
    if strange:
        raise UserError(f"--within: {shown(strange[0])!r} is none; choose from {', '.join(AXES)}")
    spec: dict[str, Any] = {
        **request.settings,
        **_rope(metric, scales[metric], request.rope),
        "metric": metric,
        "comparisons": [{"factor": request.factor, "baseline": request.baseline, "within": within}],
        "cells": [Place(**dict(zip(AXES, key, strict=True)), seeds=tuple(found)) for key, found in seeds.items()],
    }
    return validated(AnyQuestions, spec, source="compare")


def _rope(metric: str, scale: Scale, rope: float | None) -> Json:
    """The margin in the unit of the metric. Raises UserError for one that was meant in per cent of fractions."""
    if rope is None:
        return {}
    margin = rope * scale.factor
    if scale.unit == "fraction" and margin >= 0.5:
        raise UserError(
            f"--rope: {rope:g} is {100 * margin:g} points; {shown(metric)} is in "
            f"{'per cent' if scale.per_cent else 'fractions'} here, and so is the margin"
        )
    return {"rope": {metric: margin}}
