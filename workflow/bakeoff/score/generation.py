"""Generation: how near a set of made images is to a set of real ones, from features; or each made one to its own."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from bakeoff.compare.units import Known
from bakeoff.errors import UserError
from bakeoff.score.classes import probabilities
from bakeoff.score.columns import Columns, FloatArray
from bakeoff.score.task import Measured, Options, Task


def known(name: str) -> Known:
    """Unit, direction and range; the name of the features, in parentheses, changes none."""
    return Known("", "max", (1.0, None)) if name.startswith("inception_score") else Known("", "min", (0.0, None))


def measure(columns: Columns, options: Options) -> Measured:
    """FID of `features` against the reference, Inception Score of `logits` or `probabilities`, mean of `distance`.

    The name of what made them stands in the metric's name, for numbers of two networks are two metrics. Distances,
    one a row (LPIPS of a made image and its own), are means, so they have a part of each row.
    """
    by = _made_by(columns, options)
    values: dict[str, float] = {}
    per_row: dict[str, FloatArray] = {}
    undefined: dict[str, str] = {}
    if "features" in columns:
        if options.reference is None:
            raise UserError(f"--reference: {columns.source} has features; name the file with those of real images")
        of_reference = _made_by(options.reference, options)
        if of_reference != by:
            raise UserError(f"{columns.source}: has features of {by}, and {options.reference.source} of {of_reference}")
        values[f"fid ({by})"] = fid(*_sets(columns, options.reference))
    proba = _probabilities(columns)
    if proba is not None:
        values[f"inception_score ({by})"] = inception_score(proba)
    if "distance" in columns:
        distance = columns.numbers("distance")
        columns.refuse(distance < 0, "distance", "{} is below 0")
        values[f"distance ({by})"], per_row[f"distance ({by})"] = float(distance.mean()), distance
    if not values:
        raise UserError(f"{columns.source}: needs features, logits, probabilities or distance")
    answers = b"".join(np.ascontiguousarray(values).tobytes() for values in columns.arrays.values()
                       if values.dtype.kind in "fiub")  # fmt: skip
    return Measured(values, per_row, undefined, answers=answers)


def fid(made: FloatArray, real: FloatArray) -> float:
    """Fréchet distance of two normal distributions with the mean and covariance of features [N, D] and [M, D].

    Heusel et al. 2017, equation 6; unbiased covariances, as numpy.cov and pytorch-fid have them. The trace of the root
    of the covariances' product is worked out from the symmetric A^1/2 B A^1/2, which has the same eigenvalues.
    """
    means = made.mean(axis=0) - real.mean(axis=0)
    of_made, of_real = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (made, real))
    values, vectors = linalg.eigh(of_made)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    product = linalg.eigvalsh(root @ of_real @ root)
    trace = float(np.trace(of_made) + np.trace(of_real) - 2 * np.sqrt(np.maximum(product, 0.0)).sum())
    return max(float(means @ means) + trace, 0.0)


def inception_score(proba: FloatArray) -> float:
    """exp of the mean divergence of each image's probabilities [N, C] from their mean, in one part.

    Salimans et al. 2016, section 4. The means over ten parts that many papers give are lower: they depend on the order.
    """
    marginal = proba.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(proba > 0, proba * (np.log(proba) - np.log(marginal)), 0.0)
    return max(float(np.exp(terms.sum(axis=1).mean())), 1.0)  # rounding may come out below


def _made_by(columns: Columns, options: Options) -> str:
    """What made the features; there is no default, for one would be wrong of somebody's file."""
    name = columns.facts.get("made_by")
    if name and options.features and name != options.features:
        raise UserError(f"--features: {options.features}, but {columns.source} says {name}")
    if not (name or options.features):
        raise UserError(f"--features: name what made the numbers of {columns.source}, as in inception_v3_torchvision")
    return name or str(options.features)


def _sets(columns: Columns, reference: Columns) -> tuple[FloatArray, FloatArray]:
    reference.need("features")
    made, real = columns.matrix("features"), reference.matrix("features")
    for name, values in ((columns.source, made), (reference.source, real)):
        if len(values) < 2:
            raise UserError(f"{name}: features: {len(values)} row has no covariance; FID needs two or more")
    if made.shape[1] != real.shape[1]:
        raise UserError(
            f"{columns.source}: features: has {made.shape[1]} a row, and {reference.source} has {real.shape[1]}"
        )
    return made, real


def _probabilities(columns: Columns) -> FloatArray | None:
    if "probabilities" in columns:
        return probabilities(columns)
    if "logits" not in columns:
        return None
    logits = columns.matrix("logits")
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    proba: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return proba


TASK = Task(
    name="generation",
    rows="images",
    plain=("distance",),
    wide=("features", "logits", "probabilities"),
    truth=(),
    primary="fid",
    known=known,
    measure=measure,
    aligned=False,
    notes=("FID is biased upward with few images: compare sets of one size alone (Chong & Forsyth 2020)",),
)
