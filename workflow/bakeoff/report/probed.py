"""What probes say of cells, as typed values: accuracy on corrupted images, faithfulness of explanations, pictures."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bakeoff.errors import Refused

Bytes = npt.NDArray[np.uint8]
Spread = tuple[float | None, float | None]
"""Mean and standard deviation over seeds."""


@dataclass(frozen=True)
class Robustness:
    """Accuracy on clean test images, its mean over all corruptions and severities, and what share of it that is; for
    each corruption the mean accuracy at severities 1 to 5.
    """

    clean: Spread
    mean: Spread
    kept: Spread
    by_severity: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Faithfulness:
    """How far answers come from where the maps say (insertion minus deletion), beside random maps and one
    map that always says the middle; or a reason.
    """

    reason: str | None
    difference: Spread = (None, None)
    random: Spread = (None, None)
    centre: Spread = (None, None)
    gain: Spread = (None, None)
    runs_above_random: int = 0
    n_images: int = 0


@dataclass(frozen=True)
class Verified:
    """How well embeddings tell pairs of one class from pairs of two; or a reason. TAR by FAR."""

    reason: str | None
    genuine: int = 0
    impostor: int = 0
    auc: Spread = (None, None)
    eer: Spread = (None, None)
    accuracy: Spread = (None, None)
    tar_at_far: Mapping[float, Spread] = field(default_factory=dict)


@dataclass(frozen=True)
class Looks:
    """Where one run looks in K test images: pixels [K, C, S, S], by method maps [K, S, S] 0..255; true and predicted
    classes.
    """

    pixels: Bytes
    maps: Mapping[str, Bytes]
    y_true: list[int]
    predicted: list[int]


@dataclass(frozen=True)
class Probed:
    """One cell that was probed; None is what its study did not ask for."""

    dataset: str
    model: str
    augmentation: str
    recipe: str
    n_runs: int
    robustness: Robustness | None
    faithfulness: Mapping[str, Faithfulness] | None
    """By method."""
    verification: Verified | None
    looks: Looks | None


def load(raw: Sequence[Mapping[str, Any]], pictures: Path) -> list[Probed]:
    """The probed cells of diagnostics.json with the pictures beside it. Raises Refused for an archive that is none."""
    try:
        with np.load(pictures, allow_pickle=False) as arrays:
            looks = [_looks(arrays, i) for i in range(len(raw))]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise Refused(f"{pictures}: cannot be read ({type(error).__name__}); delete it to remake") from None
    return [
        Probed(
            **{name: cell[name] for name in ("dataset", "model", "augmentation", "recipe", "n_runs")},
            robustness=_robustness(cell["robustness"]),
            faithfulness=cell["faithfulness"]
            and {method: _faithfulness(raw) for method, raw in cell["faithfulness"].items()},
            verification=_verified(cell.get("verification")),
            looks=look,
        )
        for cell, look in zip(raw, looks, strict=True)
    ]


def _spread(raw: Mapping[str, Any]) -> Spread:
    return raw["mean"], raw["std"]


def _robustness(raw: Mapping[str, Any] | None) -> Robustness | None:
    if raw is None:
        return None
    return Robustness(_spread(raw["clean"]), _spread(raw["mean"]), _spread(raw["kept"]), raw["by_severity"])


def _faithfulness(raw: Mapping[str, Any]) -> Faithfulness:
    if raw["reason"] is not None:
        return Faithfulness(raw["reason"])
    return Faithfulness(
        reason=None,
        difference=_spread(raw["difference"]),
        random=_spread(raw["random_mean"]),
        centre=_spread(raw["centre"]),
        gain=_spread(raw["gain"]),
        runs_above_random=raw["runs_above_random"],
        n_images=raw["n_images"],
    )


def _verified(raw: Mapping[str, Any] | None) -> Verified | None:
    if raw is None:
        return None
    if raw["reason"] is not None:
        return Verified(raw["reason"])
    return Verified(
        reason=None,
        genuine=raw["genuine_pairs"],
        impostor=raw["impostor_pairs"],
        auc=_spread(raw["auc"]),
        eer=_spread(raw["eer"]),
        accuracy=_spread(raw["accuracy"]),
        tar_at_far={each["far"]: _spread(each) for each in raw["tar_at_far"]},
    )


def _looks(arrays: Any, i: int) -> Looks | None:
    maps = re.compile(rf"maps-(\w+)-{i}")
    methods = [found[1] for name in arrays.files if (found := maps.fullmatch(name))]
    if not methods:
        return None
    return Looks(
        arrays[f"pixels-{i}"],
        {method: arrays[f"maps-{method}-{i}"] for method in methods},
        arrays[f"y_true-{i}"].tolist(),
        arrays[f"predicted-{i}"].tolist(),
    )
