"""Curves on a grid: what is read off where the curve steps, ties, and what has no curve."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.evaluate.details import MANY_CLASSES, curves
from bakeoff.evaluate.predictions import Predictions
from bakeoff.evaluate.ranking import GRID, Ranking

# By falling score: + - + - of 2 positives and 2 negatives.
ALTERNATING = Ranking.of(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))


def at(values: np.ndarray, x: float) -> float:
    return float(values[round(100 * x)])


def test_a_roc_curve_that_steps_has_the_upper_end_of_each_step() -> None:
    tpr = ALTERNATING.true_positive_rate()
    assert [at(tpr, x) for x in (0.0, 0.25, 0.49, 0.5, 0.75, 1.0)] == [0.5, 0.5, 0.5, 1.0, 1.0, 1.0]
    assert ALTERNATING.auroc() == 0.75


def test_equal_scores_are_a_slope() -> None:
    tied = Ranking.of(np.array([0.5, 0.5, 0.1]), np.array([True, False, False]))
    tpr = tied.true_positive_rate()
    assert [at(tpr, x) for x in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.5, 1.0, 1.0]
    assert tied.auroc() == 0.75


def test_precision_is_that_of_the_threshold_that_reaches_the_recall() -> None:
    precision = ALTERNATING.precision_at_recall()
    assert [at(precision, x) for x in (0.0, 0.5, 0.51, 1.0)] == pytest.approx([1.0, 1.0, 2 / 3, 2 / 3])
    assert ALTERNATING.average_precision() == pytest.approx((1 + 2 / 3) / 2)


def test_the_mean_of_the_precision_over_all_recalls_is_the_average_precision() -> None:
    rng = np.random.default_rng(0)
    positive = rng.permutation(np.arange(300) < 100)  # each recall is a hundredth
    line = Ranking.of(rng.normal(positive, 1.0), positive)
    assert line.precision_at_recall()[1:].mean() == pytest.approx(line.average_precision())


def test_the_grid_is_hit_exactly_where_counts_are_hundredths() -> None:
    positive = np.arange(10) < 10
    assert Ranking.of(np.linspace(1, 0.5, 10), positive).precision_at_recall() == pytest.approx(1.0)
    line = Ranking.of(np.linspace(1, 0, 20), np.arange(20) % 2 == 0)
    tpr = line.true_positive_rate()
    assert [at(tpr, k / 10) for k in range(10)] == [(k + 1) / 10 for k in range(10)]


def predictions(classes: int, missing: bool = False) -> Predictions:
    rng = np.random.default_rng(1)
    y_true = np.arange(10 * classes) % (classes - missing)
    return Predictions(y_true, rng.normal(size=(len(y_true), classes)) + np.eye(classes)[y_true])


def test_each_class_has_its_curve_and_the_mean_is_theirs() -> None:
    p, names = predictions(3), ["a", "b", "c"]
    found = curves(p, names)
    assert found["roc"]["fpr"] == found["pr"]["recall"] == GRID.tolist()
    assert GRID.tolist() == [k / 100 for k in range(101)]
    for curve in (found["roc"], found["pr"]):
        assert list(curve["classes"]) == names
        assert {len(line) for line in curve["classes"].values()} == {101}
        assert curve["macro"] == pytest.approx(np.mean(list(curve["classes"].values()), axis=0), abs=1e-6)


def test_a_class_without_images_has_no_curve_and_leaves_no_mean() -> None:
    found = curves(predictions(3, missing=True), ["a", "b", "c"])
    for curve in (found["roc"], found["pr"]):
        assert curve["classes"]["c"] is None
        assert curve["classes"]["a"] is not None
        assert curve["macro"] is None


def test_many_classes_have_the_mean_alone() -> None:
    found = curves(predictions(MANY_CLASSES + 1), [str(c) for c in range(MANY_CLASSES + 1)])
    assert found["roc"]["classes"] == found["pr"]["classes"] == {}
    assert len(found["roc"]["macro"]) == len(found["pr"]["macro"]) == 101
