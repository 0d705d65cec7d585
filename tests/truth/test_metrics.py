"""Metrics and curves against scikit-learn, published worked examples, and computations that share no line with ours."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax
from sklearn import metrics as sk

from bakeoff.evaluate import calibration, ranking
from bakeoff.evaluate.metrics import METRICS
from bakeoff.evaluate.predictions import Predictions
from bakeoff.evaluate.registry import Estimate, UndefinedError
from bakeoff.evaluate.temperature import fit_temperature

pytestmark = pytest.mark.filterwarnings(
    "ignore:y_pred contains classes not in y_true",
    "ignore:A single label was found",
    "ignore:Precision is ill-defined",
    "ignore:Recall is ill-defined",
    "ignore:F-score is ill-defined",
    "ignore:No positive class found",
)


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    """Few images, few distinct logits: missing classes, ties, constant scores, one image, all right are common."""
    classes = draw(st.integers(2, 8))
    n = draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.sampled_from([1, 2, 3, 30]))  # at 30 no probability rounds to 0 or 1
    y_true = rng.integers(0, draw(st.integers(1, classes)), n)
    logits = rng.integers(0, levels, (n, classes)).astype(np.float32)
    logits[np.arange(n), y_true] += draw(st.sampled_from([0, 1, levels]))
    return Predictions(y_true, logits)


PERFECT = Predictions(np.arange(6), 9 * np.eye(6, dtype=np.float32))
CONSTANT = Predictions(np.array([0, 1, 2, 2, 1, 1]), np.zeros((6, 3), dtype=np.float32))
ONE_IMAGE = Predictions(np.array([1]), np.array([[0.0, 1.0]], dtype=np.float32))


@given(predictions())
@example(PERFECT)
@example(CONSTANT)
@example(ONE_IMAGE)
@settings(max_examples=100, deadline=None)
def test_values_are_those_of_scikit_learn(p: Predictions) -> None:
    y, answers, classes = p.y_true, p.y_pred, p.classes
    assert p.proba == pytest.approx(softmax(p.logits.astype(float), axis=1), abs=1e-15)
    proba = p.proba  # the same bits, for the order of scores that differ in the last one is nobody's business
    expected: dict[str, float] = {
        "accuracy": sk.accuracy_score(y, answers),
        "balanced_accuracy": sk.balanced_accuracy_score(y, answers),
        "log_loss": sk.log_loss(y, proba, labels=range(classes)),
        "brier": sk.brier_score_loss(y, proba if classes > 2 else proba[:, 1], labels=range(classes)),
    }
    for average in ("macro", "micro", "weighted"):
        expected[f"{average}_precision"] = sk.precision_score(y, answers, average=average)
        expected[f"{average}_recall"] = sk.recall_score(y, answers, average=average)
        expected[f"{average}_f1"] = sk.f1_score(y, answers, average=average)
    if classes > 5:
        # Of equal scores scikit-learn takes the last class first, we the first: so the classes the other way round.
        last = classes - 1
        expected["top5"] = sk.top_k_accuracy_score(last - y, p.logits[:, ::-1], k=5, labels=range(classes))
    if len(set(y)) > 1:
        expected["mcc"] = sk.matthews_corrcoef(y, answers)
        expected["cohen_kappa"] = sk.cohen_kappa_score(y, answers)
    if len(set(y)) == classes:
        scores = proba if classes > 2 else proba[:, 1]
        expected["auroc_ovr"] = sk.roc_auc_score(y, scores, multi_class="ovr")
        expected["auroc_ovo"] = sk.roc_auc_score(y, scores, multi_class="ovo")
        truth = np.arange(classes) == y[:, None]
        expected["average_precision"] = sk.average_precision_score(truth, p.proba, average="macro")
    for name, right in expected.items():
        assert METRICS[name].measure(p).value == pytest.approx(right, abs=1e-12), name
    undefined = {"mcc", "cohen_kappa", "auroc_ovr", "auroc_ovo", "average_precision", "top5"} - expected.keys()
    assert all(METRICS[name].measure(p).why_null for name in undefined)


@given(predictions())
@settings(max_examples=100, deadline=None)
def test_each_class_against_the_rest_is_as_scikit_learn_has_it(p: Predictions) -> None:
    found = ranking.one_vs_rest(p.proba, p.y_true)
    for c in range(p.classes):
        truth = p.y_true == c
        if not truth.any() or truth.all():
            assert math.isnan(found.auroc[c])
            assert np.isnan(found.true_positive_rate[c]).all()
        else:
            assert found.auroc[c] == pytest.approx(sk.roc_auc_score(truth, p.proba[:, c]), abs=1e-12)
        if not truth.any():
            assert math.isnan(found.average_precision[c])
            assert np.isnan(found.precision[c]).all()
        else:
            right = sk.average_precision_score(truth, p.proba[:, c])
            assert found.average_precision[c] == pytest.approx(right, abs=1e-12)


@given(predictions())
@settings(max_examples=100, deadline=None)
def test_curves_lie_on_those_of_scikit_learn(p: Predictions) -> None:
    truth = p.y_true == 0
    if truth.all() or not truth.any():
        return
    line = ranking.Ranking.of(p.proba[:, 0], truth)
    fpr, tpr, _ = sk.roc_curve(truth, p.proba[:, 0], drop_intermediate=False)
    for x, y in zip(ranking.GRID, line.true_positive_rate(), strict=True):
        here = np.flatnonzero(fpr == x)
        if here.size:
            right = tpr[here].max()
        else:  # on the line from the last point before to the first behind
            i = np.flatnonzero(fpr < x)[-1]
            right = tpr[i] + (x - fpr[i]) / (fpr[i + 1] - fpr[i]) * (tpr[i + 1] - tpr[i])
        assert y == pytest.approx(right, abs=1e-12)
    precision, recall, _ = sk.precision_recall_curve(truth, p.proba[:, 0])
    for x, y in zip(ranking.GRID, line.precision_at_recall(), strict=True):
        # scikit-learn's last point (recall 0, precision 1) is no threshold.
        reaches = np.flatnonzero(recall[:-1] >= x)[-1]
        assert y == pytest.approx(precision[reaches], abs=1e-12)


def test_areas_of_pairs_are_one_roc_curve_each() -> None:
    rng = np.random.default_rng(0)
    y_true, scores = rng.integers(0, 4, 60), rng.integers(0, 5, (60, 4)) / 5
    areas = ranking.one_vs_one(scores, y_true)
    for i in range(4):
        for j in range(4):
            both = (y_true == i) | (y_true == j)
            if i != j:
                assert areas[i, j] == pytest.approx(sk.roc_auc_score(y_true[both] == i, scores[both, i]), abs=1e-12)


# --- calibration --------------------------------------------------------------------------------------------------


def test_ece_is_that_of_a_tutorial() -> None:
    """M. Pavlovic, "Expected Calibration Error (ECE): a step by step visual explanation" (Towards Data Science, 2023).

    Nine scores, three bins, 0.23778 after rounding. The article's first edition bins the score of class 1 itself.
    """
    scores = np.array([0.22, 0.64, 0.92, 0.42, 0.51, 0.15, 0.70, 0.37, 0.83])
    labels = np.array([0, 1, 0, 0, 0, 1, 1, 0, 1])
    found = calibration.ece(scores, (scores > 0.5) == labels, bins=3)
    assert found.value == pytest.approx(0.23778, abs=5e-6)


def test_ece_is_that_of_the_documentation_of_torchmetrics() -> None:
    """The example of torchmetrics.functional.classification.multiclass_calibration_error: 0.2000 with three bins."""
    preds = np.array([[0.25, 0.20, 0.55], [0.55, 0.05, 0.40], [0.10, 0.30, 0.60], [0.90, 0.05, 0.05]])
    p = Predictions(np.array([0, 1, 2, 0]), np.log(preds))
    assert calibration.ece(p.confidence, p.correct, bins=3).value == pytest.approx(0.2000, abs=5e-5)


def test_ece_is_that_of_a_published_calculator() -> None:
    """induwara.lk, "Expected Calibration Error (ECE) Calculator" (2026): the table of its first example, by its bins.

    One answer of confidence 0.55, right; four of mean 0.6675, half right; five of mean 0.896, all right: 0.1640.
    """
    confidence = np.array([0.55, *[0.6675] * 4, *[0.896] * 5])
    correct = np.array([1, 1, 1, 0, 0, 1, 1, 1, 1, 1], dtype=bool)
    assert calibration.ece(confidence, correct, bins=5).value == pytest.approx(0.1640, abs=5e-5)
    assert [row["count"] for row in calibration.reliability(confidence, correct, bins=5)] == [0, 0, 1, 4, 5]


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, of which many are equal or lie on the edge of a bin, and whether the answers are right."""
    levels = st.one_of(st.integers(1, 15).map(lambda k: k / 15), st.floats(0.01, 1.0))
    pairs = draw(st.lists(st.tuples(levels, st.booleans()), min_size=1, max_size=40))
    return np.array([c for c, _ in pairs]), np.array([right for _, right in pairs])


