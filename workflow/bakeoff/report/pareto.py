"""Accuracy against cost: which model is worth what it takes. A point whose cost is in doubt has a ring around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, Formatter, LogLocator, NullFormatter, StrMethodFormatter

from bakeoff.report import costs
from bakeoff.report.drawing import GREY, Look, canvas, marker_of, nothing, short
from bakeoff.report.load import Cell, Results
from bakeoff.report.text import Names, Unit, capital, metric_name

_FRONTIER: dict[str, Any] = {"color": GREY, "linewidth": 0.9, "linestyle": (0, (4, 2))}
_RING: dict[str, Any] = {
    "color": GREY, "marker": "o", "markersize": 10, "markerfacecolor": "none", "markeredgewidth": 0.7, "linestyle": "",
}  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """A cost to plot against: its column, what it is called, which points are in doubt, and the legend's few words for
    that: the longest entry of a legend decides on its columns.
    """

    column: str
    label: str
    ticks: Callable[[], Formatter]
    doubted: Callable[[Cell], bool] = lambda _: False
    mark: str = ""


MACS = Axis(
    "macs",
    "Multiply-accumulates",
    lambda: EngFormatter(sep=" "),
    lambda cell: cell.macs_note is not None,
    f"{costs.MISCOUNTED} counters differ",
)
LATENCY = Axis(
    "latency_ms_p50",
    "Latency p50 (ms)",
    lambda: StrMethodFormatter("{x:g}"),
    lambda cell: bool(cell.latency_marks),
    f"{costs.DISTURBED} under disturbance",
)
PARAMS = Axis("params", "Parameters", lambda: EngFormatter(sep=" "))


def pareto(results: Results, names: Names, look: Look, axis: Axis) -> Figure:
    """The primary metric (mean ± std) against a cost, one panel for each dataset, the frontier of the means drawn."""
    datasets = list(dict.fromkeys(cell.dataset for cell in results.cells))
    columns = min(len(datasets), 2)
    rows = math.ceil(len(datasets) / columns)
    doubts = any(axis.doubted(cell) for cell in results.cells if _point(cell, results, axis))
    figure = canvas(columns, rows * 58, [*_legend(names, look), *([(Line2D([], [], **_RING), axis.mark)] * doubts)])
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    unit = Unit.of(results.metric.unit)
    for ax, dataset in zip(axes, datasets, strict=False):
        _panel(ax, [cell for cell in results.cells if cell.dataset == dataset], results, look, axis)
        ax.set(title=short(names(dataset)), xlabel=_label(axis, results))
        ax.set_ylabel(f"{capital(metric_name(results.metric.name))} ({unit.sign}), mean ± std")
    for ax in axes[len(datasets) :]:
        ax.set_axis_off()
    return figure


def _label(axis: Axis, results: Results) -> str:
    """Times are of the study's first condition."""
    return f"{axis.label}, {next(iter(costs.conditions(results).values()))}" if axis is LATENCY else axis.label


def _point(cell: Cell, results: Results, axis: Axis) -> tuple[float, float] | None:
    """Where a cell stands; None when it has no score, or no cost."""
    summary, x = cell.metrics.get(results.metric.name), getattr(cell, axis.column)
    if summary is None or summary.mean is None or not x:
        return None
    return float(x), summary.mean * Unit.of(results.metric.unit).scale


def _panel(ax: Axes, cells: Sequence[Cell], results: Results, look: Look, axis: Axis) -> None:
    points = []
    for cell in cells:
        if (point := _point(cell, results, axis)) is None:
            continue
        points.append(point)
        std = cell.metrics[results.metric.name].std
        error = None if std is None else std * Unit.of(results.metric.unit).scale
        marker = marker_of(*look.models[cell.model], look.fills[cell.variant])
        ax.errorbar(*point, yerr=error, elinewidth=0.9, zorder=3, **marker)
        if axis.doubted(cell):
            ax.plot(*point, zorder=4, **_RING)
    if not points:
        nothing(ax, "No finished run has this cost")
        return
    line = frontier(points, 1 if results.metric.direction == "max" else -1)
    ax.step(*zip(*line, strict=True), where="post", zorder=2, **_FRONTIER)
    _log_axis(ax, [x for x, _ in points])
    ax.xaxis.set_major_formatter(axis.ticks())


def frontier(points: Sequence[tuple[float, float]], sign: int) -> list[tuple[float, float]]:
    """The points (cost, score) that none other beats at the same or less cost, by cost; sign -1: less is better."""
    best: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not best or sign * y > sign * best[-1][1]:
            best.append((x, y))
    return best


def _log_axis(ax: Axes, values: Sequence[float]) -> None:
    ax.set_xscale("log")
    low, high = min(values), max(values)
    ax.set_xlim(low / 1.6, high * 1.6)
    decades = math.log10(high / low)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.5 else (1.0, 2.0, 5.0), numticks=12))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _legend(names: Names, look: Look) -> list[tuple[Line2D, str]]:
    handles = [
        (Line2D([], [], color=colour, marker=marker, linestyle=""), short(names(model)))
        for model, (colour, marker) in look.models.items()
    ]
    recipes = {recipe for _, recipe in look.fills}
    for fill, variants in groupby(look.fills, look.fills.__getitem__):
        known = [" / ".join(map(names, variant if len(recipes) > 1 else variant[:1])) for variant in variants]
        text = known[0] if len(known) == 1 else f"{len(known)} other augmentations"
        handles.append((Line2D([], [], linestyle="", **marker_of(GREY, "o", fill)), short(text)))
    return [*handles, (Line2D([], [], **_FRONTIER), "frontier of the means")]
