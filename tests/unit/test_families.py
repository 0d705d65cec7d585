"""Corrections, stars, verdicts, and the settings behind them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bakeoff.compare.families import adjust, stars, verdict
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
        (CompareSettings, {"tolerance": {"latency": 0.1}}, "'latency' is no cost and not the metric; choose from macs"),
        (CompareSettings, {"tolerance": {"macs": 1.0}}, "tolerance"),
    ],
)
def test_wrong_settings_are_met_at_the_door(model, given_settings, named):
    with pytest.raises(ValidationError, match=named):
        model(**given_settings)


def test_a_tolerance_that_is_given_leaves_the_others():
    found = CompareSettings(metric="log_loss", tolerance={"macs": 0.1, "latency_ms_p50": 0, "log_loss": 0.01}).tolerance
    assert (found["macs"], found["latency_ms_p50"], found["log_loss"]) == (0.1, 0, 0.01)
    assert found["train_seconds"] == CompareSettings().tolerance["train_seconds"] > 0
