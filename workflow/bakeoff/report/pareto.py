"""Score against cost: which model is worth what it takes, and how sure that is. A point in doubt has a ring around it.

How full a point is says in which share of draws (seeds, test images, repeated timings) no other dominates its model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, Formatter, LogLocator, NullFormatter, StrMethodFormatter

from bakeoff.report import costs
from bakeoff.report.choice import MOST
from bakeoff.report.drawing import COLOURS, GREY, MARKERS, Fill, Look, canvas, columns_for, marker_of, nothing, short
from bakeoff.report.frontiers import Frontier, FrontierPoint
from bakeoff.report.load import Cell, Metric, Results
from bakeoff.report.text import Names, Unit

_HALF: dict[str, Any] = {"color": GREY, "linewidth": 0.9, "linestyle": (0, (4, 2))}
_FAINT = 0.16
_RING: dict[str, Any] = {
    "color": GREY, "marker": "o", "markersize": 10, "markerfacecolor": "none", "markeredgewidth": 0.7, "linestyle": "",
}  # fmt: skip
# From this probability on a point is drawn so: on the frontier for sure, rather than not, and rather not.
_FILLS: tuple[tuple[float, Fill, str], ...] = (
    (0.95, "full", "P(on frontier) ≥ 0.95"),
    (0.5, "left", "≥ 0.5"),
    (0.0, "hollow", "< 0.5, or unknown"),
)
# A note is small print: more pairs than this stand in comparison.json alone.
_MOST_PAIRS = 4


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
SIZE = Axis("size_mb", "Size (MB)", lambda: StrMethodFormatter("{x:g}"))
MEMORY = Axis("peak_memory_mb", "Peak memory (MB)", lambda: StrMethodFormatter("{x:g}"))
TRAINING = Axis("train_seconds", "Training of a run (s)", lambda: StrMethodFormatter("{x:g}"))
ENERGY = Axis("joules_per_image", "Energy (J/image)", lambda: StrMethodFormatter("{x:g}"))
_MEASURED = (LATENCY, MEMORY, ENERGY)
"""Of these there is one for each condition."""


def pareto(results: Results, names: Names, look: Look, axis: Axis) -> Figure:
    """The primary metric against a cost, both with 95 % intervals, one panel for each data set and context.

    Of the first comparison of models, or the first of anything. The line is what half of the draws attain at each cost,
    the band what 25 to 75 % of them do.
    """
    every = _chosen(results, axis)
    panels = every[:MOST]
    models = _looks(panels, look)
    columns = columns_for(len(panels))
    rows = math.ceil(max(len(panels), 1) / columns)
    doubts = any(_doubted(results, axis, panel, point) for panel in panels for point in panel.points)
    legend = [*_legend(names, models), *([(Line2D([], [], **_RING), axis.mark)] * doubts)]
    left_out = f"The first {MOST} of {len(every)} panels. " if len(every) > MOST else ""
    figure = canvas(columns, rows * 58, legend if panels else (), left_out + _dominated(panels, names))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    if not panels:
        nothing(axes[0], "No finished run has this cost")
    for ax, panel in zip(axes, panels, strict=False):
        _panel(ax, panel, results, models, axis)
        ax.set(title=short(_title(panel, panels, names), 48), xlabel=_label(axis, results))
    for ax in axes[: len(panels) : columns]:
        ax.set_ylabel(f"{results.metric.axis}, 95% interval")
    for ax in axes[max(len(panels), 1) :]:
        ax.set_axis_off()
    return figure


def _chosen(results: Results, axis: Axis) -> list[Frontier]:
    """The frontiers of one comparison, that of models where there is one."""
    # A cost of nothing, as of a method that is fitted at once, has no place on a logarithmic axis.
    known = [f for f in results.frontiers if f.cost == axis.column and any(point.cost > 0 for point in f.points)]
    first = next((frontier for frontier in known if frontier.factor == "model"), known[0] if known else None)
    return [frontier for frontier in known if first is not None and frontier.comparison == first.comparison]


def _looks(panels: Sequence[Frontier], look: Look) -> dict[str, tuple[str, str]]:
    """Colour and marker of each candidate: a model has its own, other candidates take theirs in turn."""
    candidates = sorted({point.candidate for panel in panels for point in panel.points})
    if panels and panels[0].factor == "model":
        return {model: shown for model, shown in look.models.items() if model in candidates}
    return {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(candidates)}


def _title(panel: Frontier, panels: Sequence[Frontier], names: Names) -> str:
    """The data set, and what else tells this panel from the others."""
    varies = [axis for axis in panel.context if len({other.context[axis] for other in panels}) > 1]
    return " · ".join(names(value) for value in (panel.dataset, *(panel.context[axis] for axis in varies)))


def _label(axis: Axis, results: Results) -> str:
    """What is measured is of the study's first condition."""
    return f"{axis.label}, {next(iter(costs.conditions(results).values()))}" if axis in _MEASURED else axis.label


def has(results: Results, axis: Axis) -> bool:
    """Whether any finished run has this cost."""
    return bool(_chosen(results, axis))


def _doubted(results: Results, axis: Axis, panel: Frontier, point: FrontierPoint) -> bool:
    fixed = {"dataset": panel.dataset, panel.factor: point.candidate, **panel.context}
    cells = (cell for cell in results.cells if all(getattr(cell, name) == value for name, value in fixed.items()))
    return any(axis.doubted(cell) for cell in cells)


