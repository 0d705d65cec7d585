"""Corrections, stars, verdicts and ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bakeoff.compare.families import adjust, stars, verdict
from bakeoff.compare.ranking import Standing, standings
from bakeoff.compare.spec import CompareSettings, Comparison

ALPHA = (0.05, 0.01)


@pytest.mark.parametrize("correction", ["holm", "bh", "none"])
def test_what_cannot_be_tested_is_not_counted(correction):
    with_gaps = adjust([0.01, None, 0.04, math.nan, 0.03], correction)
    assert with_gaps[1] is None
    assert with_gaps[3] is None
    assert [p for p in with_gaps if p is not None] == adjust([0.01, 0.04, 0.03], correction)


def test_an_empty_family_and_one_of_one():
    assert adjust([], "holm") == []
    assert adjust([None], "bh") == [None]
    assert adjust([0.03], "holm") == [0.03]
    assert adjust([0.03, 0.2], "none") == [0.03, 0.2]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_a_family_does_not_matter(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    for correction in ("holm", "bh"):
        adjusted = adjust(p, correction)
        assert adjust([p[i] for i in order], correction) == pytest.approx([adjusted[i] for i in order])
        assert all(q >= raw - 1e-15 for q, raw in zip(adjusted, p, strict=True))


@pytest.mark.parametrize(
    ("p", "better", "expected"),
    [
        (0.05, True, ""), (0.049, True, "★"), (0.01, True, "★"), (0.009, True, "★★"),
        (0.009, False, "▼▼"), (0.03, False, "▼"), (None, True, ""), (1.0, False, ""),
    ],
)  # fmt: skip
def test_stars_are_earned_strictly_and_never_flatter_a_loss(p, better, expected):
    assert stars(p, better, ALPHA) == expected


@pytest.mark.parametrize(
    ("p", "better", "p_tost", "expected"),
    [
        (0.01, True, 0.5, "better"), (0.01, False, None, "worse"), (0.01, True, 0.01, "better"),
        (0.3, True, 0.01, "equivalent"), (0.3, True, 0.3, "inconclusive"), (0.3, True, None, "inconclusive"),
        (None, True, 0.001, "not testable"),
    ],
)  # fmt: skip
def test_verdicts(p, better, p_tost, expected):
    assert verdict(p, better, p_tost, 0.05) == expected


# --- settings -----------------------------------------------------------------------------------------------------


def test_a_comparison_is_named_as_its_factor_and_holds_the_rest_fixed():
    comparison = Comparison(factor="augmentation", baseline="none")
    assert comparison.name == "augmentation"
    assert comparison.within == ("dataset", "model", "recipe")
    assert Comparison(baseline="lenet5", within=["recipe"]).within == ("dataset", "recipe")


@pytest.mark.parametrize(
    ("model", "given_settings", "named"),
    [
        (Comparison, {"baseline": "a", "within": ["model"]}, "within"),
        (Comparison, {"baseline": "=HYPERLINK()"}, "baseline"),
        (Comparison, {"baseline": "a", "factor": "dataset"}, "factor"),
        (CompareSettings, {"alpha": [0.01, 0.05]}, "descend"),
        (CompareSettings, {"alpha": [1.0]}, "alpha"),
        (CompareSettings, {"alpha": []}, "alpha"),
        (CompareSettings, {"n_resamples": 99}, "n_resamples"),
        (CompareSettings, {"rope": {"accuracy": 0}}, "rope"),
        (CompareSettings, {"correction": "bonferroni"}, "correction"),
        (CompareSettings, {"Metric": "accuracy"}, "Metric"),
    ],
)
def test_wrong_settings_are_met_at_the_door(model, given_settings, named):
    with pytest.raises(ValidationError, match=named):
        model(**given_settings)


# --- ranks --------------------------------------------------------------------------------------------------------


def rank(scores, costs=None, direction="max", n_resamples=2000):
    costs = costs or dict.fromkeys(scores, (1.0, 1.0))
    return standings(scores, costs, direction, 0.05, np.random.default_rng(0), n_resamples)


def by_seed(*values):
    return dict(enumerate(values))


def test_a_clear_order():
    found = rank(
        {
            "best": by_seed(0.95, 0.96, 0.955, 0.95, 0.96, 0.957),
            "close": by_seed(0.949, 0.961, 0.953, 0.952, 0.958, 0.956),
            "last": by_seed(0.70, 0.71, 0.705, 0.72, 0.70, 0.71),
        }
    )
    assert {name: place.rank for name, place in found.items()} == {"best": 1, "close": 2, "last": 3}
    assert found["best"].interval == found["close"].interval == (1, 2)
    assert found["last"].interval == (3, 3)
    assert [found[name].tied_with_best for name in ("best", "close", "last")] == [True, True, False]
    assert found["last"].p_frontier == 0
    assert found["best"].p_frontier + found["close"].p_frontier >= 1


def test_equal_scores_share_a_rank_and_the_frontier():
    same = by_seed(0.9, 0.92, 0.91)
    found = rank({"b": same, "a": dict(same), "c": by_seed(0.8, 0.81, 0.83)})
    assert [found[name].rank for name in "abc"] == [1, 1, 3]
    assert [found[name].p_frontier for name in "abc"] == [1, 1, 0]


def test_a_cheaper_model_is_on_the_frontier_though_it_is_worse():
    scores = {"large": by_seed(0.95, 0.96, 0.955), "small": by_seed(0.90, 0.91, 0.90), "bad": by_seed(0.5, 0.5, 0.6)}
    costs = {"large": (9.0, 9.0), "small": (1.0, 1.0), "bad": (1.0, 2.0)}
    found = rank(scores, costs)
    assert {name: place.p_frontier for name, place in found.items()} == {"large": 1, "small": 1, "bad": 0}


def test_a_model_of_unknown_cost_has_no_place_on_the_frontier_and_takes_none():
    scores = {"known": by_seed(0.90, 0.91, 0.90), "unknown": by_seed(0.95, 0.96, 0.955)}
    found = rank(scores, {"known": (1.0, 1.0), "unknown": None})
    assert (found["known"].p_frontier, found["unknown"].p_frontier) == (1, None)
    assert found["unknown"].rank == 1


def test_too_few_seeds_to_rank_with_confidence():
    found = rank({"one": by_seed(0.9), "two": {}, "three": by_seed(0.91, 0.92, 0.93)})
    assert found["two"] == Standing()
    assert (found["one"].rank, found["one"].interval, found["one"].tied_with_best) == (2, None, None)
    assert found["three"].interval is not None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(0, 200), min_size=4, max_size=4), min_size=2, max_size=4))
def test_direction_unit_and_order_change_no_rank(values):
    def places(change, direction, names):
        scores = {name: by_seed(*(change(v) for v in values[i])) for i, name in names}
        return rank(scores, direction=direction, n_resamples=100)

    names = [(i, f"model{i}") for i in range(len(values))]
    found = places(lambda v: v / 200, "max", names)
    assert places(lambda v: v / 2, "max", names) == found
    assert places(lambda v: 1 - v / 200, "min", names) == found
    assert places(lambda v: v / 200, "max", names[::-1]) == found
    renamed = places(lambda v: v / 200, "max", [(i, f"z{9 - i}") for i, _ in names])
    assert [renamed[f"z{9 - i}"] for i, _ in names] == [found[name] for _, name in names]
