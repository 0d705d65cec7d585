"""The files of the compare step as typed values. What was changed by hand, or lacks a key, is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bakeoff import provenance
from bakeoff.errors import Refused
from bakeoff.report import across as datasets
from bakeoff.report import diagnosed, frontiers, sampled
from bakeoff.report import factorial as factors
from bakeoff.report import gates as requirements
from bakeoff.report import ledger as ledgers
from bakeoff.report.across import Across
from bakeoff.report.diagnosed import Diagnostics, take
from bakeoff.report.factorial import View
from bakeoff.report.frontiers import Frontier
from bakeoff.report.gates import Gates
from bakeoff.report.sampled import Sample
from bakeoff.report.text import Unit, capital, labelled, metric_name

AXES = ("dataset", "model", "augmentation", "recipe")


@dataclass(frozen=True)
class Metric:
    """What was compared: its name, unit ("fraction" is printed as per cent) and better direction ("max" or "min")."""

    name: str
    unit: str
    direction: str

    @property
    def remark(self) -> str:
        """What tells how to read its differences, "" where more is better."""
        return "" if self.direction == "max" else "less is better"

    @property
    def axis(self) -> str:
        """What stands along its axis, as in "Distance (px, less is better)"."""
        return labelled(capital(metric_name(self.name)), Unit.of(self.unit).sign, self.remark)


@dataclass(frozen=True)
class Row:
    """One candidate against its baseline for one metric; the part of comparison.json's row that is printed.

    Accuracy-like values are fractions. An axis that was averaged over is None, and so is every value that has none.
    """

    dataset: str
    comparison: str
    factor: str
    context: Mapping[str, str]
    model: str | None
    augmentation: str | None
    recipe: str | None
    metric: str
    candidate: str
    baseline: str
    n_ok: int
    n_pairs: int | None
    seeds_used: list[int]
    seeds_dropped: list[int]
    mean: float | None
    std: float | None
    diff: float | None
    diff_ci_lo: float | None
    diff_ci_hi: float | None
    boot_lo: float | None
    boot_hi: float | None
    p_raw: float | None
    p_exact: float | None
    p_used: float | None
    p_method: str | None
    p_adj: float | None
    family_size: int | None
    stars: str
    dagger: bool | str | None
    verdict: str
    d_z: float | None
    p_tost: float | None
    rope: float | None
    crossed_lo: float | None
    crossed_hi: float | None
    crossed_p_adj: float | None
    mde80: float | None
    rank: int | None
    rank_lo: int | None
    rank_hi: int | None
    p_best: float | None
    tied_with_best: bool | None
    p_frontier: float | None
    params: int | None
    macs: int | None
    macs_note: str | None
    status: str
    warnings: list[str]
    values: Mapping[str, Any]
    """The whole row, for the columns that only some studies ask for."""

    @property
    def is_baseline(self) -> bool:
        """The baseline is a row too, with itself as its candidate."""
        return self.candidate == self.baseline


@dataclass(frozen=True)
class Summary:
    """One metric of one cell over its finished runs; lo and hi bound the 95 % t interval of the mean."""

    mean: float | None
    std: float | None
    n: int
    lo: float | None
    hi: float | None
    unit: str
    direction: str


@dataclass(frozen=True)
class Cell:
    """One dataset, model, augmentation and recipe: what its runs scored, what it costs under the first condition."""

    dataset: str
    model: str
    augmentation: str
    recipe: str
    expected: int
    done: int
    diverged: int
    oom: int
    missing: int
    params: int | None
    macs: int | None
    macs_note: str | None
    latency_ms_p50: float | None
    latency_marks: list[str]
    train_seconds: float | None
    seed_std_expected: float | None
    seed_std_ratio: float | None
    device: str | None
    n_train: int | None
    amount_series: str | None  # the same for recipes that differ in the number of training images alone
    metrics: Mapping[str, Summary]
    missing_seeds: str  # of coverage.csv, e.g. "3 4"

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Its place in the grid, in the order of AXES."""
        return self.dataset, self.model, self.augmentation, self.recipe

    @property
    def variant(self) -> tuple[str, str]:
        """How its model was trained: augmentation and recipe."""
        return self.augmentation, self.recipe