def _panel(ax: Axes, panel: Frontier, results: Results, models: Mapping[str, tuple[str, str]], axis: Axis) -> None:
    unit = Unit.of(results.metric.unit)
    ends = [end for point in panel.points for end in (point.cost_lo, point.cost, point.cost_hi) if end]
    _log_axis(ax, ends)
    ax.xaxis.set_major_formatter(axis.ticks())
    _attained(ax, panel, unit.scale, max(ends))
    for point in panel.points:
        y = point.score * unit.scale
        low, high = (_within(end, results.metric) for end in (point.score_lo, point.score_hi))
        xerr, yerr = _bars(point.cost_lo, point.cost, point.cost_hi), _bars(low, y, high)
        marker = marker_of(*models[point.candidate], _fill(point.p_frontier))
        ax.errorbar(point.cost, y, xerr=xerr, yerr=yerr, elinewidth=0.7, zorder=3, **marker)
        if _doubted(results, axis, panel, point):
            ax.plot(point.cost, y, zorder=4, **_RING)


def _within(value: float | None, metric: Metric) -> float | None:
    """An end of an interval: what is beyond all, or nothing, of a fraction is only the interval's arithmetic. A
    fraction that is better when lower may be a difference, which can be below nothing.
    """
    if value is not None and metric.unit == "fraction":
        value = min(max(value, 0.0) if metric.direction == "max" else value, 1.0)
    return None if value is None else value * Unit.of(metric.unit).scale


def _bars(low: float | None, value: float, high: float | None) -> list[list[float]] | None:
    if low is None or high is None:
        return None
    return [[max(value - low, 0.0)], [max(high - value, 0.0)]]


def _fill(p: float | None) -> Fill:
    return next(fill for least, fill, _ in _FILLS if (p or 0.0) >= least)


def _attained(ax: Axes, panel: Frontier, scale: float, largest: float) -> None:
    """The attainment curves, drawn on to the right: a dearer model is no reason to attain less."""
    curves = {share: [(x, y * scale) for x, y in steps] for share, steps in panel.attainment.items()}
    if curves["0.5"]:
        xs, ys = zip(*[*curves["0.5"], (1.5 * largest, curves["0.5"][-1][1])], strict=True)
        ax.step(xs, ys, where="post", zorder=2, **_HALF)
    if curves["0.25"] and curves["0.75"]:
        first = max(curves["0.25"][0][0], curves["0.75"][0][0])
        grid = sorted({x for name in ("0.25", "0.75") for x, _ in curves[name] if x >= first} | {1.5 * largest})
        high, low = ([_at(curves[name], x) for x in grid] for name in ("0.25", "0.75"))
        ax.fill_between(grid, low, high, step="post", zorder=1, color=GREY, alpha=_FAINT, linewidth=0)


def _at(steps: Sequence[tuple[float, float]], cost: float) -> float:
    """The height of a curve at a cost not left of it."""
    return steps[int(np.searchsorted([x for x, _ in steps], cost, side="right")) - 1][1]


def _log_axis(ax: Axes, values: Sequence[float]) -> None:
    ax.set_xscale("log")
    low, high = min(values), max(values)
    ax.set_xlim(low / 1.6, high * 1.6)
    decades = math.log10(high / low)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.5 else (1.0, 2.0, 5.0), numticks=12))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _dominated(panels: Sequence[Frontier], names: Names) -> str:
    """Who is rather not on the frontier, and who dominates it most surely, as in "Dominated: a by b (P = 0.98)."."""
    pairs: dict[tuple[str, str], list[float]] = {}
    for point in (point for panel in panels for point in panel.points):
        if point.dominated_by and (point.p_frontier or 0.0) < _FILLS[1][0]:
            by, p = next(iter(point.dominated_by.items()))
            pairs.setdefault((point.candidate, by), []).append(p)
    said = []
    for (candidate, by), found in list(pairs.items())[:_MOST_PAIRS]:
        low, high = (f"{p:.2f}" for p in (min(found), max(found)))
        where = f" in {len(found)} of {len(panels)} panels" if len(panels) > 1 else ""
        p_text = low if low == high else f"{low} to {high}"
        said.append(f"{short(names(candidate))} by {short(names(by))} (P = {p_text}{where})")
    more = f"; and {len(pairs) - _MOST_PAIRS} more" if len(pairs) > _MOST_PAIRS else ""
    return f"Dominated: {', '.join(said)}{more}." if said else ""


def _legend(names: Names, models: Mapping[str, tuple[str, str]]) -> list[tuple[Line2D, str]]:
    shown: list[tuple[Line2D, str]] = [
        (Line2D([], [], color=colour, marker=marker, linestyle=""), short(names(name)))
        for name, (colour, marker) in models.items()
    ]
    shown += [(Line2D([], [], linestyle="", **marker_of(GREY, "o", fill)), text) for _, fill, text in _FILLS]
    band = Line2D([], [], color=GREY, alpha=_FAINT, linewidth=6)
    return [*shown, (Line2D([], [], **_HALF), "half of the draws attain"), (band, "25 to 75% of them")]
