"""The tables of single cells: every metric by its kind, thresholds, the spread over seeds, which runs there are.

None of these numbers has a star: they are exploratory.
"""

from __future__ import annotations

from collections.abc import Mapping

from bakeoff.report.choice import MOST, best
from bakeoff.report.diagnosed import At, Diagnosis, Thresholds
from bakeoff.report.load import Cell, Results
from bakeoff.report.tabular import Column, Table, build, by_dataset
from bakeoff.report.text import NONE, Names, Unit, capital, metric_name, scaled, significant

# --- metrics ------------------------------------------------------------------------------------------------------

# A table as wide as all metrics is not read. What is in no list stands in the last table.
_TOPICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "answers": ("Right answers", ("accuracy", "balanced_accuracy", "top5", "mcc", "cohen_kappa")),
    "shares": (
        "Precision, recall, F1",
        tuple(f"{mean}_{share}" for mean in ("macro", "weighted", "micro") for share in ("precision", "recall", "f1")),
    ),
    "ranking": ("Ranking of the images, class by class", ("auroc_ovr", "auroc_ovo", "average_precision")),
    "probabilities": (
        "Probabilities, as trained and calibrated",
        ("log_loss", "log_loss_calibrated", "brier", "ece", "ece_calibrated", "adaptive_ece"),
    ),
    "fit": ("Overfitting", ("overfitting_gap",)),
    "targets": ("Errors of the predicted targets", ("rmse", "mse", "mae", "distance", "r2", "mape")),
}
_OTHERS = ("others", "Other metrics")
_NOTES = {
    "probabilities": "ECE: expected calibration error in 15 bins. Temperature: fitted on validation images; above 1, "
    "the model is too sure. Calibrated: the same after dividing the logits by it.",
    "targets": "RMSE, MSE, MAE, R²: means over the targets. Distance: from the predicted point to the true one. MAPE: "
    "relative to the target, which counts as 0.001 at least.",
    "fit": "Overfitting gap: accuracy on training minus on validation images, of the epoch that was kept.",
}


def metrics(results: Results, names: Names) -> dict[str, Table]:
    """Every metric of every cell, mean ± standard deviation over seeds: one table a topic, of those that have any."""
    units = {name: summary.unit for cell in results.cells for name, summary in cell.metrics.items()}
    listed = {name for _, known in _TOPICS.values() for name in known}
    topics = {topic: (title, [name for name in known if name in units]) for topic, (title, known) in _TOPICS.items()}
    topics[_OTHERS[0]] = (_OTHERS[1], [name for name in units if name not in listed])
    return {
        topic: _metrics_table(topic, title, {name: units[name] for name in known}, results, names)
        for topic, (title, known) in topics.items()
        if known
    }


def _metrics_table(topic: str, title: str, units: dict[str, str], results: Results, names: Names) -> Table:
    def column(name: str) -> Column[Cell]:
        unit = Unit.of(units[name])

        def text(cell: Cell) -> str:
            summary = cell.metrics.get(name)
            return NONE if summary is None else unit.spread(summary.mean, summary.std)

        return Column(capital(metric_name(name)), text, unit=unit.sign)

    columns = [*_cell_columns(names), *map(column, units)]
    if topic == "probabilities":
        columns.append(_temperature(results))
    if topic == "fit":
        columns.append(Column("Training", lambda cell: scaled(cell.train_seconds, 1, 3), unit="s"))
    notes = (_NOTES[topic],) if topic in _NOTES else ()
    return build(f"metrics-{topic}", title, columns, by_dataset(results.cells, names), notes)


def _temperature(results: Results) -> Column[Cell]:
    found = {(m.dataset, m.model, m.augmentation, m.recipe): m.temperature for m in results.diagnostics.cells}

    def text(cell: Cell) -> str:
        over = found.get((cell.dataset, cell.model, *cell.variant))
        return NONE if over is None else Unit.of("").spread(over.mean, over.std)

    return Column("Temperature", text)


# --- thresholds ---------------------------------------------------------------------------------------------------


def thresholds(results: Results, names: Names) -> list[Table]:
    """For each dataset of two classes and model at its best augmentation: what every threshold gives."""
    found = [(m, m.thresholds) for m in best(results, results.diagnostics.cells) if m.thresholds]
    return [_threshold_table(diagnosis, table, names) for diagnosis, table in found[:MOST]]


