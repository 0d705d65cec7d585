"""The figures of a paper: accuracy against cost, training curves, confusion matrices. 85 or 170 mm wide.

A model has one colour and one marker in all of them. Nothing here touches pyplot or its global state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from bakeoff import provenance
from bakeoff.report import words
from bakeoff.report.load import Cell, Confusion, Results
from bakeoff.report.text import Names, Unit, capital, metric_name

NAMES = ("pareto_macs", "pareto_latency", "pareto_params", "curves", "confusion")
FORMATS = ("svg", "png", "pdf")

_STYLE = Path(__file__).with_name("bakeoff.mplstyle")
_MM = 1 / 25.4
# Okabe & Ito (2008), without the yellow, which is hard to see on white. 7 colours and 9 markers repeat only after 63.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_Fill = Literal["full", "hollow", "left", "right", "top", "bottom"]
_FILLS: tuple[_Fill, ...] = ("full", "hollow", "left", "right", "top", "bottom")
_MAX_PANELS = 12
_GREY = "#666666"
_FRONTIER: dict[str, Any] = {"color": _GREY, "linewidth": 0.9, "linestyle": (0, (4, 2))}
# Dates and versions would make equal results differ in their bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class Look:
    """Colour and marker of each model, and the marker's filling of each (augmentation, recipe)."""

    models: dict[str, tuple[str, str]]
    fills: dict[tuple[str, str], _Fill]

    @classmethod
    def of(cls, results: Results) -> Look:
        """The looks of a study: in the order of its cells, so the same in all figures."""
        models = dict.fromkeys(cell.model for cell in results.cells)
        variants = dict.fromkeys(cell.variant for cell in results.cells)
        return cls(
            {m: (_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]) for i, m in enumerate(models)},
            {v: _FILLS[min(i, len(_FILLS) - 1)] for i, v in enumerate(variants)},
        )


def write(results: Results, names: Names, folder: Path) -> None:
    """Write all figures to `folder` as svg, png (200 dpi) and pdf. Equal results give equal bytes."""
    look = Look.of(results)
    with matplotlib.style.context(str(_STYLE), after_reset=True):
        figures = (
            pareto(results, names, look, "macs", "Multiply-accumulates"),
            pareto(results, names, look, "latency_ms_p50", "Latency p50 (ms)"),
            pareto(results, names, look, "params", "Parameters"),
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


# --- accuracy against cost ----------------------------------------------------------------------------------------


def pareto(results: Results, names: Names, look: Look, cost: str, label: str) -> Figure:
    """The primary metric (mean ± std) against a cost, one panel for each dataset, the frontier of the means drawn."""
    datasets = list(dict.fromkeys(cell.dataset for cell in results.cells))
    columns = min(len(datasets), 2)
    rows = math.ceil(len(datasets) / columns)
    figure = _figure(columns, rows * 58, _pareto_legend(names, look))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    unit = Unit.of(results.metric.unit)
    for ax, dataset in zip(axes, datasets, strict=False):
        cells = [cell for cell in results.cells if cell.dataset == dataset]
        _pareto_panel(ax, cells, results, look, cost)
        ax.set(title=_short(names(dataset)), xlabel=label)
        ax.set_ylabel(f"{capital(metric_name(results.metric.name))} ({unit.sign}), mean ± std")
    for ax in axes[len(datasets) :]:
        ax.set_axis_off()
    return figure


def _pareto_panel(ax: Axes, cells: Sequence[Cell], results: Results, look: Look, cost: str) -> None:
    scale = Unit.of(results.metric.unit).scale
    points = []
    for cell in cells:
        summary, x = cell.metrics.get(results.metric.name), getattr(cell, cost)
        if summary is None or summary.mean is None or not x:
            continue
        points.append((float(x), summary.mean * scale))
        error = None if summary.std is None else summary.std * scale
        marker = _marker(*look.models[cell.model], look.fills[cell.variant])
        ax.errorbar(*points[-1], yerr=error, elinewidth=0.9, zorder=3, **marker)
    if not points:
        _nothing(ax, "No finished run has this cost")
        return
    line = frontier(points, 1 if results.metric.direction == "max" else -1)
    ax.step(*zip(*line, strict=True), where="post", zorder=2, **_FRONTIER)
    _log_cost_axis(ax, [x for x, _ in points])
    ax.xaxis.set_major_formatter("{x:g}" if cost.startswith("latency") else EngFormatter(sep=" "))


def _marker(colour: str, marker: str, fill: _Fill) -> dict[str, Any]:
    """A hollow marker is white inside, so that no line shows through."""
    if fill == "hollow":
        return {"color": colour, "marker": marker, "markerfacecolor": "white"}
    return {"color": colour, "marker": marker, "fillstyle": fill}


def frontier(points: Sequence[tuple[float, float]], sign: int) -> list[tuple[float, float]]:
    """The points (cost, score) that none other beats at the same or less cost, by cost; sign -1: less is better."""
    best: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not best or sign * y > sign * best[-1][1]:
            best.append((x, y))
    return best


def _log_cost_axis(ax: Axes, costs: Sequence[float]) -> None:
    ax.set_xscale("log")
    low, high = min(costs), max(costs)
    ax.set_xlim(low / 1.6, high * 1.6)
    decades = math.log10(high / low)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.5 else (1.0, 2.0, 5.0), numticks=12))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _pareto_legend(names: Names, look: Look) -> list[tuple[Line2D, str]]:
    handles = [
        (Line2D([], [], color=colour, marker=marker, linestyle=""), _short(names(model)))
        for model, (colour, marker) in look.models.items()
    ]
    recipes = {recipe for _, recipe in look.fills}
    for fill, variants in groupby(look.fills, look.fills.__getitem__):
        known = [" / ".join(map(names, variant if len(recipes) > 1 else variant[:1])) for variant in variants]
        text = known[0] if len(known) == 1 else f"{len(known)} other augmentations"
        handles.append((Line2D([], [], linestyle="", **_marker(_GREY, "o", fill)), _short(text)))
    return [*handles, (Line2D([], [], **_FRONTIER), "frontier of the means")]


