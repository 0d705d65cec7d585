"""How much more training images are worth: the learning curve over recipes that differ in their number."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from bakeoff.report.choice import MOST
from bakeoff.report.drawing import COLOURS, MARKERS, Look, canvas, columns_for, legend_of, nothing, short
from bakeoff.report.load import Cell, Results
from bakeoff.report.text import Names, Unit


def data_amount(results: Results, names: Names, look: Look) -> Figure:
    """The primary metric against the number of training images, one panel a data set and augmentation.

    Only cells whose recipes are equal but for that number are joined. A line looks as its model does; where a model has
    several lines, each has a look of its own, and is called by what its recipes' names share.
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
    looks, legend = _looks([series for _, lines in shown for series in lines], results, names, look)
    figure = canvas(columns, rows * 58, legend, "Means over seeds with 95 % t intervals.")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    several = len({cell.augmentation for cell in results.cells}) > 1
    for ax, ((dataset, augmentation), lines) in zip(axes, shown, strict=False):
        amounts = [cell.n_train for series in lines for cell in series if cell.n_train]
        # Intervals of as many images stand side by side, within a twelfth of the axis and half of the way to the next.
        next_to = min(b / a for a, b in pairwise(sorted(set(amounts))))
        step = min((max(amounts) / min(amounts)) ** (1 / 12), next_to ** (1 / 2)) ** (1 / len(lines))
        for i, series in enumerate(lines):
            _line(ax, series, results, looks[_key(series)], step ** (i - (len(lines) - 1) / 2))
        ax.set_title(short(names(dataset), 24) + (f", {short(names(augmentation), 16)}" if several else ""))
        ax.set(xlabel="Training images", ylabel=results.metric.axis)
        _axis(ax, amounts)
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


def _key(series: Sequence[Cell]) -> tuple[str, str | None]:
    return series[0].model, series[0].amount_series


def _looks(
    lines: Sequence[Sequence[Cell]], results: Results, names: Names, look: Look
) -> tuple[dict[tuple[str, str | None], tuple[str, str]], list[tuple[Line2D, str]]]:
    """Colour and marker of each line, and the legend."""
    apart: dict[tuple[str, str | None], list[Sequence[Cell]]] = {}
    for series in lines:
        same = [key for key, like in apart.items() if key[0] == series[0].model and _equal(series, like[0], results)]
        apart.setdefault(same[0] if same else _key(series), []).append(series)
    models = [model for model, _ in apart]
    if len(models) == len(set(models)):
        return {_key(series): look.models[series[0].model] for series in lines}, legend_of(names, look, models)
    looks = {key: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, key in enumerate(apart)}
    legend = []
    for key, (colour, marker) in looks.items():
        model, called = short(names(key[0]), 16), shared([names(cell.recipe) for cell in apart[key][0]])
        if len({_key(series) for series in apart[key]}) > 1:  # which are one line, though their recipes differ
            text = model
        else:
            text = called if len(set(models)) == 1 else f"{model}, {called}"
        legend.append((Line2D([], [], color=colour, marker=marker, markersize=3.5), short(text, 40)))
    first = {model: look for (model, _), look in reversed(looks.items())}
    return {_key(series): looks.get(_key(series), first[series[0].model]) for series in lines}, legend


def _equal(series: Sequence[Cell], other: Sequence[Cell], results: Results) -> bool:
    """Whether both are the same line, as those of a model that takes nothing of a recipe but its images."""
    name = results.metric.name
    means = [[(cell.n_train, cell.metrics[name].mean) for cell in each] for each in (series, other)]
    return series[0].dataset == other[0].dataset and means[0] == means[1]


def shared(labels: Sequence[str]) -> str:
    """What the names of recipes share, word by word: "random, all" of "random, all, 100" and "random, all, 500"; the
    last name where that is nothing.
    """
    words = [re.findall(r"[^\s-]+[\s-]*", label) for label in labels]
    same = [part[0] for part in zip(*words, strict=False) if len({word.strip(" -,") for word in part}) == 1]
    return "".join(same).strip(" -,") or labels[-1]


def _line(ax: Axes, series: Sequence[Cell], results: Results, look: tuple[str, str], shift: float) -> None:
    colour, marker = look
    scale = Unit.of(results.metric.unit).scale
    summaries = [cell.metrics[results.metric.name] for cell in series]
    amounts = [(cell.n_train or 0) * shift for cell in series]
    ax.plot(amounts, [(each.mean or 0.0) * scale for each in summaries], color=colour, marker=marker, markersize=3.5)
    for n, each in zip(amounts, summaries, strict=True):
        if each.lo is not None and each.hi is not None:
            lo, hi = (max(each.lo, 0.0), min(each.hi, 1.0)) if each.unit == "fraction" else (each.lo, each.hi)
            ax.plot([n, n], [lo * scale, hi * scale], color=colour, linewidth=0.8)


def _axis(ax: Axes, amounts: Sequence[int]) -> None:
    ax.set_xscale("log")
    decades = math.log10(max(amounts) / min(amounts))
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.5 else (1.0, 2.0, 5.0), numticks=12))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
