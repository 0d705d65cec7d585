"""What metrics.json says beside its metrics, computed plainly from predictions: the contract of `evaluate`."""

from __future__ import annotations

from typing import Any

import numpy as np

Json = dict[str, Any]

GRID = [round(0.01 * i, 2) for i in range(101)]
BINS = 15
NOTHING: Json = {
    "calibration": {"temperature": None, "why_null": "diverged", "bins": [], "bins_calibrated": []},
    "curves": {
        "roc": {"fpr": GRID, "classes": {}, "macro": None},
        "pr": {"recall": GRID, "classes": {}, "macro": None},
    },
    "thresholds": None,
    "worst": [],
    "class_counts": [],
    "imbalance": None,
    "per_class": [],
    "confusion": None,
}  # fmt: skip


def details(y_true: np.ndarray, logits: np.ndarray, names: list[str], temperature: float = 1.5) -> Json:
    """All parts of a run that ended well, but for its metrics."""
    classes = len(names)
    p = softmax(logits)
    counts = np.bincount(y_true, minlength=classes)
    confusion = np.zeros((classes, classes), dtype=int)
    np.add.at(confusion, (y_true, p.argmax(axis=1)), 1)
    named = names if classes <= 20 else []
    roc = {name: roc_at_grid(y_true == c, p[:, c]) for c, name in enumerate(names)}
    pr = {name: pr_at_grid(y_true == c, p[:, c]) for c, name in enumerate(names)}
    return {
        "calibration": {
            "temperature": temperature,
            "why_null": None,
            "bins": bins(y_true, p),
            "bins_calibrated": bins(y_true, softmax(logits / temperature)),
        },
        "curves": {
            "roc": {"fpr": GRID, "classes": {name: roc[name] for name in named}, "macro": macro(roc)},
            "pr": {"recall": GRID, "classes": {name: pr[name] for name in named}, "macro": macro(pr)},
        },
        "thresholds": thresholds(y_true, p[:, 1], names[1]) if classes == 2 else None,
        "worst": [],
        "class_counts": counts.tolist(),
        "imbalance": float(counts.max() / counts.min()) if counts.min() else None,
        "per_class": [],
        "confusion": confusion.tolist(),
    }


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def macro(lines: dict[str, list[float] | None]) -> list[float] | None:
    known = [line for line in lines.values() if line is not None]
    return np.mean(known, axis=0).tolist() if len(known) == len(lines) else None


def roc_at_grid(positive: np.ndarray, score: np.ndarray) -> list[float] | None:
    if positive.all() or not positive.any():
        return None
    order = np.argsort(-score, kind="stable")
    tpr = np.concatenate([[0.0], positive[order].cumsum() / positive.sum()])
    fpr = np.concatenate([[0.0], (~positive[order]).cumsum() / (~positive).sum()])
    return np.interp(GRID, fpr, tpr).tolist()


def pr_at_grid(positive: np.ndarray, score: np.ndarray) -> list[float] | None:
    if not positive.any():
        return None
    order = np.argsort(-score, kind="stable")
    found = positive[order].cumsum()
    recall, precision = found / positive.sum(), found / np.arange(1, len(score) + 1)
    return [float(precision[recall >= r - 1e-12].max()) for r in GRID]


def bins(y_true: np.ndarray, p: np.ndarray) -> list[Json]:
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y_true
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    found = []
    for b in range(BINS):
        inside = place == b
        n = int(inside.sum())
        means = {"confidence": confidence[inside].mean(), "accuracy": right[inside].mean()} if n else {}
        values = {name: float(means[name]) if n else None for name in ("confidence", "accuracy")}
        found.append({"lo": b / BINS, "hi": (b + 1) / BINS, "count": n, **values})
    return found


def thresholds(y_true: np.ndarray, score: np.ndarray, positive: str) -> Json:
    grid = [round(0.1 * i, 1) for i in range(1, 11)]
    rows = [threshold_row(y_true == 1, score, threshold) for threshold in grid]
    chosen = {"threshold": 0.45, "lo": 0.4, "hi": 0.5, "test": threshold_row(y_true == 1, score, 0.45)}
    return {"positive": positive, "grid": grid, "rows": rows, "chosen": chosen}


def threshold_row(truth: np.ndarray, score: np.ndarray, threshold: float) -> Json:
    said = score >= threshold
    tp, fp = int((truth & said).sum()), int((~truth & said).sum())
    tn, fn = int((~truth & ~said).sum()), int((truth & ~said).sum())
    return {
        "threshold": threshold,
        "accuracy": (tp + tn) / len(truth),
        "precision": tp / (tp + fp) if tp + fp else None,
        "recall": tp / (tp + fn) if tp + fn else 0.0,
        "f1": 2 * tp / (2 * tp + fp + fn) if 2 * tp + fp + fn else 0.0,
        "tp": tp, "fp": fp, "tn": tn, "fn": fn,
    }  # fmt: skip
