"""The figures of a paper: accuracy against cost, training curves, confusion matrices. 85 or 170 mm wide.

A model has one colour and one marker in all of them. Nothing here touches pyplot or its global state.
"""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from bakeoff import provenance
from bakeoff.report import pareto, words
from bakeoff.report.drawing import GREY, Look, canvas, nothing, short
from bakeoff.report.load import Confusion, Results
from bakeoff.report.text import Names, metric_name

NAMES = ("pareto_macs", "pareto_latency", "pareto_params", "curves", "confusion")
FORMATS = ("svg", "png", "pdf")

_STYLE = Path(__file__).with_name("bakeoff.mplstyle")
_MAX_PANELS = 12
# Dates and versions would make equal results differ in their bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def write(results: Results, names: Names, folder: Path) -> None:
    """Write all figures to `folder` as svg, png (200 dpi) and pdf. Equal results give equal bytes."""
    look = Look.of(results)
    with matplotlib.style.context(str(_STYLE), after_reset=True):
        figures = (
            pareto.pareto(results, names, look, pareto.MACS),
            pareto.pareto(results, names, look, pareto.LATENCY),
            pareto.pareto(results, names, look, pareto.PARAMS),
            curves(results, names, look),
            confusion(results, names),
        )
        for name, figure in zip(NAMES, figures, strict=True):
            FigureCanvasAgg(figure)
            if results.partial:
                figure.suptitle(words.stamp(results), color="#b00020", fontweight="bold", fontsize=7)
            figure.draw_without_rendering()  # lays the figure out; once is enough for three formats
            figure.set_layout_engine("none")
            for extension in FORMATS:
                with provenance.whole(folder / f"{name}.{extension}") as part:
                    figure.savefig(part, format=extension, metadata=_METADATA[extension])


# --- training curves ----------------------------------------------------------------------------------------------


