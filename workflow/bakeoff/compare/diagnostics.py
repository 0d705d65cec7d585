"""What tells why a model scores as it does: the content of diagnostics.json and errors.npz.

Of each cell curves, reliability, thresholds, overfitting and the worst errors over its seeds; of each candidate against
its baseline the classes that differ. All of it is to be looked at: nothing here gives a star.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bakeoff.compare import aggregate, classes, mistakes, pictures
from bakeoff.compare.load import Loaded, Predicted
from bakeoff.compare.spec import AXES, Cell, CompareInput, Place
from bakeoff.provenance import Json, whole

GAP = "overfitting_gap"
SHOWN = 500
"""Images of a regression that a figure shows; with more of them its points hide each other."""
_DIGITS = 6
"""Significant digits of a target."""


def diagnostics(inputs: CompareInput, loaded: Loaded) -> Json:
    """`cells` and `rows` of diagnostics.json."""
    done = [cell for cell in inputs.cells if loaded.done(cell)]
    return {"cells": [_cell(cell, loaded) for cell in done], "rows": classes.rows(inputs, loaded)}


def _cell(cell: Cell, loaded: Loaded) -> Json:
    runs = loaded.done(cell)
    details = [outcome.details for outcome in loaded.evaluated(cell).values()]
    curves = [part["curves"] for part in details]
    gaps = [run.metrics[GAP].value for run in runs if GAP in run.metrics]
    return {
        **dict(zip(AXES, cell.key, strict=True)),
        "n_runs": len(runs),
        "roc": aggregate.curve(curves, "roc", "fpr"),
        "pr": aggregate.curve(curves, "pr", "recall"),
        "calibration": aggregate.reliability([part["calibration"] for part in details]),
        "overfitting_gap": aggregate.mean_and_std(gaps),
        "thresholds": aggregate.thresholds([part["thresholds"] for part in details]),
        "worst": mistakes.worst(cell, loaded),
        "outputs": outputs(cell, loaded),
    }


def outputs(cell: Place, loaded: Loaded) -> Json | None:
    """Of a regression the targets, and what the first run that ended well says of SHOWN test images at most, evenly
    from the first to the last, for a test set may be in the order of its targets. None of a classification.
    """
    run = next(iter(loaded.done(cell)), None)
    if run is None or not isinstance(run.outcome, Predicted):
        return None
    n = len(run.outcome.targets)
    shown = np.linspace(0, n - 1, min(n, SHOWN)).round().astype(int)
    points = {"true": run.outcome.targets[shown], "predicted": run.outcome.outputs[shown]}
    return {
        "targets": list(run.targets),
        "seed": run.seed,
        **{name: [[_known(value) for value in one] for one in values.T.tolist()] for name, values in points.items()},
    }


def _known(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def save_pictures(path: Path, cells: Sequence[Json], inputs: CompareInput, loaded: Loaded, data: Path) -> Json:
    """Write the pixels of the worst errors of `cells` to `path`: ids [K] and pixels [K, C, H, W] for each data set.

    `data` is the folder of all prepared data sets. Returns for each data set why it has no pictures, or null.
    """
    folders = {cell.dataset: data / cell.data if cell.data else None for cell in inputs.cells}
    arrays: dict[str, npt.NDArray[Any]] = {}
    reasons: dict[str, str | None] = {}
    for dataset, folder in folders.items():
        ids = pictures.chosen([cell["worst"] for cell in cells if cell["dataset"] == dataset])
        if not ids:
            reasons[dataset] = "no run classifies an image wrongly"
            continue
        pixels, reasons[dataset] = pictures.read(folder, ids, loaded.tests[dataset])
        if pixels is not None:
            arrays |= {f"ids-{dataset}": np.array(ids, dtype=np.int64), f"pixels-{dataset}": pixels}
    with whole(path) as part:
        np.savez_compressed(part, allow_pickle=False, **arrays)
    return reasons
