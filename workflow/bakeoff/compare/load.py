"""Read what a study is compared from, and refuse what does not belong together.

Every record is checked against the digests that the study asks for, every file against the record that describes it,
and runs against each other: same test images, nobody else's folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from bakeoff import layout
from bakeoff.compare import drift, jackknife, profiles
from bakeoff.compare.profiles import Profile
from bakeoff.compare.spec import AXES, Cell, CompareInput, Place
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import Json, check_files, finite, read_record, spec_digest

CellKey = tuple[str, str, str, str]
IntArray = npt.NDArray[np.int64]
Fault = Literal["diverged", "oom", "failed"]

_DETAILS = ("calibration", "curves", "thresholds", "class_counts", "imbalance")


@dataclass(frozen=True)
class Metric:
    """One metric of one run; `value` is None where it has none (a diverged run, a class without images), and
    `why_null` says why. `lo` and `hi` are its interval over test images, where the evaluation gives one.
    """

    value: float | None
    unit: str
    direction: Literal["max", "min"]
    lo: float | None = None
    hi: float | None = None
    why_null: str | None = None


@dataclass(frozen=True)
class Examples:
    """The test images of a data set in the order of all predictions: their ids [N] and true classes [N], -1 where they
    have none.
    """

    ids: IntArray
    labels: IntArray


@dataclass(frozen=True)
class Mistakes:
    """The images that a run classifies wrongly: place in the test set, answer, and the probability given to it, [E];
    NaN where nobody gave one.
    """

    index: IntArray
    predicted: IntArray
    confidence: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What a run that ended well leaves to the statistics, besides its metrics.

    `correct` says which test images it classifies rightly, `predicted` what it takes each for; None where nobody gave
    them. `predictions_digest` is the same for runs that predict the same, None where nobody can tell.
    `per_image` is what each image does to other metrics, by name (`bakeoff.compare.jackknife`).
    """

    correct: npt.NDArray[np.bool_] | None = None  # [N]
    predictions_digest: str | None = None
    predicted: IntArray | None = None  # [N]
    per_image: Mapping[str, npt.NDArray[np.floating]] = field(default_factory=dict)  # [N] each


@dataclass(frozen=True, kw_only=True)
class Recorded(Outcome):
    """What a run of a study leaves besides, whatever it predicts."""

    history: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class Predicted(Recorded):
    """What a run of a regression leaves for pictures: targets and outputs [N, d]."""

    targets: npt.NDArray[np.floating]
    outputs: npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Evaluated(Recorded):
    """What a run of a classification leaves for pictures and explanations.

    `details` are the parts of metrics.json that pictures are made from: calibration, curves, thresholds, class_counts
    and imbalance.
    """

    confusion: IntArray  # [C, C], rows true, columns predicted
    mistakes: Mistakes
    details: Json


@dataclass(frozen=True)
class Run:
    """One run that came to an end; one that did not end well has no outcome, and `fault` says how it ended.

    Of runs made elsewhere, time and machine are not known.
    """

    seed: int
    metrics: Mapping[str, Metric]
    train_seconds: float | None = None
    device: str | None = None
    hardware: str | None = None
    class_names: tuple[str, ...] = ()
    targets: tuple[Json, ...] = ()
    """Of a regression: name and unit of each."""
    n_train: int | None = None
    amount_series: str | None = None
    """The same for runs whose recipes differ in the number of training images alone."""
    record: Json | None = field(default=None, repr=False)
    """Its run.json, for the ledger."""
    outcome: Outcome | None = None
    fault: Fault = "diverged"

    @property
    def status(self) -> Literal["done"] | Fault:
        """How it ended."""
        return self.fault if self.outcome is None else "done"


