"""What `metrics.json` holds beside the metrics: classes, calibration, curves, thresholds and the worst errors.

Each part has the same keys whatever the run was; `NOTHING` is what a run without usable predictions has.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import UserError
from bakeoff.evaluate.calibration import reliability
from bakeoff.evaluate.predictions import ANSWERS_ONLY, Predictions
from bakeoff.evaluate.ranking import GRID
from bakeoff.evaluate.registry import UndefinedError
from bakeoff.evaluate.spec import EvaluateSettings
from bakeoff.evaluate.thresholds import choose_threshold, decide, threshold_table
from bakeoff.provenance import Json, finite

MANY_CLASSES = 20
"""With more of them, curves are of the mean alone: nobody reads a figure of so many lines."""
_DIGITS = 6
"""Decimals of a curve: a hundredth of a pixel is enough for drawing."""


def nothing(why: str) -> Json:
    """The parts of a run that has no usable predictions."""
    return {
        "per_class": [],
        "confusion": None,
        **_no_scores(why),
        "worst": [],
        "class_counts": [],
        "imbalance": None,
    }


def _no_scores(why: str) -> Json:
    """The parts that are made of probabilities, of a run that has none."""
    no_curve: Json = {"classes": {}, "macro": None}
    return {
        "calibration": {"temperature": None, "why_null": why, "bins": [], "bins_calibrated": []},
        "curves": {"roc": {"fpr": GRID.tolist(), **no_curve}, "pr": {"recall": GRID.tolist(), **no_curve}},
        "thresholds": None,
    }


def details(p: Predictions, example_id: NDArray[np.int64], class_names: list[str], settings: EvaluateSettings) -> Json:
    """All parts of a run; `example_id` [N] are the images of its predictions."""
    support = p.counts.support
    return {
        "per_class": per_class(p, class_names),
        "confusion": p.counts.confusion.tolist(),
        **(_no_scores(ANSWERS_ONLY) if p.answers_only else _of_scores(p, class_names, settings)),
        "worst": worst(p, example_id, class_names, settings.worst),
        "class_counts": support.tolist(),
        "imbalance": float(support.max() / support.min()) if support.min() else None,
    }


def _of_scores(p: Predictions, class_names: list[str], settings: EvaluateSettings) -> Json:
    return {
        "calibration": calibration(p),
        "curves": curves(p, class_names),
        "thresholds": thresholds(p, class_names, settings) if p.classes == 2 else None,
    }


def per_class(p: Predictions, class_names: list[str]) -> list[Json]:
    """One row a class; None where there is nothing to divide by: no answer has no precision, no image no recall."""
    unknown = np.full(p.classes, np.nan)
    columns = {
        "precision": p.counts.per_class("precision"),
        "recall": p.counts.per_class("recall"),
        "f1": p.counts.per_class("f1"),
        "auroc": unknown if p.answers_only else p.one_vs_rest.auroc,
        "average_precision": unknown if p.answers_only else p.one_vs_rest.average_precision,
    }
    return [
        {
            "class": name,
            **{column: finite(values[c]) for column, values in columns.items()},
            "support": int(p.counts.support[c]),
        }
        for c, name in enumerate(class_names)
    ]


def calibration(p: Predictions) -> Json:
    """The temperature, and the bins of the reliability diagram before and after it."""
    found: Json = {"temperature": None, "why_null": None, "bins": reliability(p.confidence, p.correct)}
    try:
        after = p.calibrated
    except UndefinedError as reason:
        return {**found, "why_null": str(reason), "bins_calibrated": []}
    return {
        **found,
        "temperature": p.temperature,
        "bins_calibrated": reliability(after.confidence, after.correct),
    }


def curves(p: Predictions, class_names: list[str]) -> Json:
    """ROC and precision-recall curves over hundredths, of each class and their mean; None where undefined."""
    return {
        "roc": {"fpr": GRID.tolist(), **_curve(p.one_vs_rest.true_positive_rate, class_names)},
        "pr": {"recall": GRID.tolist(), **_curve(p.one_vs_rest.precision, class_names)},
    }


def _curve(values: NDArray[np.float64], class_names: list[str]) -> Json:
    """`values` [C, 101] by class name. The mean is None unless every class has a curve, as the area's is."""
    few = len(class_names) <= MANY_CLASSES
    return {
        "classes": {name: _points(values[c]) for c, name in enumerate(class_names)} if few else {},
        "macro": _points(values.mean(axis=0)),
    }


def _points(values: NDArray[np.float64]) -> list[float] | None:
    return None if np.isnan(values).any() else values.round(_DIGITS).tolist()


def thresholds(p: Predictions, class_names: list[str], settings: EvaluateSettings) -> Json:
    """The decisions between two classes at each threshold of the probability of the positive one.

    `chosen` is the threshold of the highest accuracy on validation images, and what it is worth on the test images; it
    is None without validation images of both classes.
    """
    positive = _positive(class_names, settings.positive)
    scores, truth = p.proba[:, positive], p.y_true == positive
    rows = threshold_table(scores, truth, settings.thresholds)
    return {
        "positive": class_names[positive],
        "grid": list(settings.thresholds),
        "rows": [asdict(row) for row in rows],
        "chosen": _chosen(p, positive),
    }


def _positive(class_names: list[str], wanted: str | None) -> int:
    if wanted is None:
        return 1
    if wanted not in class_names:
        raise UserError(
            f"evaluate.positive: no class {wanted!r} in a data set with two; choose {' or '.join(class_names)}"
        )
    return class_names.index(wanted)


def _chosen(p: Predictions, positive: int) -> Json | None:
    seen = p.validation
    if seen is None or len(np.unique(seen.y_true)) < 2:
        return None
    chosen = choose_threshold(seen.proba[:, positive], seen.y_true == positive)
    test = decide(p.proba[:, positive], p.y_true == positive, chosen.threshold)
    return {**asdict(chosen), "test": asdict(test)}


def worst(p: Predictions, example_id: NDArray[np.int64], class_names: list[str], most: int) -> list[dict[str, Any]]:
    """The errors that the run was surest of, the surest first; of equally sure ones the lower id."""
    wrong = np.flatnonzero(~p.correct)
    sure = np.zeros(len(p.y_true)) if p.answers_only else p.confidence
    order = wrong[np.lexsort((example_id[wrong], -sure[wrong]))][:most]
    return [
        {
            "example_id": int(example_id[i]),
            "true": class_names[p.y_true[i]],
            "predicted": class_names[p.y_pred[i]],
            "confidence": None if p.answers_only else float(p.confidence[i]),
        }
        for i in order
    ]
