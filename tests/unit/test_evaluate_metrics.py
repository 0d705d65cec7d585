"""Metrics on a few images, against values worked out by hand. (Against scikit-learn: tests/truth/test_metrics.py.)"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from bakeoff.evaluate.metrics import METRICS
from bakeoff.evaluate.predictions import BestEpoch, Predictions
from bakeoff.evaluate.spec import TENTHS, EvaluateSettings


def value(name: str, y_true: list[int], logits: object) -> float | None:
    return METRICS[name].measure(Predictions(np.array(y_true), np.array(logits, dtype=np.float32))).value


def test_a_class_without_test_images_leaves_auroc_null_and_says_so() -> None:
    measured = METRICS["auroc_ovr"].measure(Predictions(np.array([0, 1, 1]), np.eye(3)))
    assert measured.value is None
    assert measured.why_null == "1 of 3 classes have no test image"


def test_one_image_is_enough_for_all_but_auroc() -> None:
    logits = [[2.0, 1.0, 0.0]]
    assert value("accuracy", [0], logits) == 1.0
    assert value("balanced_accuracy", [0], logits) == 1.0
    assert value("macro_f1", [0], logits) == 1.0
    assert value("log_loss", [0], logits) == pytest.approx(math.log(1 + math.exp(-1) + math.exp(-2)))
    assert value("auroc_ovr", [0], logits) is None


def test_one_class_has_no_auroc() -> None:
    measured = METRICS["auroc_ovr"].measure(Predictions(np.array([0, 0]), np.zeros((2, 1))))
    assert measured.why_null == "there is only one class"


def test_constant_scores_know_nothing() -> None:
    y_true, logits = [0, 1, 2, 2], np.ones((4, 3))
    assert value("accuracy", y_true, logits) == 0.25  # every tie goes to class 0
    assert value("balanced_accuracy", y_true, logits) == pytest.approx(1 / 3)
    assert value("macro_f1", y_true, logits) == pytest.approx((2 * 1 / (2 * 1 + 3)) / 3)
    assert value("auroc_ovr", y_true, logits) == 0.5
    assert value("log_loss", y_true, logits) == pytest.approx(math.log(3))


def test_a_tie_between_a_right_and_a_wrong_image_counts_half() -> None:
    logits = [[0, 3], [0, 1], [0, 1], [0, 2]]  # scores of class 1; pairs (1, 0): 3>1, 3>2, 1=1, 1<2
    assert value("auroc_ovr", [1, 1, 0, 0], logits) == pytest.approx(2.5 / 4)


def test_an_answer_outside_the_test_labels_lowers_f1_and_not_the_number_of_recalls() -> None:
    y_true, logits = [0, 0, 1], [[1, 0, 0], [0, 0, 1], [0, 1, 0]]  # answers 0, 2, 1
    assert value("balanced_accuracy", y_true, logits) == pytest.approx((1 / 2 + 1) / 2)
    assert value("macro_f1", y_true, logits) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_log_loss_is_exact_where_softmax_underflows() -> None:
    assert value("log_loss", [1, 1], [[1000.0, 0.0], [0.0, 1000.0]]) == pytest.approx(500.0)


def test_order_and_repetition_of_metrics_do_not_change_the_settings() -> None:
    assert EvaluateSettings(metrics=("log_loss", "accuracy", "log_loss")).metrics == ("accuracy", "log_loss")
    assert EvaluateSettings().metrics == tuple(METRICS)


# --- what needs more than the test predictions ------------------------------------------------------------------------

SOME = Predictions(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]))


def why(name: str, p: Predictions) -> str | None:
    measured = METRICS[name].measure(p)
    assert (measured.value is None) == (measured.why_null is not None)
    return measured.why_null


@pytest.mark.parametrize("name", ["ece_calibrated", "log_loss_calibrated"])
def test_a_temperature_that_cannot_be_fitted_is_said_with_its_reason(name: str) -> None:
    assert why(name, SOME) == "there are no validation predictions to fit a temperature on"
    right = Predictions(np.array([0, 1]), np.array([[1.0, 0.0], [0.0, 9.0]]))
    assert why(name, replace(SOME, validation=right)) == (
        "no validation image has a larger logit than its true class, so no temperature is the best one"
    )
    constant = Predictions(np.array([0, 1]), np.ones((2, 2)))
    assert "no temperature is the best one" in str(why(name, replace(SOME, validation=constant)))
    wrong = Predictions(np.array([1, 0]), np.array([[1.0, 0.0], [0.0, 9.0]]))
    assert "do not favour the true classes" in str(why(name, replace(SOME, validation=wrong)))


def test_the_temperature_of_a_coin_that_is_right_three_times_in_four() -> None:
    """Logits of +-1 and three of four right: sigmoid(2 / T) = 3/4, so T = 2 / log(3)."""
    validation = Predictions(np.array([0, 0, 0, 1]), np.tile([1.0, -1.0], (4, 1)))
    p = replace(SOME, validation=validation)
    assert p.temperature == pytest.approx(2 / math.log(3), rel=1e-5)
    assert p.calibrated.proba[0] == pytest.approx([3**0.5 / (1 + 3**0.5), 1 / (1 + 3**0.5)], rel=1e-5)


def test_the_overfitting_gap_is_that_of_the_best_epoch() -> None:
    assert METRICS["overfitting_gap"].measure(replace(SOME, best_epoch=BestEpoch(0.99, 0.9))).value == (
        pytest.approx(0.09)
    )
    assert METRICS["overfitting_gap"].measure(replace(SOME, best_epoch=BestEpoch(0.5, 0.75))).value == -0.25
    assert why("overfitting_gap", SOME) == "the history of the training is not known"
    empty = replace(SOME, best_epoch=BestEpoch(None, 0.5))
    assert why("overfitting_gap", empty) == "the history has no accuracies of the best epoch"


# --- chance, ties and too few classes ---------------------------------------------------------------------------------


def test_top_five_needs_six_classes_and_takes_ties_as_the_answer_does() -> None:
    assert why("top5", Predictions(np.array([0]), np.eye(1, 5))) == "there are 5 classes, so every answer is among " + (
        "the first 5"
    )
    equal = np.ones((6, 6))
    assert value("top5", [0, 1, 2, 3, 4, 5], equal) == pytest.approx(5 / 6)  # the sixth of six equals is too late
    assert value("accuracy", [0, 1, 2, 3, 4, 5], equal) == pytest.approx(1 / 6)


@pytest.mark.parametrize("name", ["mcc", "cohen_kappa"])
def test_agreement_beyond_chance_needs_two_true_classes(name: str) -> None:
    assert why(name, Predictions(np.array([1, 1]), np.array([[0, 1], [1, 0]]))) == (
        "all test images are of one class, so agreement beyond chance has no meaning"
    )
    assert value(name, [0, 1, 1], [[1, 0], [1, 0], [1, 0]]) == 0.0  # one answer for all
    assert value(name, [0, 1], [[0, 1], [1, 0]]) == -1.0


def test_brier_is_half_with_two_classes_as_scikit_learn_has_it() -> None:
    assert value("brier", [0], [[0.0, 0.0]]) == pytest.approx(0.25)
    assert value("brier", [0], [[0.0, 0.0, 0.0]]) == pytest.approx((2 / 3) ** 2 + 2 * (1 / 3) ** 2)


def test_the_error_of_a_single_image_has_no_interval() -> None:
    one = METRICS["ece"].measure(Predictions(np.array([0]), np.zeros((1, 2))))
    assert (one.value, one.lo, one.hi) == (0.5, None, None)
    two = METRICS["ece"].measure(Predictions(np.array([0, 0]), np.zeros((2, 2))))
    assert (two.value, two.lo, two.hi) == (0.5, 0.0, 0.5)  # a fair coin is right twice in a row often enough


# --- settings ---------------------------------------------------------------------------------------------------------


def test_thresholds_have_one_order_and_their_range() -> None:
    assert EvaluateSettings().thresholds == TENTHS == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert EvaluateSettings(thresholds=(0.5, 0.25, 0.5)).thresholds == (0.25, 0.5)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"thresholds": [0.0]}, "thresholds.0"),
        ({"thresholds": [0.5, 1.5]}, "thresholds.1"),
        ({"thresholds": [float("nan")]}, "thresholds.0"),
        ({"thresholds": []}, "thresholds"),
        ({"worst": -1}, "worst"),
        ({"worst": True}, "worst"),
        ({"positive": ""}, "positive"),
        ({"positve": "b"}, "positve"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, object], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        EvaluateSettings.model_validate(changes)
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [where]


@pytest.mark.parametrize(("names", "message"), [(["accuracy", "acc"], "no such metric: acc"), ([], "names no metric")])
def test_wrong_metrics_are_met_with_the_choices(names: list[str], message: str) -> None:
    with pytest.raises(ValidationError, match=f"{message}; there are accuracy, top5, balanced_accuracy"):
        EvaluateSettings.model_validate({"metrics": names})