@dataclass(frozen=True)
class Loaded:
    """The runs that exist, by cell and seed; the profiles by name, with a mark where the machine had changed; and the
    test images by data set, of those that have a run that ended well.
    """

    runs: Mapping[tuple[CellKey, int], Run]
    profiles: Mapping[str, Profile]
    tests: Mapping[str, Examples] = field(default_factory=dict)

    def of(self, cell: Place) -> list[Run]:
        """The runs of a cell that exist, by seed."""
        return [self.runs[cell.key, seed] for seed in cell.seeds if (cell.key, seed) in self.runs]

    def done(self, cell: Place) -> list[Run]:
        """The runs of a cell that ended well, by seed."""
        return [run for run in self.of(cell) if run.outcome is not None]

    def outcomes(self, cell: Place) -> dict[int, Outcome]:
        """What the runs of a cell that ended well left behind, by seed."""
        return {run.seed: run.outcome for run in self.of(cell) if run.outcome is not None}

    def recorded(self, cell: Place) -> dict[int, Recorded]:
        """The same of those that were made here."""
        return {seed: outcome for seed, outcome in self.outcomes(cell).items() if isinstance(outcome, Recorded)}

    def evaluated(self, cell: Place) -> dict[int, Evaluated]:
        """The same of those of a classification, with what their files hold for pictures."""
        return {seed: outcome for seed, outcome in self.outcomes(cell).items() if isinstance(outcome, Evaluated)}


def load(inputs: CompareInput, results: Path) -> Loaded:
    """Read all runs and profiles of the study under `results`.

    Raises Refused, naming the file, at the first that is missing (unless the study is partial), edited, made by other
    settings or code, or from other test images than its neighbours.
    """
    tests = _TestSets()
    runs = {}
    for cell in inputs.cells:
        for seed in cell.seeds:
            folder = results / layout.run_dir(*cell.key, cell.spec, seed).relative_to(layout.RESULTS)
            if inputs.partial and not all((folder / name).exists() for name in ("run.json", "metrics.json")):
                continue
            runs[cell.key, seed] = _read_run(folder, cell, seed, tests)
    if not runs:
        raise UserError(f"{results}: no run of study {inputs.study!r} exists yet, so there is nothing to compare")
    return Loaded(runs, drift.marked(profiles.read_all(inputs, results)), tests.known())


def _read_run(folder: Path, cell: Cell, seed: int, tests: _TestSets) -> Run:
    path, scored = folder / "run.json", folder / "metrics.json"
    record = read_record(path, "run", spec=cell.spec, code=cell.train_code)
    metrics = read_record(scored, "metrics", spec=cell.evaluate_spec, code=cell.evaluate_code)
    for file, read in ((path, record), (scored, metrics)):
        for name, wanted in (*zip(AXES, cell.key, strict=True), ("seed", seed)):
            if read[name] != wanted:
                raise Refused(f"{file}: is of {name} {read[name]!r}, though it stands where {wanted!r} belongs")
    if cell.external and record["external"]["file"] != cell.external.files[seed]:
        raise Refused(
            f"{path}: is of {record['external']['file']}, not of {cell.external.files[seed]}; delete it to remake"
        )
    if metrics["run_digest"] != record["record_digest"]:
        raise Refused(f"{scored}: was made from another run.json than the one beside it; delete it to remake")
    if metrics["predictions_sha256"] != record["files"].get("predictions.npz"):
        raise Refused(f"{scored}: was made from other predictions than run.json describes; delete it to remake")
    fault: Fault = "oom" if record["status"] == "oom" else "diverged"
    return Run(
        seed=seed,
        metrics={name: _metric(scored, name, value) for name, value in metrics["metrics"].items()},
        train_seconds=finite(record["train_seconds"]),
        device=record["device"],
        hardware=profiles.hardware(record),
        class_names=tuple(record["class_names"]),
        targets=tuple(record.get("targets", ())),
        n_train=record["n_train"],
        amount_series=_amount_series(record["spec"].get("recipe")),
        record=record,
        outcome=_read_outcome(path, record, metrics, tests) if record["status"] == "done" else None,
        fault=fault,
    )


def _amount_series(recipe: Json | None) -> str | None:
    """Runs made from others' have no recipe."""
    return None if recipe is None else spec_digest({**recipe, "train_images": None})