def _threshold_table(diagnosis: Diagnosis, table: Thresholds, names: Names) -> Table:
    unit = Unit.of("fraction")

    def at(row: At) -> str:
        return f"{row.threshold:.3g} (chosen)" if row is table.test else f"{row.threshold:.3g}"

    def share(name: str) -> Column[At]:
        return Column(capital(name), lambda row: unit.spread(getattr(row, name), None), unit="%")

    def precision(row: At) -> str:
        if row.precision is None:
            return f"{NONE} (no positive answer)"
        of = len(table.each) if row is table.test else table.n
        some = f" ({row.precision_n} of {of} seeds)" if row.precision_n < of else ""
        return unit.spread(row.precision, None) + some

    def count(title: str, name: str) -> Column[At]:
        return Column(title, lambda row: f"{getattr(row, name):.1f}".removesuffix(".0"))

    columns: list[Column[At]] = [
        Column("Threshold", at, lambda row: row is table.test, left=True),
        Column("Accuracy", lambda row: unit.spread(row.accuracy, row.accuracy_std), unit="%"),
        Column("Precision", precision, unit="%"),
        share("recall"),
        Column("F1", lambda row: unit.spread(row.f1, None), unit="%"),
        count("True positive", "tp"),
        count("False positive", "fp"),
        count("True negative", "tn"),
        count("False negative", "fn"),
    ]
    rows = sorted([*table.rows, *([table.test] if table.test else [])], key=lambda row: row.threshold)
    data, model = names(diagnosis.dataset), names(diagnosis.model)
    title = f"{data}, {model}: called {table.positive} from this probability on"
    return build(f"thresholds-{diagnosis.dataset}-{diagnosis.model}", title, columns, [("", rows)], _chosen(table))


def _chosen(table: Thresholds) -> tuple[str, ...]:
    notes = [f"Mean over {table.n} seed{'' if table.n == 1 else 's'} of the test images."]
    if table.chosen.mean is not None:
        each = "; ".join(map(_interval, table.each))
        notes.append(f"Chosen: best accuracy on validation images, by seed {each}; then applied to the test images.")
    return tuple(notes)


def _interval(choice: Mapping[str, float | None]) -> str:
    value, lo, hi = choice["threshold"], choice["lo"], choice["hi"]
    text = NONE if value is None else significant(value, 3)
    return text if lo is None or hi is None else f"{text} ({significant(lo, 3)} to {significant(hi, 3)})"


# --- runs ---------------------------------------------------------------------------------------------------------


def spread(results: Results, names: Names) -> Table | None:
    """How much accuracy varies over seeds, beside what is to be expected; of a regression, nothing is known to be."""
    if results.regression:
        return None
    points = Unit.of("fraction")

    def size(value: float | None) -> str:
        return NONE if value is None else points.plain(value)

    def std(cell: Cell) -> float | None:
        summary = cell.metrics.get("accuracy")
        return None if summary is None else summary.std

    columns = [
        *_cell_columns(names),
        Column[Cell]("Runs", lambda cell: str(cell.done)),
        Column[Cell]("Spread of accuracy", lambda cell: size(std(cell)), unit="points"),
        Column[Cell]("Expected", lambda cell: size(cell.seed_std_expected), unit="points"),
        Column[Cell](
            "Ratio", lambda cell: NONE if cell.seed_std_ratio is None else significant(cell.seed_std_ratio, 2)
        ),
    ]
    note = (
        "Expected: the square root of err/(2N) for N test images (Jordan 2023, arXiv:2304.01910), derived for two "
        "classes. Far below: do the seeds reach the training? Far above: the training is unstable."
    )
    return build("spread", "Spread over seeds", columns, by_dataset(results.cells, names), (note,))


def coverage(results: Results, names: Names) -> Table:
    """Which runs there are, and which there are not."""
    columns = [
        *_cell_columns(names),
        Column[Cell]("Expected", lambda cell: str(cell.expected)),
        Column[Cell]("Done", lambda cell: str(cell.done), lambda cell: cell.done < cell.expected),
        Column[Cell]("Diverged", lambda cell: str(cell.diverged), lambda cell: cell.diverged > 0),
        Column[Cell]("Out of memory", lambda cell: str(cell.oom), lambda cell: cell.oom > 0),
        Column[Cell]("Missing", lambda cell: str(cell.missing), lambda cell: cell.missing > 0),
        Column[Cell]("Missing seeds", lambda cell: cell.missing_seeds or NONE, left=True),
    ]
    return build("coverage", "Runs of each cell", columns, by_dataset(results.cells, names))


def _cell_columns(names: Names) -> list[Column[Cell]]:
    return [
        Column("Model", lambda cell: names(cell.model), left=True),
        Column("Augmentation", lambda cell: names(cell.augmentation), left=True),
        Column("Recipe", lambda cell: names(cell.recipe), left=True),
    ]
