"""What every registered metric promises; a new one is tested here without a new test."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from bakeoff.evaluate.metrics import METRICS, Predictions
from bakeoff.evaluate.spec import EvaluateSettings

CLASSES = 4
PERFECT = Predictions(np.tile(np.arange(CLASSES), 5), np.tile(1e4 * np.eye(CLASSES, dtype=np.float32), (5, 1)))
WORST = Predictions(PERFECT.y_true, -PERFECT.logits)

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
@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize("scale", [0.0, 1.0, 3e38])
def test_values_are_in_the_range_or_null_with_a_reason(name: str, n: int, scale: float) -> None:
    rng = np.random.default_rng(n)
    logits = (rng.uniform(-1, 1, (n, CLASSES)) * scale).astype(np.float32)
    measured = METRICS[name].measure(Predictions(rng.integers(0, CLASSES, n), logits))
    low, high = METRICS[name].range
    if measured.value is None:
        assert measured.why_null
    else:
        assert measured.why_null is None
        assert low <= measured.value <= (math.inf if high is None else high)
    assert json.loads(json.dumps(asdict(measured), allow_nan=False)) == asdict(measured)


@every_metric
def test_the_order_of_images_does_not_matter(name: str) -> None:
    rng = np.random.default_rng(0)
    y_true, logits = np.tile(np.arange(CLASSES), 10), rng.normal(size=(10 * CLASSES, CLASSES))
    order = rng.permutation(len(y_true))
    one = METRICS[name].measure(Predictions(y_true, logits)).value
    assert METRICS[name].measure(Predictions(y_true[order], logits[order])).value == pytest.approx(one)


@every_metric
def test_a_study_may_name_it_and_a_reader_learns_what_it_is(name: str) -> None:
    assert EvaluateSettings(metrics=(name,)).metrics == (name,)
    assert METRICS[name].name == name
    assert METRICS[name].source
    assert METRICS[name].compute.__doc__


def test_naming_metrics_imports_no_number_cruncher() -> None:
    code = "import sys, bakeoff.evaluate.spec; print({'numpy', 'scipy', 'sklearn', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