# --- training curves ----------------------------------------------------------------------------------------------


def curves(results: Results, names: Names, look: Look) -> Figure:
    """Validation accuracy, and training and validation loss, per epoch: mean over seeds, band ± one std."""
    every = list(dict.fromkeys((cell.dataset, *cell.variant) for cell in results.cells))
    panels = every[:_MAX_PANELS]
    columns = min(len(panels), 2 if len(panels) <= 4 else 3)
    bands = math.ceil(len(panels) / columns)
    legend = [
        *(
            (Line2D([], [], color=colour, marker=marker, markersize=3.5), _short(names(model)))
            for model, (colour, marker) in look.models.items()
        ),
        (Line2D([], [], color=_GREY), "validation"),
        (Line2D([], [], color=_GREY, linestyle="--"), "training"),
    ]
    note = f"The first {len(panels)} of {len(every)} panels; curves.csv has all." if len(every) > len(panels) else ""
    figure = _figure(columns, bands * (84 if columns < 3 else 68), legend, note)
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
        accuracy.set_title(_short(" · ".join(map(names, panels[index][:named])), 48))
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
        _nothing(accuracy, "No finished run")
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
    figure = _figure(columns, rows * (panel + 14) + 6)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    if not shown:
        _nothing(axes[0], "No finished run")
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
    figure.supxlabel(f"Rates in per cent, {what}{more}.", fontsize=6, color=_GREY)
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
    classes = [_short(name, 12) for name in matrix.class_names]
    room = 40 if columns < 3 else 26
    data = f"{_short(names(matrix.dataset), room // 2 - 3)}, {_short(names(matrix.augmentation), room // 2 - 3)}"
    ax.set_title(f"{_short(names(matrix.model), room)}\n{data}, n = {matrix.n_runs}")
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


# --- shared -------------------------------------------------------------------------------------------------------


def _short(text: str, length: int = 32) -> str:
    """Text that fits; the space keeps matplotlib from leaving out a legend entry that begins with "_"."""
    text = " ".join(text.split())
    text = text if len(text) <= length else f"{text[: length - 1]}…"
    return f" {text}" if text.startswith("_") else text


def _figure(columns: int, height: float, legend: Sequence[tuple[Line2D, str]] = (), note: str = "") -> Figure:
    """A figure of one column (85 mm) or two (170 mm), `height` mm without its legend, which stands below the panels."""
    width = 85 if columns == 1 else 170
    across = max(1, int(width / (10 + 1.3 * max((len(text) for _, text in legend), default=0))))
    figure = Figure(figsize=(width * _MM, (height + 4.2 * math.ceil(len(legend) / across) + 2) * _MM))
    if legend:
        lines, texts = zip(*legend, strict=True)
        figure.legend(lines, texts, loc="outside lower center", ncols=across, title=note or None, title_fontsize=6)
    return figure


def _nothing(ax: Axes, text: str) -> None:
    ax.set(xticks=[], yticks=[])
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=_GREY)


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
