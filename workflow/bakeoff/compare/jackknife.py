"""What each test image does to a metric of one run, so that any metric can be tested for new images as accuracy is.

A metric that is no mean over images is made one by jackknife pseudo-values: N times the metric less N - 1 times the
metric without the image, shifted so that their mean is the metric ("normalised", Hillis, Obuchowski, Schartz & Berbaum
2005). That is how Dorfman, Berbaum & Metz (1992) analyse the areas under the ROC curves of several readers. Of a metric
that is a mean over images they are the images' own values.

The metrics are those of `bakeoff.evaluate`, which this step must not import; tests hold them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]

# Ranking more probabilities than these, images times classes, takes longer than all other statistics of a run.
MOST_RANKED = 1_000_000
TOP = 5
FLOOR = 1e-3
"""What |target| counts as at least, of a relative error."""


def of_answers(y_true: IntArray, predicted: IntArray) -> dict[str, Float32Array]:
    """Pseudo-values [N] of the metrics that follow from the answers alone, by name; `predicted` [N] are classes.

    Metrics that are undefined, or are so without some image, are left out; of a single image all are.
    """
    if len(y_true) < 2:
        return {}
    answers = _Answers(y_true, predicted)
    right = (y_true == predicted).astype(np.float32)
    found = dict.fromkeys(("accuracy", "micro_precision", "micro_recall", "micro_f1", "weighted_recall"), right)
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, metric in _OF_COUNTS.items():
            whole, *without = metric(answers)
            values = _pseudovalues(whole, np.array(without), answers.n)[answers.pair_of]
            if np.isfinite(values).all():
                found[name] = (values + (whole - values.mean())).astype(np.float32)
    return found


def of_logits(
    y_true: IntArray, logits: npt.NDArray[np.floating[Any]], temperature: float | None = None
) -> dict[str, Float32Array]:
    """Pseudo-values [N] of the metrics of probabilities, by name, from finite logits [N, C].

    `temperature` is the run's own, fitted on validation images; without it there is no calibrated log loss. Areas are
    left out of more than MOST_RANKED probabilities and where a class has fewer than two images.
    """
    rows, classes = np.arange(len(y_true)), logits.shape[1]
    log_proba = special.log_softmax(logits.astype(np.float64), axis=1)
    proba = np.exp(log_proba)
    squared = np.einsum("nc,nc->n", proba, proba) - 2 * proba[rows, y_true] + 1
    found = {"log_loss": -log_proba[rows, y_true], "brier": squared / (2 if classes == 2 else 1)}
    if temperature:
        calibrated = special.log_softmax(logits.astype(np.float64) / temperature, axis=1)
        found["log_loss_calibrated"] = -calibrated[rows, y_true]
    if classes > TOP:
        own = logits[rows, y_true][:, None]
        ahead = (logits > own) | ((logits == own) & (y_true[:, None] > np.arange(classes)))
        found["top5"] = (ahead.sum(axis=1) < TOP).astype(np.float64)
    if proba.size <= MOST_RANKED and classes > 1 and np.bincount(y_true, minlength=classes).min() > 1:
        found["auroc_ovr"] = np.mean([area_pseudovalues(proba[:, c], y_true == c) for c in range(classes)], axis=0)
    return {name: values.astype(np.float32) for name, values in found.items()}


def of_outputs(
    targets: npt.NDArray[np.floating[Any]], outputs: npt.NDArray[np.floating[Any]], floor: float = FLOOR
) -> dict[str, FloatArray]:
    """Pseudo-values [N] of the metrics of regression, by name, from finite targets and outputs [N, d].

    Of a relative error |target| counts as `floor` at least. R2 is left out where a target does not vary without some
    image; of a single image so is RMSE, which then is that image's error.
    """
    truth, n = targets.astype(np.float64), len(targets)
    off = outputs.astype(np.float64) - truth
    squared, absolute = off**2, np.abs(off)
    found = {"mse": squared, "mae": absolute, "mape": absolute / np.maximum(np.abs(truth), floor)}
    per_image = {name: values.mean(axis=1) for name, values in found.items()}
    if off.shape[1] == 2:
        per_image["distance"] = np.sqrt(squared.sum(axis=1))
    if n < 2:
        return per_image
    errors, without = squared.sum(axis=0), _without(squared)
    per_image["rmse"] = _shifted(np.sqrt(errors / n), np.sqrt(without / (n - 1))).mean(axis=1)
    spread = (truth - truth.mean(axis=0)) ** 2
    # Without an image the mean moves as well: its sum of squares is less by n/(n-1) of the image's own (Welford 1962).
    left = spread.sum(axis=0) - spread * n / (n - 1)
    if (left > 1e-12 * spread.sum(axis=0)).all():
        per_image["r2"] = _shifted(1 - errors / spread.sum(axis=0), 1 - without / left).mean(axis=1)
    return per_image


def _without(values: FloatArray) -> FloatArray:
    """The sums over all images but each [N, d]; rounding may not make them negative."""
    rest: FloatArray = np.maximum(values.sum(axis=0) - values, 0.0)
    return rest


def _shifted(whole: FloatArray, without: FloatArray) -> FloatArray:
    """Pseudo-values [N, d], whose means are `whole` [d]."""
    values = len(without) * whole - (len(without) - 1) * without
    shifted: FloatArray = values + (whole - values.mean(axis=0))
    return shifted


def area_pseudovalues(scores: FloatArray, positive: npt.NDArray[np.bool_]) -> FloatArray:
    """Pseudo-values [N] of the area under the ROC curve of `scores` [N], of two positives and two negatives or more.

    From the share of the other class that each image is placed right of, equal scores half (DeLong et al. 1988).
    """
    pos, neg = scores[positive], scores[~positive]
    placed = np.empty(scores.size)
    placed[positive] = _share_below(pos, neg)
    placed[~positive] = 1 - _share_below(neg, pos)
    area = placed[positive].mean()
    own = np.where(positive, pos.size, neg.size)
    return _pseudovalues(area, (own * area - placed) / (own - 1), scores.size)


def _share_below(scores: FloatArray, others: FloatArray) -> FloatArray:
    """The share of `others` that is below each score, equal ones half."""
    others = np.sort(others)
    twice: IntArray = np.searchsorted(others, scores, "left") + np.searchsorted(others, scores, "right")
    return twice / 2 / others.size


def _pseudovalues(whole: float, without: FloatArray, n: int) -> FloatArray:
    values: FloatArray = n * whole - (n - 1) * without
    return values


# --- metrics of the answers ---------------------------------------------------------------------------------------


class _Answers:
    """The confusion matrix as the pairs of true class and answer that occur, and what follows from it per class.

    Taking out an image changes the counts of its two classes only, so each metric is worked out anew from them: a step
    for each pair that occurs, whatever the number of classes.
    """

    def __init__(self, y_true: IntArray, predicted: IntArray) -> None:
        classes = int(max(y_true.max(), predicted.max())) + 1
        pairs, self.pair_of = np.unique(y_true.astype(np.int64) * classes + predicted, return_inverse=True)
        self.true, self.answer = pairs // classes, pairs % classes
        self.n = len(y_true)
        self.right = np.bincount(y_true[y_true == predicted], minlength=classes)
        self.support = np.bincount(y_true, minlength=classes)
        self.answered = np.bincount(predicted, minlength=classes)
        self.sizes = np.append(self.n, np.full(len(pairs), self.n - 1))

    def sums(self, of_class: _OfClass) -> FloatArray:
        """The sum of `of_class` over classes: of all images, then without one image of each pair, [1 + pairs]."""
        right, answered, support = self.right, self.answered, self.support
        t, a, hit = self.true, self.answer, self.true == self.answer
        each = of_class(right, answered, support)
        change = of_class(right[t] - hit, answered[t] - hit, support[t] - 1) - each[t]
        change += np.where(hit, 0.0, of_class(right[a], answered[a] - 1, support[a]) - each[a])
        return np.append(each.sum(), each.sum() + change)


_OfClass = Callable[[IntArray, IntArray, IntArray], FloatArray]
_Metric = Callable[[_Answers], FloatArray]


def _share(above: IntArray, below: IntArray) -> FloatArray:
    """A share of nothing is 0, as in scikit-learn."""
    return np.divide(above, below, out=np.zeros(len(below)), where=below > 0)


def _precision(right: IntArray, answered: IntArray, support: IntArray) -> FloatArray:
    return _share(right, answered)


def _recall(right: IntArray, answered: IntArray, support: IntArray) -> FloatArray:
    return _share(right, support)


def _f1(right: IntArray, answered: IntArray, support: IntArray) -> FloatArray:
    return _share(2 * right, answered + support)


def _macro(share: _OfClass) -> _Metric:
    """Mean over the classes that have an image or an answer."""
    return lambda answers: answers.sums(share) / answers.sums(lambda r, a, s: ((a + s) > 0).astype(float))


def _weighted(share: _OfClass) -> _Metric:
    """Mean over classes, each as often as it has images."""
    return lambda answers: answers.sums(lambda r, a, s: share(r, a, s) * s) / answers.sizes


def _balanced(answers: _Answers) -> FloatArray:
    """Mean recall of the classes that have an image."""
    return answers.sums(_recall) / answers.sums(lambda r, a, s: (s > 0).astype(float))


def _matthews(answers: _Answers) -> FloatArray:
    """Gorodkin 2004; 0 when all answers are one class, undefined when all images are."""
    n, right, by_chance, truth, answered = _squares(answers)
    spread = (n**2 - truth) * (n**2 - answered)
    shared = n * right - by_chance
    values = np.divide(shared, np.sqrt(spread), out=np.zeros(len(spread)), where=spread > 0)
    return np.where(truth == n**2, np.nan, values)


def _kappa(answers: _Answers) -> FloatArray:
    """Cohen 1960; undefined when all images are of one class."""
    n, right, by_chance, truth, _ = _squares(answers)
    return np.where(truth == n**2, np.nan, (n * right - by_chance) / (n**2 - by_chance))


def _squares(answers: _Answers) -> tuple[FloatArray, ...]:
    """Sizes, right answers, and sums over classes of support times answered, support squared, answered squared."""
    kinds: tuple[_OfClass, ...] = (
        lambda r, a, s: r.astype(float),
        lambda r, a, s: s * a.astype(float),
        lambda r, a, s: s * s.astype(float),
        lambda r, a, s: a * a.astype(float),
    )
    return answers.sizes.astype(float), *(answers.sums(kind) for kind in kinds)


_OF_COUNTS: dict[str, _Metric] = {
    "balanced_accuracy": _balanced,
    "macro_precision": _macro(_precision),
    "macro_recall": _macro(_recall),
    "macro_f1": _macro(_f1),
    "weighted_precision": _weighted(_precision),
    "weighted_f1": _weighted(_f1),
    "mcc": _matthews,
    "cohen_kappa": _kappa,
}
