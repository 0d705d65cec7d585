"""How much more training images are worth: the learning curve over recipes that differ in their number."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from bakeoff.report.choice import MOST
from bakeoff.report.drawing import Look, canvas, columns_for, legend_of, nothing, short
from bakeoff.report.load import Cell, Results
from bakeoff.report.text import Names, Unit, capital, metric_name


def data_amount(results: Results, names: Names, look: Look) -> Figure:
    """The primary metric against the number of training images, one panel a data set and augmentation.

    Only cells whose recipes are equal but for that number are joined. Where a model has several such lines, each has
    the name of a recipe beside a point of it.
    """
    panels: dict[tuple[str, str], list[list[Cell]]] = {}
    for each in by_amount(results):
        panels.setdefault((each[0].dataset, each[0].augmentation), []).append(each)
    if not panels:
        figure = canvas(1, 60)
        nothing(figure.subplots(), "No two recipes differ in the number\nof training images alone (train_images)")
        return figure
    shown = list(panels.items())[:MOST]
    columns = columns_for(len(shown))
    rows = math.ceil(len(shown) / columns)
    models = {series[0].model for _, lines in shown for series in lines}
    note = "Means over seeds with 95 % t intervals."
    figure = canvas(columns, rows * 58, legend_of(names, look, models), note)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    unit = Unit.of(results.metric.unit)
    several = len({cell.augmentation for cell in results.cells}) > 1
    for ax, ((dataset, augmentation), lines) in zip(axes, shown, strict=False):
        for series in lines:
            _line(ax, series, results, look)
            own = [other for other in lines if other[0].model == series[0].model]
            means = {tuple(cell.metrics[results.metric.name].mean for cell in each) for each in own}
            if len(means) > 1:  # at another point of each line, so that names do not lie on each other
                _name(ax, series[-1 - own.index(series) % len(series)], results, names, look)
        ax.set_title(short(names(dataset), 24) + (f", {short(names(augmentation), 16)}" if several else ""))
        ax.set(xlabel="Training images", ylabel=f"{capital(metric_name(results.metric.name))} ({unit.sign})")
        _axis(ax, [cell.n_train for series in lines for cell in series if cell.n_train])
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    return figure


def by_amount(results: Results) -> list[list[Cell]]:
    """Cells with a score that differ in the number of training images alone, by that number; two or more each."""
    found: dict[tuple[str | None, ...], dict[int, Cell]] = {}
    for cell in results.cells:
        summary = cell.metrics.get(results.metric.name)
        if cell.n_train and cell.amount_series and summary is not None and summary.mean is not None:
            key = (cell.dataset, cell.model, cell.augmentation, cell.amount_series)
            found.setdefault(key, {})[cell.n_train] = cell
    return [[cells[n] for n in sorted(cells)] for cells in found.values() if len(cells) > 1]


def _line(ax: Axes, series: Sequence[Cell], results: Results, look: Look) -> None:
    colour, marker = look.models[series[0].model]
    scale = Unit.of(results.metric.unit).scale
    summaries = [cell.metrics[results.metric.name] for cell in series]
    amounts = [cell.n_train or 0 for cell in series]
    ax.plot(amounts, [(each.mean or 0.0) * scale for each in summaries], color=colour, marker=marker, markersize=3.5)
    for n, each in zip(amounts, summaries, strict=True):
        if each.lo is not None and each.hi is not None:
            lo, hi = (max(each.lo, 0.0), min(each.hi, 1.0)) if each.unit == "fraction" else (each.lo, each.hi)
            ax.plot([n, n], [lo * scale, hi * scale], color=colour, linewidth=0.8)


def _name(ax: Axes, last: Cell, results: Results, names: Names, look: Look) -> None:
    """The recipe of a line's point, left of it so that it stays within the panel."""
    mean = last.metrics[results.metric.name].mean or 0.0
    place = (last.n_train or 0, mean * Unit.of(results.metric.unit).scale)
    ax.annotate(
        short(names(last.recipe), 28),
        place,
        (-2, 1),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=5,
        color=look.models[last.model][0],
    )


def _axis(ax: Axes, amounts: Sequence[int]) -> None:
    ax.set_xscale("log")
    decades = math.log10(max(amounts) / min(amounts))
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.5 else (1.0, 2.0, 5.0), numticks=12))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
