"""What every registered metric promises; a new one is tested here without a new test."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

from bakeoff.evaluate.metrics import METRICS
from bakeoff.evaluate.predictions import BestEpoch, Predictions
from bakeoff.evaluate.registry import UndefinedError
from bakeoff.evaluate.spec import EvaluateSettings

CLASSES = 7  # more than top5 asks about
RNG = np.random.default_rng(5)


def noisy(n: int) -> Predictions:
    """Predictions of which some are wrong and most right, so that a temperature can be fitted."""
    y_true = np.tile(np.arange(CLASSES), n)
    return Predictions(y_true, RNG.normal(size=(len(y_true), CLASSES)) + 2 * np.eye(CLASSES)[y_true])


VALIDATION = noisy(20)
Y_TRUE = np.tile(np.arange(CLASSES), 5)
ONE_HOT = np.tile(1e4 * np.eye(CLASSES, dtype=np.float32), (5, 1))
# Nothing is better than the end of the range, and for a difference of two accuracies that is -1.
PERFECT = Predictions(Y_TRUE, ONE_HOT, VALIDATION, BestEpoch(0.0, 1.0))
WORST = Predictions(Y_TRUE, -ONE_HOT, VALIDATION, BestEpoch(1.0, 0.0))

every_metric = pytest.mark.parametrize("name", METRICS)


@every_metric
def test_perfect_predictions_reach_the_best_of_the_range(name: str) -> None:
    assert METRICS[name].best is not None
    assert METRICS[name].measure(PERFECT).value == METRICS[name].best


@every_metric
def test_direction_says_which_is_better(name: str) -> None:
    best, worst = METRICS[name].measure(PERFECT).value, METRICS[name].measure(WORST).value
    assert best is not None
    assert worst is not None
    assert best > worst if METRICS[name].direction == "max" else best < worst


@every_metric
@pytest.mark.parametrize("classes", [1, 2, CLASSES])
@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize("scale", [0.0, 1.0, 3e38])
def test_values_are_in_the_range_or_null_with_a_reason(name: str, classes: int, n: int, scale: float) -> None:
    rng = np.random.default_rng(n)

    def part() -> Predictions:
        logits = (rng.uniform(-1, 1, (n, classes)) * scale).astype(np.float32)
        return Predictions(rng.integers(0, classes, n), logits)

    measured = METRICS[name].measure(replace(part(), validation=part(), best_epoch=BestEpoch(0.9, 0.8)))
    low, high = METRICS[name].range
    if measured.value is None:
        assert measured.why_null
        assert (measured.lo, measured.hi) == (None, None)
    else:
        assert measured.why_null is None
        assert low <= measured.value <= (math.inf if high is None else high)
    if measured.lo is not None:
        assert measured.value is not None
        assert measured.hi is not None
        assert low <= measured.lo <= measured.value <= measured.hi <= (math.inf if high is None else high)
    assert json.loads(json.dumps(asdict(measured), allow_nan=False)) == asdict(measured)


@every_metric
def test_the_order_of_images_does_not_matter(name: str) -> None:
    some = noisy(10)
    # Few distinct logits, so that equal confidences are common: their order must not matter either.
    for logits in (some.logits, some.logits.round()):
        order = np.random.default_rng(0).permutation(len(some.y_true))
        one = Predictions(some.y_true, logits, VALIDATION, BestEpoch(0.9, 0.8))
        other = replace(one, y_true=some.y_true[order], logits=logits[order])
        left, right = METRICS[name].measure(one), METRICS[name].measure(other)
        assert right.value == pytest.approx(left.value)
        assert (right.lo, right.hi) == (pytest.approx(left.lo), pytest.approx(left.hi))


@every_metric
def test_what_needs_more_than_test_predictions_is_null_without_it(name: str) -> None:
    bare = METRICS[name].measure(Predictions(PERFECT.y_true, PERFECT.logits))
    assert bare.value is not None or bare.why_null


@every_metric
def test_a_study_may_name_it_and_a_reader_learns_what_it_is(name: str) -> None:
    metric = METRICS[name]
    assert EvaluateSettings(metrics=(name,)).metrics == (name,)
    assert metric.name == name
    assert metric.source
    assert 10 < len(metric.about) <= 120
    assert metric.about.endswith(".")
    # Whoever reads a fraction shows it as per cent, and refuses what cannot be one.
    assert metric.unit != "fraction" or -1 <= metric.range[0] <= (metric.range[1] or 0) <= 1


def test_undefined_is_no_error_of_the_run() -> None:
    def undefined(p: Predictions) -> float:
        raise UndefinedError("no reason")

    measured = replace(METRICS["accuracy"], compute=undefined).measure(PERFECT)
    assert (measured.value, measured.why_null) == (None, "no reason")


def test_naming_metrics_imports_no_number_cruncher() -> None:
    code = "import sys, bakeoff.evaluate.spec; print({'numpy', 'scipy', 'sklearn', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_the_step_imports_nothing_that_takes_seconds() -> None:
    code = "import sys, bakeoff.evaluate.step; print({'sklearn', 'pandas', 'torch', 'scipy.stats'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
