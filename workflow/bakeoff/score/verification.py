"""Verification: is a pair of one identity? From the scores of pairs, or from embeddings, scored pair by pair."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bakeoff.compare import jackknife
from bakeoff.compare.units import Known
from bakeoff.errors import UserError
from bakeoff.evaluate import verification_curve as curves
from bakeoff.evaluate.verification_curve import Curve
from bakeoff.evaluate.verification_pairs import AllPairs, workers
from bakeoff.score.columns import Columns
from bakeoff.score.task import Measured, Options, Task


def known(name: str) -> Known:
    """Unit, direction and range of a metric of verification."""
    return Known("fraction", "min" if name == "eer" else "max", (0.0, 1.0))


def measure(columns: Columns, options: Options) -> Measured:
    """AUC, EER and TAR at each FAR of `options.far`, read from the curve as `bakeoff verification` reads them.

    Of given pairs the AUC has a part of each pair; EER and TAR, read at a threshold, have none.
    """
    if "embeddings" in columns:
        curve, per_row = _of_embeddings(columns), {}
        answers = columns.matrix("embeddings").tobytes()
    else:
        scores, same = columns.numbers("score"), columns.flags("same")
        if same.all() or not same.any():
            raise UserError(f"{columns.source}: same: is {int(same[0])} in every row; both kinds of pairs are needed")
        curve, answers = of_scores(scores, same), scores.tobytes()
        few = min(same.sum(), (~same).sum()) < 2
        per_row = {} if few else {"auc": jackknife.area_pseudovalues(scores, same)}
    values = {"auc": min(float(curves.auc(curve)), 1.0), "eer": float(curves.eer(curve))}
    undefined = {}
    for far in options.far:
        name = f"tar_at_far_{far:g}"
        if curve.impostor * far < 1:
            undefined[name] = f"needs {int(np.ceil(1 / far)):,} impostor pairs or more"
        else:
            values[name] = float(curves.tar_at_far(curve, far))
    return Measured(values, per_row, undefined, answers=answers)


def of_scores(scores: jackknife.FloatArray, same: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Curve:
    """The exact curve of scores [N], larger for pairs that look more alike, and whether each pair is genuine [N]."""
    levels, place = np.unique(scores, return_inverse=True)
    genuine = np.bincount(place[same], minlength=len(levels))
    impostor = np.bincount(place[~same], minlength=len(levels))
    return Curve(np.arange(len(levels))[::-1], genuine[::-1].cumsum(), impostor[::-1].cumsum())


def _of_embeddings(columns: Columns) -> Curve:
    vectors = columns.matrix("embeddings")
    columns.refuse(~vectors.any(axis=1), "embeddings", "all zeros, which point nowhere and so have no cosine")
    identity = pd.factorize(columns.texts("identity"))[0]
    sizes = np.bincount(identity)
    if len(sizes) < 2 or sizes.max() < 2:
        lacks = "an impostor" if len(sizes) < 2 else "a genuine"
        raise UserError(f"{columns.source}: identity: there is not {lacks} pair; both kinds are needed")
    with workers() as pool:
        return curves.count(AllPairs(vectors, identity), pool)


TASK = Task(
    name="verification",
    rows="pairs",
    plain=("same", "score", "identity"),
    wide=("embeddings",),
    truth=("same", "identity"),
    primary="auc",
    known=known,
    measure=measure,
    notes=(
        "what is said of new pairs takes pairs as independent; where they share images or people, it is too sure "
        "(`bakeoff verification` has intervals over identities)",
    ),
)
