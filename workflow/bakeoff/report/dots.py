"""Every run as a dot: what the means and intervals of a study are made from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bakeoff.report.choice import MOST
from bakeoff.report.drawing import GREY, Look, canvas, columns_for, nothing, short, shown_of
from bakeoff.report.intervals import heading
from bakeoff.report.ledger import Entry
from bakeoff.report.load import Cell, Results
from bakeoff.report.text import Names, Unit

_ROW = 4.4
_MOST_ROWS = 48
_MOST_JOINED = 8
"""Rows of one setting up to which runs of the same seed are joined; of more the lines would hide the dots."""


def seeds(results: Results, names: Names, look: Look) -> Figure:
    """The primary metric of each run, one row a cell, one panel a data set; runs of the same seed are joined."""
    datasets = [name for name in dict.fromkeys(cell.dataset for cell in results.cells) if _has_scores(results, name)]
    if not datasets:
        figure = canvas(1, 60)
        nothing(figure.subplots(), "No run has finished")
        return figure
    shown = datasets[:MOST]
    columns = columns_for(len(shown))
    rows = math.ceil(len(shown) / columns)
    cells = {name: [cell for cell in results.cells if cell.dataset == name][:_MOST_ROWS] for name in shown}
    tallest = [max(_rows(cells[name]) for name in shown[i : i + columns]) for i in range(0, len(shown), columns)]
    heights = [_ROW * most + 14 for most in tallest]
    note = f"Grey lines join runs of the same seed{shown_of(len(shown), len(datasets), 'data sets')}."
    figure = canvas(columns, sum(heights), _legend(), note)
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights).ravel()
    for ax, dataset in zip(axes, shown, strict=False):
        _panel(ax, cells[dataset], results, names, look)
        ax.set(title=short(names(dataset)), xlabel=results.metric.axis)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    return figure


def _has_scores(results: Results, dataset: str) -> bool:
    return any(run.score is not None for e in results.ledger.cells if e.dataset == dataset for run in e.runs)


def _rows(cells: Sequence[Cell]) -> int:
    variants = {cell.variant for cell in cells}
    return len(cells) + (len(variants) if len(variants) > 1 else 0)


def _panel(ax: Axes, cells: Sequence[Cell], results: Results, names: Names, look: Look) -> None:
    entries = {(e.dataset, e.model, e.augmentation, e.recipe): e for e in results.ledger.cells}
    variants = list(dict.fromkeys(cell.variant for cell in cells))
    labels: list[str] = []
    for variant in variants:
        if len(variants) > 1:
            heading(ax, len(labels), short(", ".join(_varied(variant, variants, names)), 48))
            labels.append("")
        here = [cell for cell in cells if cell.variant == variant]
        places = range(len(labels), len(labels) + len(here))
        if len(here) <= _MOST_JOINED:
            _join(ax, [entries.get(cell.place) for cell in here], places, results)
        for y, cell in zip(places, here, strict=True):
            _cell(ax, y, cell, entries.get(cell.place), results, look)
        labels += [short(names(cell.model), 18) for cell in here]
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def _varied(variant: tuple[str, str], variants: Sequence[tuple[str, str]], names: Names) -> list[str]:
    """Of augmentation and recipe what differs between the variants."""
    parts = zip(("augmentation", "recipe"), variant, zip(*variants, strict=True), strict=True)
    return [f"{axis} {names(part)}" for axis, part, all_of in parts if len(set(all_of)) > 1]


def _scores(entry: Entry | None, results: Results) -> dict[int, float]:
    scale = Unit.of(results.metric.unit).scale
    return {run.seed: run.score * scale for run in entry.runs if run.score is not None} if entry else {}


def _join(ax: Axes, entries: Sequence[Entry | None], places: range, results: Results) -> None:
    by_row = [_scores(entry, results) for entry in entries]
    for seed in sorted({seed for row in by_row for seed in row}):
        x = [row.get(seed, math.nan) for row in by_row]
        ax.plot(x, list(places), color="#c8c8c8", linewidth=0.5, zorder=1)


def _cell(ax: Axes, y: int, cell: Cell, entry: Entry | None, results: Results, look: Look) -> None:
    colour, marker = look.models[cell.model]
    points = list(_scores(entry, results).values())
    ax.plot(points, [y] * len(points), color=colour, marker=marker, markersize=3, linestyle="", alpha=0.55, zorder=3,
            markeredgewidth=0)  # fmt: skip
    summary, scale = cell.metrics.get(results.metric.name), Unit.of(results.metric.unit).scale
    if summary is None or summary.mean is None:
        ax.text(0.5, y, "no finished run", transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=5.5,
                color=GREY)  # fmt: skip
        return
    below = y + 0.3
    if summary.lo is not None and summary.hi is not None:
        ax.plot([summary.lo * scale, summary.hi * scale], [below] * 2, color=colour, linewidth=1.2, zorder=3)
    ax.plot([summary.mean * scale] * 2, [below - 0.16, below + 0.16], color=colour, linewidth=1.6, zorder=4)


def _legend() -> list[tuple[Line2D, str]]:
    return [
        (Line2D([], [], color=GREY, marker="o", markersize=3, linestyle=""), "one run"),
        (Line2D([], [], color=GREY, linewidth=1.2, marker="|", markersize=5), "mean, 95 % interval"),
    ]
