"""Each metric against scikit-learn and against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import log_softmax
from sklearn import metrics as sk

from bakeoff.evaluate.metrics import METRICS, Predictions
from bakeoff.evaluate.spec import EvaluateSettings


def value(name: str, y_true: list[int], logits: object) -> float | None:
    return METRICS[name].measure(Predictions(np.array(y_true), np.array(logits, dtype=np.float32))).value


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    """Few images, few distinct logits: missing classes, ties and constant scores are common."""
    classes = draw(st.integers(2, 5))
    n = draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.sampled_from([1, 2, 3, 30]))  # at 30 no probability rounds to 0 or 1
    return Predictions(rng.integers(0, classes, n), rng.integers(0, levels, (n, classes)).astype(np.float32))


@given(predictions())
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
def test_values_are_those_of_scikit_learn(p: Predictions) -> None:
    classes = p.logits.shape[1]
    proba = np.exp(log_softmax(p.logits.astype(float), axis=1))
    expected = {
        "accuracy": sk.accuracy_score(p.y_true, p.y_pred),
        "balanced_accuracy": sk.balanced_accuracy_score(p.y_true, p.y_pred),
        "macro_f1": sk.f1_score(p.y_true, p.y_pred, average="macro"),
        "log_loss": sk.log_loss(p.y_true, proba, labels=range(classes)),
    }
    if len(set(p.y_true)) == classes:
        scores = proba if classes > 2 else proba[:, 1]
        expected["auroc_ovr"] = sk.roc_auc_score(p.y_true, scores, multi_class="ovr")
    for name, right in expected.items():
        assert METRICS[name].measure(p).value == pytest.approx(right, abs=1e-12), name


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


@pytest.mark.parametrize(("names", "message"), [(["accuracy", "acc"], "no such metric: acc"), ([], "names no metric")])
def test_wrong_metrics_are_met_with_the_choices(names: list[str], message: str) -> None:
    with pytest.raises(ValidationError, match=f"{message}; there are accuracy, balanced_accuracy"):
        EvaluateSettings.model_validate({"metrics": names})
