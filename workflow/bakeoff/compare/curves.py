"""Learning curves: mean and spread over the seeds of a cell, epoch by epoch."""

from __future__ import annotations

import pandas as pd

from bakeoff.compare.load import Loaded
from bakeoff.compare.spec import AXES, CompareInput

VALUES = ("lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
COLUMNS = (*AXES, "epoch", "n", *(f"{value}_{part}" for value in VALUES for part in ("mean", "std")))


def curves(inputs: CompareInput, loaded: Loaded) -> pd.DataFrame:
    """The rows of curves.csv: `n` runs that ended well reached this epoch; std (ddof 1) is missing at n = 1."""
    found = [pd.DataFrame(columns=list(COLUMNS))]
    for cell in inputs.cells:
        histories = [outcome.history for outcome in loaded.recorded(cell).values()]
        if not histories:
            continue
        by_epoch = pd.concat(histories).groupby("epoch")
        table = pd.DataFrame({"n": by_epoch.size()})
        for value in VALUES:
            table[f"{value}_mean"] = by_epoch[value].mean()
            table[f"{value}_std"] = by_epoch[value].std()
        found.append(table.reset_index().assign(**dict(zip(AXES, cell.key, strict=True)))[list(COLUMNS)])
    return pd.concat(found[1:] or found, ignore_index=True)
