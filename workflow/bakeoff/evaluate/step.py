"""Reads a run's record and test predictions, and writes its metrics beside them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from bakeoff.errors import Refused
from bakeoff.evaluate.metrics import METRICS, Predictions
from bakeoff.evaluate.spec import EvaluateSettings
from bakeoff.provenance import Json, check_files, finite, read_record, validated, write_record

# What reading a damaged archive of arrays can raise, beside MemoryError for a header that claims too much.
_DAMAGE = (OSError, EOFError, KeyError, ValueError, NotImplementedError, MemoryError, zipfile.BadZipFile, zlib.error)


class _Run(BaseModel):
    """What the metrics need to know of a run's record."""

    dataset: str
    model: str
    augmentation: str
    recipe: str
    seed: int
    status: str
    reason: str | None
    class_names: list[str] = Field(min_length=1)
    n_test: int = Field(ge=1)


def run(spec: Mapping[str, Any], run_dir: Path, code: str) -> Path:
    """Write `metrics.json` of the run in `run_dir`, and return its path.

    `spec` holds the fields of EvaluateSettings, `code` is the digest of this stage's code. A run that did not end well
    has null metrics. Raises Refused, naming the file, when the run's record or its predictions cannot be trusted.
    """
    settings = validated(EvaluateSettings, spec)
    record_path = run_dir / "run.json"
    record = read_record(record_path, "run")
    facts = validated(_Run, record, source=str(record_path), fault=Refused)
    predictions_path = run_dir / "predictions.npz"
    check_files(record_path, record, predictions_path.name)
    if facts.status == "done":
        results = _results(_load(predictions_path, facts), settings, facts.class_names)
    else:
        nulls = {name: asdict(METRICS[name].null(facts.status)) for name in settings.metrics}
        results = {"metrics": nulls, "per_class": [], "confusion": None}
    path = run_dir / "metrics.json"
    body = {
        **facts.model_dump(exclude={"n_test"}),
        "n": facts.n_test,
        "run_digest": record["record_digest"],
        "predictions_sha256": record["files"][predictions_path.name],
        **results,
    }
    write_record(path, "metrics", spec, code, body)
    return path


def _load(path: Path, facts: _Run) -> Predictions:
    """The test predictions at `path`; Refused unless they are what a run with such a record would have written."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            example_id, y_true, logits = arrays["example_id"], arrays["y_true"], arrays["logits"]
    except _DAMAGE as error:
        raise Refused(
            f"{path}: is damaged ({type(error).__name__}); delete the run's folder to train it again"
        ) from None
    n, classes = facts.n_test, len(facts.class_names)
    if example_id.shape != (n,) or y_true.shape != (n,) or logits.shape != (n, classes):
        raise Refused(
            f"{path}: does not hold {n} predictions over {classes} classes, as run.json beside it says "
            f"(example_id {example_id.shape}, y_true {y_true.shape}, logits {logits.shape})"
        )
    if y_true.dtype.kind != "i" or logits.dtype.kind != "f":
        raise Refused(f"{path}: y_true is {y_true.dtype} and logits are {logits.dtype}, not integers and floats")
    if len(np.unique(example_id)) != n:
        raise Refused(f"{path}: has an image more than once")
    if y_true.min() < 0 or y_true.max() >= classes:
        raise Refused(f"{path}: has true classes outside 0..{classes - 1}")
    if not np.isfinite(logits).all():
        raise Refused(f"{path}: has logits that are no numbers, though the run's status is {facts.status!r}")
    return Predictions(y_true, logits)


def _results(predictions: Predictions, settings: EvaluateSettings, class_names: list[str]) -> Json:
    labels = range(len(class_names))
    y_true, y_pred = predictions.y_true, predictions.y_pred
    # NaN where there is nothing to divide by: a class that was never answered has no precision.
    table = precision_recall_fscore_support(y_true, y_pred, labels=labels, zero_division=np.nan)
    return {
        "metrics": {name: asdict(METRICS[name].measure(predictions)) for name in settings.metrics},
        "per_class": [
            {
                "class": name,
                "precision": finite(precision),
                "recall": finite(recall),
                "f1": finite(f1),
                "support": int(support),
            }
            for name, precision, recall, f1, support in zip(class_names, *table, strict=True)
        ],
        "confusion": confusion_matrix(y_true, y_pred, labels=labels).tolist(),
    }
