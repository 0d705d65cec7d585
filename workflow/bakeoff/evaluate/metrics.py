"""The metrics of classification. To add one, write its function here under `@metric(...)`: nothing else changes.

Names, units and directions are read when a study is validated, so nothing here imports numpy before a metric is worked
out. Where scikit-learn has the metric, the value is scikit-learn's at its defaults; tests hold them together, and it is
not used here because importing it takes longer than all the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.evaluate.registry import METRICS, Estimate, UndefinedError, metric

if TYPE_CHECKING:
    from bakeoff.evaluate.predictions import Predictions

__all__ = ["METRICS"]

TOP = 5


# --- of the answers -----------------------------------------------------------------------------------------------


@metric("fraction", "max", (0.0, 1.0), "share of images whose largest logit is that of the true class")
def accuracy(p: Predictions) -> float:
    """Share of right answers."""
    return float(p.correct.mean())


@metric("fraction", "max", (0.0, 1.0), "Russakovsky et al. 2015; sklearn.metrics.top_k_accuracy_score(k=5)")
def top5(p: Predictions) -> float:
    """Share of images whose true class is among the five largest logits.

    Of equal logits the first classes count as larger, as they do for the answer. With five classes or fewer all images
    would count, so there it is undefined.
    """
    if p.classes <= TOP:
        raise UndefinedError(f"there are {p.classes} classes, so every answer is among the first {TOP}")
    p.require_scores()
    own = p.logits[range(len(p.y_true)), p.y_true][:, None]
    earlier = p.y_true[:, None] > range(p.classes)
    ahead = ((p.logits > own) | ((p.logits == own) & earlier)).sum(axis=1)
    return float((ahead < TOP).mean())


@metric("fraction", "max", (0.0, 1.0), "Brodersen et al. 2010; sklearn.metrics.balanced_accuracy_score")
def balanced_accuracy(p: Predictions) -> float:
    """Mean recall of the classes that occur in the test labels."""
    recalls = p.counts.per_class("recall")
    return float(recalls[p.counts.support > 0].mean())


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.precision_score(average='macro')")
def macro_precision(p: Predictions) -> float:
    """Mean precision of the classes that occur in the test labels or among the answers; never answered is 0."""
    return p.counts.mean("precision", "macro")


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.recall_score(average='macro')")
def macro_recall(p: Predictions) -> float:
    """Mean recall of the classes that occur in the test labels or among the answers; without an image it is 0."""
    return p.counts.mean("recall", "macro")


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.f1_score(average='macro')")
def macro_f1(p: Predictions) -> float:
    """Mean F1 of the classes that occur in the test labels or among the answers."""
    return p.counts.mean("f1", "macro")


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.precision_score(average='micro')")
def micro_precision(p: Predictions) -> float:
    """Precision over all images at once; with one answer an image it is the accuracy."""
    return p.counts.mean("precision", "micro")


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.recall_score(average='micro')")
def micro_recall(p: Predictions) -> float:
    """Recall over all images at once; with one answer an image it is the accuracy."""
    return p.counts.mean("recall", "micro")


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.f1_score(average='micro')")
def micro_f1(p: Predictions) -> float:
    """F1 over all images at once; with one answer an image it is the accuracy."""
    return p.counts.mean("f1", "micro")


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.precision_score(average='weighted')")
def weighted_precision(p: Predictions) -> float:
    """Mean precision of the classes, each weighted by its test images; never answered is 0."""
    return p.counts.mean("precision", "weighted")


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.recall_score(average='weighted')")
def weighted_recall(p: Predictions) -> float:
    """Mean recall of the classes, each weighted by its test images; this is the accuracy."""
    return p.counts.mean("recall", "weighted")


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.f1_score(average='weighted')")
def weighted_f1(p: Predictions) -> float:
    """Mean F1 of the classes, each weighted by its test images."""
    return p.counts.mean("f1", "weighted")


@metric("coefficient", "max", (-1.0, 1.0), "Gorodkin 2004; sklearn.metrics.matthews_corrcoef")
def mcc(p: Predictions) -> float:
    """Matthews correlation of answers and true classes: 1 all right, 0 chance; undefined with one true class."""
    return p.counts.matthews()


@metric("coefficient", "max", (-1.0, 1.0), "Cohen 1960; sklearn.metrics.cohen_kappa_score")
def cohen_kappa(p: Predictions) -> float:
    """Agreement with the true classes beyond chance: 1 all right, 0 chance; undefined with one true class."""
    return p.counts.kappa()


# --- of the order of the scores -----------------------------------------------------------------------------------


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.roc_auc_score(multi_class='ovr')")
def auroc_ovr(p: Predictions) -> float:
    """Mean area under the ROC curve of each class against the rest, by softmax probability in float64.

    Undefined when a class has no test image: a mean over the other classes would be another quantity under this name.
    """
    p.require_every_class()
    return float(p.one_vs_rest.auroc.mean())


@metric("fraction", "max", (0.0, 1.0), "Hand and Till 2001; sklearn.metrics.roc_auc_score(multi_class='ovo')")
def auroc_ovo(p: Predictions) -> float:
    """Mean area under the ROC curve of each pair of classes, which no imbalance changes; undefined as auroc_ovr is."""
    import numpy as np

    from bakeoff.evaluate.ranking import one_vs_one

    p.require_every_class()
    return float(np.nanmean(one_vs_one(p.proba, p.y_true)))


@metric("fraction", "max", (0.0, 1.0), "sklearn.metrics.average_precision_score(average='macro')")
def average_precision(p: Predictions) -> float:
    """Mean over classes of the average precision of each against the rest; undefined as auroc_ovr is."""
    p.require_every_class()
    return float(p.one_vs_rest.average_precision.mean())


# --- of the probabilities -----------------------------------------------------------------------------------------


@metric("nats", "min", (0.0, None), "Good 1952; sklearn.metrics.log_loss without its clipping")
def log_loss(p: Predictions) -> float:
    """Mean of -log(probability given to the true class)."""
    # Adding zero makes the -0.0 of perfect predictions a 0.0.
    return float(-p.log_proba[range(len(p.y_true)), p.y_true].mean() + 0.0)


@metric("squared error", "min", (0.0, 2.0), "Brier 1950; sklearn.metrics.brier_score_loss")
def brier(p: Predictions) -> float:
    """Mean squared distance of the probabilities from the truth, summed over classes; half of it with two classes."""
    off = p.proba.copy()
    off[range(len(p.y_true)), p.y_true] -= 1
    return float((off**2).sum(axis=1).mean()) / (2 if p.classes == 2 else 1)


@metric("fraction", "min", (0.0, 1.0), "Naeini et al. 2015; Guo et al. 2017, 15 bins")
def ece(p: Predictions) -> Estimate:
    """Expected calibration error: mean gap between confidence and accuracy, in 15 bins of equal width."""
    from bakeoff.evaluate import calibration

    return calibration.ece(p.confidence, p.correct)


@metric("fraction", "min", (0.0, 1.0), "Nguyen and O'Connor 2015; Mukhoti et al. 2020, 15 bins")
def adaptive_ece(p: Predictions) -> Estimate:
    """Expected calibration error in 15 bins of equally many images."""
    from bakeoff.evaluate import calibration

    return calibration.adaptive_ece(p.confidence, p.correct)


@metric("fraction", "min", (0.0, 1.0), "Guo et al. 2017, section 4.2")
def ece_calibrated(p: Predictions) -> Estimate:
    """Expected calibration error after the temperature that was fitted on the validation images."""
    return ece(p.calibrated)


@metric("nats", "min", (0.0, None), "Guo et al. 2017, section 4.2")
def log_loss_calibrated(p: Predictions) -> float:
    """Log loss after the temperature that was fitted on the validation images."""
    return log_loss(p.calibrated)


# --- of training --------------------------------------------------------------------------------------------------


@metric("fraction", "min", (-1.0, 1.0), "Goodfellow et al. 2016, section 5.2, with accuracies")
def overfitting_gap(p: Predictions) -> float:
    """Training minus validation accuracy at the epoch whose weights were kept.

    Training accuracy is that of the epoch's own steps, under augmentation and dropout, so the gap may be below zero.
    """
    best = p.best_epoch
    if best is None:
        raise UndefinedError("the history of the training is not known")
    if best.train_accuracy is None or best.val_accuracy is None:
        raise UndefinedError("the history has no accuracies of the best epoch")
    return best.train_accuracy - best.val_accuracy