def _read_outcome(path: Path, record: Json, metrics: Json, tests: _TestSets) -> Recorded:
    check_files(path, record, "predictions.npz", "history.csv")
    predictions = path.parent / "predictions.npz"
    if record.get("targets"):
        return _read_outputs(predictions, record, metrics, tests)
    with np.load(predictions, allow_pickle=False) as arrays:
        logits, y_true = arrays["logits"], arrays["y_true"]
        tests.same(record["dataset"], predictions, arrays["example_id"], y_true)
    predicted = logits.argmax(axis=1)
    return Evaluated(
        correct=predicted == y_true,
        predicted=predicted,
        per_image=_per_image(y_true, logits, predicted, metrics),
        predictions_digest=hashlib.sha256(logits.tobytes()).hexdigest(),
        history=pd.read_csv(path.parent / "history.csv"),
        confusion=np.array(metrics["confusion"], dtype=np.int64),
        mistakes=_mistakes(logits, predicted, y_true, sure=not record.get("answers_only", False)),
        details={name: metrics[name] for name in _DETAILS},
    )


def _read_outputs(predictions: Path, record: Json, metrics: Json, tests: _TestSets) -> Predicted:
    with np.load(predictions, allow_pickle=False) as arrays:
        targets, outputs = arrays["targets"], arrays["outputs"]
        tests.same(record["dataset"], predictions, arrays["example_id"], targets)
    per_image = jackknife.of_outputs(targets, outputs)
    return Predicted(
        per_image={name: values for name, values in per_image.items() if _has_value(metrics, name)},
        predictions_digest=hashlib.sha256(outputs.tobytes()).hexdigest(),
        history=pd.read_csv(predictions.with_name("history.csv")),
        targets=targets,
        outputs=outputs,
    )


def _has_value(metrics: Json, name: str) -> bool:
    return name in metrics["metrics"] and metrics["metrics"][name]["value"] is not None


def _per_image(
    y_true: IntArray, logits: npt.NDArray[np.floating], predicted: IntArray, metrics: Json
) -> dict[str, npt.NDArray[np.float32]]:
    temperature = (metrics["calibration"] or {}).get("temperature")
    found = jackknife.of_answers(y_true, predicted) | jackknife.of_logits(y_true, logits, temperature)
    return {name: values for name, values in found.items() if _has_value(metrics, name)}


def _mistakes(logits: npt.NDArray[np.floating], predicted: IntArray, y_true: IntArray, sure: bool) -> Mistakes:
    index = np.flatnonzero(predicted != y_true)
    if not sure:
        return Mistakes(index, predicted[index], np.full(index.size, np.nan))
    probabilities = special.softmax(logits[index].astype(np.float64), axis=1)
    return Mistakes(index, predicted[index], probabilities[np.arange(index.size), predicted[index]])


class _TestSets:
    """The test images of each data set, as the first run read has them."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[Path, IntArray, npt.NDArray[Any]]] = {}

    def known(self) -> dict[str, Examples]:
        """The test images by data set."""
        return {
            dataset: Examples(ids, truth if truth.ndim == 1 else np.full(len(ids), -1, dtype=np.int64))
            for dataset, (_, ids, truth) in self._first.items()
        }

    def same(self, dataset: str, file: Path, example_id: IntArray, y_true: npt.NDArray[Any]) -> None:
        """Refuse `file` when its test images or labels are not those of the runs read before it."""
        first, ids, labels = self._first.setdefault(dataset, (file, example_id, y_true))
        if not (np.array_equal(ids, example_id) and np.array_equal(labels, y_true)):
            raise Refused(f"{file}: has other test images or labels than {first}; runs on two test sets do not compare")


def _metric(path: Path, name: str, value: Json) -> Metric:
    numbers = {part: finite(value[part]) for part in ("value", "lo", "hi")}
    metric = Metric(unit=value["unit"], direction=value["direction"], why_null=value["why_null"], **numbers)
    # Below zero stands a difference of two fractions, such as the overfitting gap, of which less is better.
    lowest = -1 if metric.direction == "min" else 0
    if metric.unit == "fraction" and metric.value is not None and not lowest <= metric.value <= 1:
        raise Refused(f"{path}: {name} is {metric.value}, though it is a fraction from 0 to 1")
    return metric