def curves(results: Results, names: Names, look: Look) -> Figure:
    """Validation accuracy, and training and validation loss, per epoch: mean over seeds, band ± one std."""
    every = list(dict.fromkeys((cell.dataset, *cell.variant) for cell in results.cells))
    panels = every[:_MAX_PANELS]
    columns = min(len(panels), 2 if len(panels) <= 4 else 3)
    bands = math.ceil(len(panels) / columns)
    legend = [
        *(
            (Line2D([], [], color=colour, marker=marker, markersize=3.5), short(names(model)))
            for model, (colour, marker) in look.models.items()
        ),
        (Line2D([], [], color=GREY), "validation"),
        (Line2D([], [], color=GREY, linestyle="--"), "training"),
    ]
    note = f"The first {len(panels)} of {len(every)} panels; curves.csv has all." if len(every) > len(panels) else ""
    figure = canvas(columns, bands * (84 if columns < 3 else 68), legend, note)
    axes = figure.subplots(2 * bands, columns, squeeze=False, sharex="col", sharey="row")
    named = 3 if len({cell.recipe for cell in results.cells}) > 1 else 2
    for index in range(bands * columns):
        row, column = 2 * (index // columns), index % columns
        accuracy, loss = axes[row, column], axes[row + 1, column]
        if index >= len(panels):
            accuracy.set_axis_off()
            loss.set_axis_off()
            continue
        _curves_panel(accuracy, loss, results.curves, panels[index], look)
        accuracy.set_title(short(" · ".join(map(names, panels[index][:named])), 48))
        loss.tick_params(labelbottom=True)
        if column == 0:
            accuracy.set_ylabel("Validation accuracy (%)")
            loss.set_ylabel("Loss")
    return figure


def _curves_panel(accuracy: Axes, loss: Axes, table: pd.DataFrame, panel: tuple[str, str, str], look: Look) -> None:
    dataset, augmentation, recipe = panel
    here = table[(table.dataset == dataset) & (table.augmentation == augmentation) & (table.recipe == recipe)]
    for model, (colour, marker) in look.models.items():
        rows = here[here.model == model].sort_values("epoch")
        if rows.empty:
            continue
        _curve(accuracy, rows, "val_accuracy", 100, colour, marker)
        _curve(loss, rows, "val_loss", 1, colour, marker)
        _curve(loss, rows, "train_loss", 1, colour, marker, "--")
    if here.empty:
        nothing(accuracy, "No finished run")
    loss.set_xlabel("Epoch")
    loss.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _curve(
    ax: Axes, rows: pd.DataFrame, name: str, scale: float, colour: str, marker: str, linestyle: str = "-"
) -> None:
    mean = rows[f"{name}_mean"].to_numpy(float) * scale
    std = rows[f"{name}_std"].to_numpy(float) * scale
    epoch = rows["epoch"].to_numpy(int)
    ax.plot(
        epoch,
        mean,
        color=colour,
        linestyle=linestyle,
        marker=marker if linestyle == "-" else "",
        markevery=max(1, len(epoch) // 5),
        markersize=3,
    )
    ax.fill_between(epoch, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)


# --- confusion matrices -------------------------------------------------------------------------------------------


def confusion(results: Results, names: Names) -> Figure:
    """Mean confusion rates of each model at its best augmentation; the 12 best of them when there are more."""
    best = _best_matrices(results)
    shown = best[:_MAX_PANELS]
    columns = min(len(shown), 2 if len(shown) <= 4 else 3) or 1
    rows = math.ceil(len(shown) / columns) or 1
    panel = (85 if columns == 1 else 170 / columns) - 11
    figure = canvas(columns, rows * (panel + 14) + 6)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    if not shown:
        nothing(axes[0], "No finished run")
        return figure
    norm = PowerNorm(0.5, 0, 1)  # errors are small: a linear scale would hide them
    for ax, matrix in zip(axes, shown, strict=False):
        image = ax.imshow(_rates(matrix), cmap="Blues", norm=norm, interpolation="nearest")
        _confusion_panel(ax, matrix, names, columns)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=30, pad=0.01, format=PercentFormatter(1.0, decimals=0))
    bar.set_label("Share of the true class", size=6.5)
    bar.outline.set_visible(False)
    what = "mean over seeds, each model at its best augmentation and recipe"
    more = f"; the best {len(shown)} of {len(best)}" if len(best) > len(shown) else ""
    figure.supxlabel(f"Rates in per cent, {what}{more}.", fontsize=6, color=GREY)
    return figure


def _best_matrices(results: Results) -> list[Confusion]:
    """One matrix for each dataset and model, that of the cell with the best mean; by dataset, then the best first."""
    sign = 1 if results.metric.direction == "max" else -1

    def score(matrix: Confusion) -> float:
        key = (matrix.dataset, matrix.model, matrix.augmentation, matrix.recipe)
        mean = means.get(key)
        return -math.inf if mean is None else sign * mean

    means = {
        (cell.dataset, cell.model, *cell.variant): cell.metrics[results.metric.name].mean
        for cell in results.cells
        if results.metric.name in cell.metrics
    }
    best: dict[tuple[str, str], Confusion] = {}
    for matrix in sorted(results.confusion, key=score, reverse=True):
        best.setdefault((matrix.dataset, matrix.model), matrix)
    if len(best) > _MAX_PANELS:
        return list(best.values())
    return sorted(best.values(), key=lambda matrix: matrix.dataset)


def _rates(matrix: Confusion) -> np.ma.MaskedArray[tuple[int, int], np.dtype[np.float64]]:
    return np.ma.masked_invalid(np.array(matrix.rates, dtype=float))


def _confusion_panel(ax: Axes, matrix: Confusion, names: Names, columns: int) -> None:
    classes = [short(name, 12) for name in matrix.class_names]
    room = 40 if columns < 3 else 26
    data = f"{short(names(matrix.dataset), room // 2 - 3)}, {short(names(matrix.augmentation), room // 2 - 3)}"
    ax.set_title(f"{short(names(matrix.model), room)}\n{data}, n = {matrix.n_runs}")
    step = math.ceil(len(classes) / 20)
    ticks = range(0, len(classes), step)
    ax.set_xticks(ticks, classes[::step], rotation=90 if max(map(len, classes)) > 2 else 0)
    ax.set_yticks(ticks, classes[::step])
    ax.tick_params(length=0, labelsize=5.5 if len(classes) > 10 else 6)
    ax.set(xlabel="Predicted", ylabel="True", facecolor="#d0d0d0")  # seen where a class has no test image
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    if len(classes) > 10:
        return
    size = 5.5 if columns < 3 else 4.8
    for (i, j), rate in np.ndenumerate(_rates(matrix).filled(0.0)):
        if rate >= 0.0005:
            text = f"{100 * rate:.0f}" if rate >= 0.0995 else f"{100 * rate:.1f}"
            ax.text(j, i, text, ha="center", va="center", size=size, color="white" if rate > 0.3 else "black")


def alternative(name: str, results: Results) -> str:
    """What a figure shows, for who cannot see it."""
    metric = metric_name(results.metric.name)
    return {
        "pareto_macs": f"Mean {metric} against multiply-accumulates on a logarithmic axis, one point per cell.",
        "pareto_latency": f"Mean {metric} against median latency on a logarithmic axis, one point per cell.",
        "pareto_params": f"Mean {metric} against parameters on a logarithmic axis, one point per cell.",
        "curves": "Validation accuracy, and training and validation loss, against the epoch, one line per model.",
        "confusion": "Mean confusion matrices: true classes down, predicted classes across.",
    }[name]
