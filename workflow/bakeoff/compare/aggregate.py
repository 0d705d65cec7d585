"""What the runs of a cell say of one classifier: curves, reliability and thresholds, over its seeds.

Each function takes the parts of the seeds' metrics.json and gives a part of diagnostics.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bakeoff.compare.paired import FloatArray
from bakeoff.provenance import Json

# Of a rate drawn in a figure, more decimals are only bytes.
_DECIMALS = 6
_RATES = ("accuracy", "precision", "recall", "f1")
_COUNTS = ("tp", "fp", "tn", "fn")


def rounded(values: FloatArray) -> list[float | None]:
    """As a record holds it: null for what is no number."""
    return [None if np.isnan(value) else round(float(value), _DECIMALS) for value in values]


def mean_and_std(values: Sequence[float | None]) -> Json:
    """Mean, standard deviation (ddof 1) and number of those that are there."""
    known = np.array([value for value in values if value is not None], dtype=float)
    return {
        "mean": float(known.mean()) if known.size else None,
        "std": float(known.std(ddof=1)) if known.size > 1 else None,
        "n": int(known.size),
    }


# --- curves -------------------------------------------------------------------------------------------------------


def curve(curves: Sequence[Json], kind: str, grid: str) -> Json | None:
    """The mean ROC or PR curve over seeds, with its spread: macro, and of each class.

    Vertical averaging: at each point of the grid (the false positive rate, or the recall) the mean and standard
    deviation of the other rate over seeds (Fawcett 2006, "An introduction to ROC analysis", section 8.1).
    """
    found = [run[kind] for run in curves if run is not None]
    if not found:
        return None
    names = list(found[0]["classes"])
    return {
        "grid": found[0][grid],
        "macro": _banded([run["macro"] for run in found]),
        "classes": {name: _banded([run["classes"].get(name) for run in found]) for name in names},
    }


def _banded(lines: Sequence[list[float] | None]) -> Json | None:
    known = np.array([line for line in lines if line is not None], dtype=float)
    if not known.size:
        return None
    std = known.std(axis=0, ddof=1) if len(known) > 1 else np.full(known.shape[1], np.nan)
    return {"mean": rounded(known.mean(axis=0)), "std": rounded(std), "n": len(known)}


# --- calibration --------------------------------------------------------------------------------------------------


def reliability(calibrations: Sequence[Json | None]) -> Json:
    """The temperature over seeds, and the bins of confidence with the images of all seeds in them."""
    known = [calibration for calibration in calibrations if calibration is not None]
    return {
        "temperature": mean_and_std([calibration["temperature"] for calibration in known]),
        "bins": pooled([calibration["bins"] for calibration in known]),
        "bins_calibrated": pooled([calibration["bins_calibrated"] for calibration in known]),
    }


def pooled(runs: Sequence[Sequence[Json] | None]) -> list[Json]:
    """Bins of equal edges put together: counts add, confidence and accuracy are means over all their images."""
    found: list[Json] = []
    for same in zip(*(run for run in runs if run), strict=True):
        count = sum(part["count"] for part in same)

        def mean(name: str, parts: Sequence[Json] = same, count: int = count) -> float | None:
            total = sum(part["count"] * part[name] for part in parts if part["count"])
            return total / count if count else None

        values = {"confidence": mean("confidence"), "accuracy": mean("accuracy")}
        found.append({"lo": same[0]["lo"], "hi": same[0]["hi"], "count": count, **values})
    return found


# --- thresholds ---------------------------------------------------------------------------------------------------


def thresholds(tables: Sequence[Json | None]) -> Json | None:
    """The threshold table of two classes, mean over seeds, and what the thresholds chosen on validation did on test.

    A precision without any positive answer is not there; its mean is over the `precision_n` seeds that have one.
    """
    known = [table for table in tables if table is not None]
    if not known:
        return None
    chosen = [table["chosen"] for table in known if table["chosen"] is not None]
    return {
        "positive": known[0]["positive"],
        "n": len(known),
        "rows": [_mean_row(rows) for rows in zip(*(table["rows"] for table in known), strict=True)],
        "chosen": {
            **mean_and_std([choice["threshold"] for choice in chosen]),
            "each": [{name: choice[name] for name in ("threshold", "lo", "hi")} for choice in chosen],
            "test": _mean_row([choice["test"] for choice in chosen]) if chosen else None,
        },
    }


def _mean_row(rows: Sequence[Json]) -> Json:
    def mean(name: str) -> Any:
        return mean_and_std([row[name] for row in rows])["mean"]

    return {
        "threshold": mean("threshold"),
        **{name: mean(name) for name in (*_RATES, *_COUNTS)},
        "accuracy_std": mean_and_std([row["accuracy"] for row in rows])["std"],
        "precision_n": sum(row["precision"] is not None for row in rows),
    }
