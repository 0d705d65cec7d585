"""diagnostics.json and errors.npz as typed values: what the pictures of single models are made from."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bakeoff import provenance
from bakeoff.errors import Refused
from bakeoff.report import probed
from bakeoff.report.probed import Probed

T = TypeVar("T")
FloatArray = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


def take(kind: type[T], raw: Mapping[str, Any]) -> T:
    """The dataclass `kind` from the keys of the same names; other keys are left."""
    return kind(**{field.name: raw[field.name] for field in fields(kind)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Line:
    """One rate over the grid: mean and standard deviation over `n` seeds, NaN where there is none."""

    mean: FloatArray
    std: FloatArray
    n: int


@dataclass(frozen=True)
class Curve:
    """ROC (tpr over fpr) or precision over recall; `classes` is empty when there are too many of them."""

    grid: FloatArray
    macro: Line | None
    classes: Mapping[str, Line]


@dataclass(frozen=True)
class Bin:
    """The images of all seeds whose confidence is between `lo` and `hi`."""

    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Over:
    """A number over seeds."""

    mean: float | None
    std: float | None
    n: int


@dataclass(frozen=True)
class At:
    """What two classes give at one threshold, mean over seeds; `precision_n` seeds have a precision there."""

    threshold: float
    accuracy: float
    accuracy_std: float | None
    precision: float | None
    precision_n: int
    recall: float
    f1: float
    tp: float
    fp: float
    tn: float
    fn: float


@dataclass(frozen=True)
class Thresholds:
    """The threshold table; `chosen` are those that were best on validation, `each` of a seed with its interval."""

    positive: str
    n: int
    rows: list[At]
    chosen: Over
    each: list[Mapping[str, float | None]]
    test: At | None


@dataclass(frozen=True)
class Mistake:
    """A test image that `n_wrong` of `n_runs` seeds get wrong, with their mean confidence in it where it is known."""

    example_id: int
    true: str
    predicted: str
    confidence: float | None
    n_wrong: int
    n_runs: int

    @property
    def seeds(self) -> str:
        """How many seeds get it wrong and how sure they are, as in "3 of 5 seeds, 97 %"; "" where nothing is to say."""
        of = f"{self.n_wrong} of {self.n_runs} seeds" if self.n_runs > 1 else ""
        sure = "" if self.confidence is None else f"{100 * self.confidence:.0f} %"
        return ", ".join(filter(None, (of, sure)))


@dataclass(frozen=True)
class Outputs:
    """Of a regression: the targets' names and units, and of each what is true and what a run predicts [N]."""

    targets: list[Mapping[str, Any]]
    true: list[FloatArray]
    predicted: list[FloatArray]


@dataclass(frozen=True)
class Diagnosis:
    """What the finished runs of one cell say."""

    dataset: str
    model: str
    augmentation: str
    recipe: str
    n_runs: int
    roc: Curve | None
    pr: Curve | None
    temperature: Over
    bins: list[Bin]
    bins_calibrated: list[Bin]
    thresholds: Thresholds | None
    worst: list[Mistake]
    outputs: Outputs | None


@dataclass(frozen=True)
class ClassChange:
    """Recall of one class, candidate minus baseline, with its t interval and the verdict after correction (FDR)."""

    name: str
    diff: float | None
    lo: float | None
    hi: float | None
    significant: bool


@dataclass(frozen=True)
class Change:
    """A candidate against its baseline, class by class; `confusion` is the difference of the rates of these classes."""

    dataset: str
    factor: str
    context: Mapping[str, str]
    candidate: str
    baseline: str
    n_classes: int
    n_tested: int
    n_significant: int
    alpha: float
    classes: list[ClassChange]
    confusion: FloatArray


@dataclass(frozen=True)
class Diagnostics:
    """All of it; `without_pictures` says of a data set why it has none, `pictures` has pixels [C, H, W] by id."""

    cells: list[Diagnosis]
    rows: list[Change]
    without_pictures: Mapping[str, str | None]
    pictures: Mapping[str, Mapping[int, Pixels]]
    probes: list[Probed]


def load(folder: Path) -> Diagnostics:
    """Read diagnostics.json, errors.npz and explanations.npz of a study.

    Raises Refused, naming the file that is not what it was.
    """
    path = folder / "diagnostics.json"
    record = provenance.read_record(path, "diagnostics")
    provenance.check_files(path, record, "errors.npz", "explanations.npz")
    pictures = _pictures(folder / "errors.npz", record.get("pictures", {}))
    try:
        return Diagnostics(
            cells=[_diagnosis(cell) for cell in record["cells"]],
            rows=[_change(row) for row in record["rows"]],
            without_pictures=record["pictures"],
            pictures=pictures,
            probes=probed.load(record["probes"], folder / "explanations.npz"),
        )
    except KeyError as error:
        raise Refused(f"{path}: has no {error}, so another version of bakeoff made it; delete it to remake") from None


def _diagnosis(raw: Mapping[str, Any]) -> Diagnosis:
    calibration = raw["calibration"]
    return take(
        Diagnosis,
        {
            **raw,
            "roc": _curve(raw["roc"]),
            "pr": _curve(raw["pr"]),
            "temperature": take(Over, calibration["temperature"]),
            **{name: [take(Bin, part) for part in calibration[name]] for name in ("bins", "bins_calibrated")},
            "thresholds": _thresholds(raw["thresholds"]),
            "worst": [take(Mistake, mistake) for mistake in raw["worst"]],
            "outputs": _outputs(raw.get("outputs")),
        },
    )


def _outputs(raw: Mapping[str, Any] | None) -> Outputs | None:
    if raw is None:
        return None
    true, predicted = ([np.array(values, dtype=float) for values in raw[name]] for name in ("true", "predicted"))
    return Outputs(raw["targets"], true, predicted)


def _curve(raw: Mapping[str, Any] | None) -> Curve | None:
    if raw is None:
        return None
    classes = {name: _line(line) for name, line in raw["classes"].items()}
    known = {name: line for name, line in classes.items() if line is not None}
    return Curve(np.array(raw["grid"], dtype=float), _line(raw["macro"]), known)


def _line(raw: Mapping[str, Any] | None) -> Line | None:
    if raw is None:
        return None
    return Line(np.array(raw["mean"], dtype=float), np.array(raw["std"], dtype=float), raw["n"])


def _thresholds(raw: Mapping[str, Any] | None) -> Thresholds | None:
    if raw is None:
        return None
    chosen = raw["chosen"]
    return Thresholds(
        positive=raw["positive"],
        n=raw["n"],
        rows=[take(At, row) for row in raw["rows"]],
        chosen=take(Over, chosen),
        each=chosen["each"],
        test=take(At, chosen["test"]) if chosen["test"] else None,
    )


def _change(raw: Mapping[str, Any]) -> Change:
    classes = [take(ClassChange, {**part, "name": part["class"]}) for part in raw["classes"]]
    return take(Change, {**raw, "classes": classes, "confusion": np.array(raw["confusion"], dtype=float)})


def _pictures(path: Path, datasets: Iterable[str]) -> dict[str, dict[int, Pixels]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {
                dataset: dict(zip(arrays[f"ids-{dataset}"].tolist(), arrays[f"pixels-{dataset}"], strict=True))
                for dataset in datasets
                if f"ids-{dataset}" in arrays
            }
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise Refused(f"{path}: cannot be read ({type(error).__name__}); delete it to remake") from None
