"""Which classes are taken for which, averaged over the seeds of a cell."""

from __future__ import annotations

import numpy as np

from bakeoff.compare.load import Loaded
from bakeoff.compare.spec import AXES, CompareInput
from bakeoff.provenance import Json


def confusion(inputs: CompareInput, loaded: Loaded) -> list[Json]:
    """The cells of confusion.json: mean counts [C, C] over the runs that ended well, rows true, columns predicted.

    `rates` are the counts over the row's sum; null in the row of a class without test images.
    """
    found: list[Json] = []
    for cell in inputs.cells:
        runs, evaluated = loaded.done(cell), loaded.evaluated(cell)
        if not evaluated:
            continue
        counts = np.mean([outcome.confusion for outcome in evaluated.values()], axis=0)
        rates = [[n / sum(row) for n in row] if sum(row) else [None] * len(row) for row in counts.tolist()]
        found.append(
            {
                **dict(zip(AXES, cell.key, strict=True)),
                "n_runs": len(runs),
                "class_names": list(runs[0].class_names),
                "mean_counts": counts.tolist(),
                "rates": rates,
            }
        )
    return found
