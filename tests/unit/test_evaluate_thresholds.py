"""Decisions at thresholds: counts worked out by hand, and the best threshold with its interval."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.evaluate.bootstrap import resamples
from bakeoff.evaluate.spec import TENTHS
from bakeoff.evaluate.thresholds import Candidates, best_threshold, choose_threshold, decide, threshold_table

# Ten examples; three scores stand on a threshold, and those are taken for positive.
SCORES = np.array([0.05, 0.10, 0.22, 0.30, 0.35, 0.48, 0.50, 0.64, 0.77, 0.91])
POSITIVE = np.array([0, 0, 1, 0, 0, 1, 1, 0, 1, 1], dtype=bool)

# threshold: tp, fp, tn, fn, counted in the two lines above
BY_HAND = {
    0.1: (5, 4, 1, 0),
    0.2: (5, 3, 2, 0),
    0.3: (4, 3, 2, 1),
    0.4: (4, 1, 4, 1),
    0.5: (3, 1, 4, 2),
    0.6: (2, 1, 4, 3),
    0.7: (2, 0, 5, 3),
    0.8: (1, 0, 5, 4),
    0.9: (1, 0, 5, 4),
    1.0: (0, 0, 5, 5),
}


def test_the_table_counts_what_a_person_counts() -> None:
    rows = threshold_table(SCORES, POSITIVE, TENTHS)
    assert {row.threshold: (row.tp, row.fp, row.tn, row.fn) for row in rows} == BY_HAND
    for row in rows:
        tp, fp, tn, fn = BY_HAND[row.threshold]
        assert row.accuracy == (tp + tn) / 10
        assert row.recall == tp / 5
        assert row.precision == (tp / (tp + fp) if tp + fp else None)
        assert row.f1 == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_without_a_positive_prediction_there_is_no_precision() -> None:
    row = decide(SCORES, POSITIVE, 1.0)
    assert (row.precision, row.recall, row.f1, row.accuracy) == (None, 0.0, 0.0, 0.5)


def test_scores_of_half_precision_are_held_against_the_threshold_itself() -> None:
    below = np.array([0.1], dtype=np.float16)  # 0.09998
    assert decide(below, np.array([True]), 0.1).tp == 0


def test_without_a_positive_example_there_is_no_recall() -> None:
    nobody = np.zeros(10, dtype=bool)
    assert astuple(decide(SCORES, nobody, 0.5)) == (0.5, 0.6, 0.0, None, 0.0, 0, 4, 6, 0)
    assert astuple(decide(SCORES, nobody, 1.0)) == (1.0, 1.0, None, None, None, 0, 0, 10, 0)


@pytest.mark.parametrize(
    ("scores", "positive", "best"),
    [
        pytest.param([0.1, 0.2, 0.6, 0.8], [0, 0, 1, 1], 0.4, id="halfway between the two classes"),
        pytest.param([0.1, 0.2, 0.3, 0.9], [0, 1, 0, 1], 0.6, id="of equally good ones that in the widest gap"),
        pytest.param([0.0, 0.25, 0.5, 0.75], [0, 1, 0, 1], 0.125, id="of equally wide ones the lowest"),
        pytest.param([0.3, 0.4], [1, 1], 0.3, id="all are positive"),
        pytest.param([0.3, 0.4], [0, 0], np.nextafter(0.4, 1), id="none is positive"),
        pytest.param([0.5, 0.5, 0.5], [1, 1, 0], 0.5, id="one score, most positive"),
        pytest.param([0.5, 0.5, 0.5], [0, 1, 0], np.nextafter(0.5, 1), id="one score, few positive"),
        pytest.param([-0.9, 0.2], [0, 1], -0.35, id="cosine similarities"),
        pytest.param([0.1, np.nextafter(0.1, 1)], [0, 1], np.nextafter(0.1, 1), id="no float in between"),
        pytest.param([0.7], [1], 0.7, id="one example"),
    ],
)
def test_the_best_threshold(scores: list[float], positive: list[int], best: float) -> None:
    assert best_threshold(np.array(scores), np.array(positive, dtype=bool)) == pytest.approx(best, rel=1e-15)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=20))
@settings(max_examples=150, deadline=None)
def test_no_threshold_is_more_accurate_than_the_best_one(examples: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([s / 6 for s, _ in examples]), np.array([p for _, p in examples])
    best = decide(scores, positive, best_threshold(scores, positive)).accuracy
    everywhere = [decide(scores, positive, t).accuracy for t in np.linspace(-0.1, 1.1, 121)]
    assert best >= max(everywhere) - 1e-12


def test_the_interval_is_the_same_in_whatever_order_the_examples_come() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(300) < 0.4
    scores = np.where(positive, rng.beta(5, 2, 300), rng.beta(2, 5, 300)).round(2)
    order = rng.permutation(300)
    chosen = choose_threshold(scores, positive)
    assert choose_threshold(scores[order], positive[order]) == chosen
    assert chosen.lo <= chosen.threshold <= chosen.hi
    assert 0.3 < chosen.lo < chosen.hi < 0.8


def test_more_examples_make_a_narrower_interval() -> None:
    def width(n: int) -> float:
        rng = np.random.default_rng(1)
        positive = rng.random(n) < 0.5
        chosen = choose_threshold(rng.normal(positive, 0.5), positive)
        return chosen.hi - chosen.lo

    assert width(10_000) < 0.6 * width(200)


def test_a_resample_has_a_threshold_as_accurate_as_its_own_best() -> None:
    rng = np.random.default_rng(4)
    positive = rng.random(40) < 0.5
    scores = rng.normal(positive, 1.0).round(1)
    candidates = Candidates.of(scores, positive)
    (drawn,) = [block[:50] for block in resamples(40)]
    for row, threshold in zip(drawn, candidates.best(drawn[:, candidates.order]), strict=True):
        some, truth = np.repeat(scores, row), np.repeat(positive, row)
        own = decide(some, truth, best_threshold(some, truth))
        assert decide(some, truth, threshold).accuracy == own.accuracy
