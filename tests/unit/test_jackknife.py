"""What each image does to a metric: against leaving it out, with the metrics of the evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.compare import jackknife
from bakeoff.evaluate.metrics import METRICS
from bakeoff.evaluate.predictions import Predictions

WANTED = {
    "accuracy", "micro_precision", "micro_recall", "micro_f1", "weighted_recall", "balanced_accuracy",
    "macro_precision", "macro_recall", "macro_f1", "weighted_precision", "weighted_f1", "mcc", "cohen_kappa",
    "log_loss", "brier", "auroc_ovr",
}  # fmt: skip


def predictions(seed, classes, images, decimals=2):
    """Some classes are missed, some logits equal."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes)).round(decimals).astype(np.float32)
    logits[np.arange(images), y_true] += rng.choice([0, 1, 3])
    return y_true, logits


def pseudovalues(y_true, logits):
    return jackknife.of_answers(y_true, logits.argmax(axis=1)) | jackknife.of_logits(y_true, logits)


def left_out(name, y_true, logits):
    n = len(y_true)

    def value(keep):
        return METRICS[name].measure(Predictions(y_true[keep], logits[keep])).value

    everything = np.arange(n)
    whole = value(everything)
    each = np.array([n * whole - (n - 1) * value(np.delete(everything, k)) for k in range(n)])
    return each + whole - each.mean()


@pytest.mark.parametrize(("seed", "classes", "images", "decimals"), [(0, 2, 20, 0), (1, 3, 40, 1), (2, 7, 40, 2)])
def test_each_image_does_what_leaving_it_out_shows(seed, classes, images, decimals):
    y_true, logits = predictions(seed, classes, images, decimals)
    found = pseudovalues(y_true, logits)
    assert found.keys() >= WANTED
    for name, values in found.items():
        assert values == pytest.approx(left_out(name, y_true, logits), abs=2e-5), name
        assert values.mean() == pytest.approx(METRICS[name].measure(Predictions(y_true, logits)).value, abs=1e-6), name


def test_a_class_of_one_image_and_one_that_is_never_there():
    """Without its only image a class is gone from the mean: what the metric itself would do."""
    y_true = np.array([0, 0, 0, 1, 1, 1, 2])
    logits = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 1, 3, 2]]
    found = pseudovalues(y_true, logits)
    assert "auroc_ovr" not in found
    for name in ("balanced_accuracy", "macro_f1", "macro_precision", "mcc"):
        assert found[name] == pytest.approx(left_out(name, y_true, logits), abs=2e-5), name


def test_what_is_undefined_without_some_image_is_left_out():
    y_true = np.array([0, 0, 0, 1])
    found = jackknife.of_answers(y_true, np.array([0, 0, 1, 1]))
    assert not {"mcc", "cohen_kappa"} & found.keys()
    assert "macro_f1" in found
    assert jackknife.of_answers(y_true[:1], y_true[:1]) == {}


def test_top5_and_the_calibrated_log_loss():
    y_true, logits = predictions(3, 9, 30)
    found = jackknife.of_logits(y_true, logits, temperature=1.7)
    calibrated = METRICS["log_loss"].measure(Predictions(y_true, logits.astype(float) / 1.7)).value
    assert found["log_loss_calibrated"].mean() == pytest.approx(calibrated, abs=1e-6)
    assert found["top5"].mean() == pytest.approx(METRICS["top5"].measure(Predictions(y_true, logits)).value)
    assert "log_loss_calibrated" not in jackknife.of_logits(y_true, logits)
    assert "top5" not in jackknife.of_logits(*predictions(3, 5, 30))


def test_areas_of_many_classes_are_left_out(monkeypatch):
    y_true, logits = predictions(4, 3, 40)
    monkeypatch.setattr(jackknife, "MOST_RANKED", 3 * 40 - 1)
    assert "auroc_ovr" not in jackknife.of_logits(y_true, logits)