@dataclass(frozen=True)
class Cost:
    """What one model costs on images of one dataset, under one condition; the part of costs.csv that is printed.

    `asked` is the condition as the study has it, `condition` what that was on the machine. `failure` (in words) and
    `reason` (as a sentence) say why there are no costs; `marks` are reasons not to trust the times.
    """

    dataset: str
    model: str
    asked: str
    condition: str
    failure: str | None
    reason: str | None
    params: int | None
    macs: int | None
    macs_note: str | None
    activations: int | None
    size_mb: float | None
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    latency_ms_p99: float | None
    throughput: float | None
    throughput_lo: float | None
    throughput_hi: float | None
    best_batch_size: int | None
    peak_memory_mb: float | None
    best_batch_memory_mb: float | None
    train_memory_mb: float | None
    train_batch_size: int | None
    memory_reason: str | None
    joules_per_image: float | None
    energy_reason: str | None
    published: str | None  # by whom, where nothing was measured here
    marks: list[str]
    hardware: str | None
    precision: str | None
    backend: str | None
    anchor_ms: float | None


@dataclass(frozen=True)
class Reference:
    """A value that others published, the mean of `runs` runs, beside one cell's `n` runs.

    mean_lo to mean_hi is the 95 % interval of our mean, expect_lo to expect_hi that of the mean of so many new runs of
    ours; `verdict` is where the published value lies: within, above or below the latter.
    """

    dataset: str
    model: str
    augmentation: str
    recipe: str
    metric: str
    unit: str
    value: float
    runs: int
    source: str
    n: int
    mean: float | None
    std: float | None
    mean_lo: float | None
    mean_hi: float | None
    expect_lo: float | None
    expect_hi: float | None
    verdict: str | None
    reason: str | None

    @property
    def place(self) -> tuple[str, str, str, str]:
        """The place of its cell in the grid, in the order of AXES."""
        return self.dataset, self.model, self.augmentation, self.recipe

    @property
    def said(self) -> str:
        """Where it is from, of how many runs, and why there is no verdict."""
        of = f"mean of {self.runs} runs" if self.runs > 1 else "one run"
        return f"published in {self.source} ({of})" + (f"; no verdict: {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Confusion:
    """Mean confusion matrix of one cell: rates [C][C], rows are true classes and sum to 1 (None: class not seen)."""

    dataset: str
    model: str
    augmentation: str
    recipe: str
    n_runs: int
    class_names: list[str]
    rates: list[list[float | None]]


@dataclass(frozen=True)
class TestImages:
    """How the test images of a dataset are spread over its classes; `imbalance` is the largest over the smallest."""

    dataset: str
    n_test: int
    classes: int
    imbalance: float | None
    unbalanced: bool


@dataclass(frozen=True)
class Results:
    """All that the report says. `curves` has the columns of curves.csv."""

    study: str
    partial: bool
    regression: bool
    metric: Metric
    alpha: list[float]
    correction: str
    rows: list[Row]
    references: list[Reference]
    cells: list[Cell]
    costs: list[Cost]
    gates: Gates
    frontiers: list[Frontier]
    across: list[Across]
    factorial: list[View]
    test_images: list[TestImages]
    data: list[Mapping[str, Any]]
    """Facts and audit of each data set, as its manifest has them."""
    ledger: ledgers.Ledger
    hardware: Mapping[str, list[str]]
    warnings: list[str]
    confusion: list[Confusion]
    diagnostics: Diagnostics
    samples: list[Sample]
    curves: pd.DataFrame
    bakeoff: str | None
    digest: str

    @property
    def primary(self) -> list[Row]:
        """The rows of the one metric that has stars."""
        return [row for row in self.rows if row.metric == self.metric.name]

    def runs(self) -> tuple[int, int]:
        """Runs done, and runs expected, of the whole study."""
        return sum(cell.done for cell in self.cells), sum(cell.expected for cell in self.cells)


def load(folder: Path) -> Results:
    """Read results/{study}/. Raises Refused, naming the file, when one is missing, incomplete or changed by hand."""
    path = folder / "comparison.json"
    record = provenance.read_record(path, "comparison")
    provenance.check_files(path, record)
    matrices = folder / "confusion.json"
    missing_seeds = _missing_seeds(folder / "coverage.csv")
    try:
        beside = {
            "confusion": [take(Confusion, cell) for cell in provenance.read_record(matrices, "confusion")["cells"]],
            "diagnostics": diagnosed.load(folder),
            "samples": sampled.load(folder),
            "curves": _table(folder / "curves.csv", (*AXES, "epoch")),
        }
        return _results(record, missing_seeds, beside)
    except KeyError as error:
        raise Refused(f"{path}: has no {error}, so another version of bakeoff made it; delete it to remake") from None


def of_scores(record: Mapping[str, Any]) -> Results:
    """What comparison.json of scores made elsewhere holds, which is all that there is of them."""
    beside: Mapping[str, Any] = {
        "confusion": [],
        "diagnostics": Diagnostics([], [], {}, {}, []),
        "samples": [],
        "curves": pd.DataFrame(),
    }
    return _results(record, {}, beside)


def _results(
    record: Mapping[str, Any], missing_seeds: Mapping[tuple[str, ...], str], beside: Mapping[str, Any]
) -> Results:
    return Results(
        study=record["study"],
        partial=record["partial"],
        regression=record.get("task") == "regression",
        metric=take(Metric, record["primary_metric"]),
        alpha=record["alpha"],
        correction=record["correction"],
        rows=[take(Row, {**row, "values": row}) for row in record["rows"]],
        references=[take(Reference, reference) for reference in record["references"]],
        cells=[_cell(cell, missing_seeds) for cell in record["cells"]],
        costs=[take(Cost, cost) for cost in record["costs"]],
        gates=requirements.read(record["gates"], record["recommendation"]),
        frontiers=frontiers.read(record["frontiers"]),
        across=datasets.read(record["across"]),
        factorial=factors.read(record["factorial"]),
        test_images=[take(TestImages, test_set) for test_set in record["test_sets"]],
        data=record["data"],
        ledger=ledgers.read(record["ledger"]),
        hardware=record["hardware"],
        warnings=record["warnings"],
        **beside,
        bakeoff=record["bakeoff"],
        digest=record["record_digest"],
    )


def _cell(raw: Mapping[str, Any], missing_seeds: Mapping[tuple[str, ...], str]) -> Cell:
    metrics = {name: take(Summary, summary) for name, summary in raw["metrics"].items()}
    key = tuple(raw[axis] for axis in AXES)
    return take(Cell, {**raw, "metrics": metrics, "missing_seeds": missing_seeds.get(key, "")})


def _missing_seeds(path: Path) -> dict[tuple[str, ...], str]:
    table = _table(path, (*AXES, "missing_seeds"), text=True).fillna("")
    return {tuple(row[axis] for axis in AXES): row["missing_seeds"] for row in table.to_dict("records")}


def _table(path: Path, columns: Iterable[str], text: bool = False) -> pd.DataFrame:
    """A CSV file; ids stay text though they may look like numbers ("1e3")."""
    try:
        table = pd.read_csv(
            path, dtype=str if text else dict.fromkeys(AXES, str), keep_default_na=False, na_values=[""]
        )
    except FileNotFoundError:
        raise Refused(f"{path}: is missing; delete comparison.json beside it to remake both") from None
    except ValueError as error:
        raise Refused(f"{path}: cannot be read ({error}); delete it to remake") from None
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise Refused(f"{path}: has no column {', '.join(absent)}; delete it to remake")
    return table