@given(answers())
@settings(max_examples=200, deadline=None)
def test_ece_is_its_definition(given_answers: tuple[np.ndarray, np.ndarray]) -> None:
    confidence, correct = given_answers
    total = 0.0
    for b in range(15):
        inside = [i for i in range(len(confidence)) if b / 15 < confidence[i] <= (b + 1) / 15]
        if inside:
            gap = sum(bool(correct[i]) for i in inside) / len(inside) - sum(confidence[i] for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(gap)
    assert calibration.ece(confidence, correct).value == pytest.approx(total, abs=1e-12)


@given(answers())
@settings(max_examples=200, deadline=None)
def test_adaptive_ece_is_its_definition(given_answers: tuple[np.ndarray, np.ndarray]) -> None:
    """Images sorted by confidence and cut into 15 parts, what is equal going with the first of its equals."""
    confidence, correct = given_answers
    n, parts = len(confidence), {}
    for i in range(n):
        less = sum(confidence[j] < confidence[i] for j in range(n))
        part = max(k for k in range(15) if k * n <= less * 15)
        parts.setdefault(part, []).append(i)
    total = sum(abs(sum(bool(correct[i]) - confidence[i] for i in part)) for part in parts.values()) / n
    assert calibration.adaptive_ece(confidence, correct).value == pytest.approx(total, abs=1e-12)


def test_without_ties_the_bins_of_equal_mass_are_as_equal_as_can_be() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.permutation(np.linspace(0.2, 0.9, 100))
    correct = rng.random(100) < confidence
    cuts = np.ceil(np.arange(1, 15) * 100 / 15).astype(int)
    order = np.argsort(confidence)
    parts = np.split(order, cuts)
    assert {len(part) for part in parts} == {6, 7}
    total = sum(abs(correct[part].mean() - confidence[part].mean()) * len(part) for part in parts) / 100
    assert calibration.adaptive_ece(confidence, correct).value == pytest.approx(total, abs=1e-12)


@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(5, 60), st.sampled_from([1e-3, 1.0, 1e4]))
@settings(max_examples=60, deadline=None)
def test_the_temperature_is_where_the_derivative_of_the_log_loss_is_zero(
    seed: int, classes: int, n: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    y_true, logits = rng.integers(0, classes, n), rng.normal(size=(n, classes))
    logits[np.arange(n), y_true] += 1

    def slope(log_sharpness: float) -> float:
        p = softmax(logits * np.exp(log_sharpness), axis=1)
        return float(((p * logits).sum(axis=1) - logits[np.arange(n), y_true]).mean())

    if slope(-12) >= 0 or slope(12) <= 0:
        with pytest.raises(UndefinedError):
            fit_temperature(logits * scale, y_true)
        return
    right = np.exp(-brentq(slope, -12, 12, xtol=1e-12)) * scale
    assert fit_temperature(logits * scale, y_true) == pytest.approx(right, rel=1e-4)


def test_scaled_logits_are_scaled_back() -> None:
    """Labels drawn from softmax(z) and logits 3 z: the temperature is 3, and the calibrated error that of noise."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40_000, 5)) * 1.5
    labels = (rng.random((len(z), 1)) > softmax(z, axis=1).cumsum(axis=1)).sum(axis=1).clip(0, 4)
    test, validation = slice(0, 20_000), slice(20_000, None)
    p = Predictions(labels[test], 3 * z[test], Predictions(labels[validation], 3 * z[validation]))
    assert p.temperature == pytest.approx(3, rel=0.03)
    before, after = METRICS["ece"].measure(p).value, METRICS["ece_calibrated"].measure(p).value
    assert before is not None
    assert after is not None
    assert before > 0.15
    assert after < 0.015
    right = sk.log_loss(labels[test], np.exp(log_softmax(3 * z[test] / p.temperature, axis=1)))
    assert METRICS["log_loss_calibrated"].measure(p).value == pytest.approx(right)
    assert (p.calibrated.y_pred == p.y_pred).all()


@pytest.mark.parametrize("estimate", [calibration.ece, calibration.adaptive_ece])
@pytest.mark.parametrize(("shift", "least"), [(0.0, 0.9), (0.02, 0.8), (0.05, 0.9), (0.15, 0.9)])
def test_the_interval_of_ece_holds_the_error_of_many_more_images(
    shift: float, least: float, estimate: Callable[..., Estimate]
) -> None:
    """Coverage of 95 % intervals over 60 samples of 1,000; it is lowest where the bias is as large as the error."""
    rng = np.random.default_rng(3)
    many = 0.2 + 0.8 * rng.beta(5, 1.2, 500_000)
    chance = np.clip(many - shift, 0, 1)
    gaps = np.bincount(calibration.equal_width_bins(many), weights=chance - many)
    truth, held = np.abs(gaps).sum() / len(many), []
    for _ in range(60):
        some = rng.integers(0, len(many), 1000)
        found = estimate(many[some], rng.random(1000) < chance[some])
        assert found.lo is not None
        assert found.hi is not None
        held.append(found.lo <= truth <= found.hi)
    assert np.mean(held) >= least


def test_a_value_that_is_small_by_luck_has_no_narrow_interval() -> None:
    """One confidence for all, and by chance almost as many right: the accuracy alone is known to +-0.03 at most."""
    correct = np.arange(1000) < 701
    found = calibration.ece(np.full(1000, 0.7), correct)
    assert found.value == pytest.approx(0.001)
    assert found.lo == 0.0
    assert found.hi is not None
    assert 0.02 < found.hi < 0.04
