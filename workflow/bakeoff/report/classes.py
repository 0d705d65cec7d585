"""Which classes a candidate recognises better or worse than its baseline."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bakeoff.report.choice import MOST
from bakeoff.report.diagnosed import Change
from bakeoff.report.drawing import GREY, Look, canvas, columns_for, nothing, short, shown_of, titled
from bakeoff.report.load import Results
from bakeoff.report.text import Names

_ROW = 3.1
"""Height of one class in mm: small print with a little air."""


def per_class(results: Results, names: Names, look: Look) -> Figure:
    """Difference of each class's recall with its 95 % interval, the largest gain first: one panel a candidate."""
    every = [change for change in results.diagnostics.rows if any(part.diff is not None for part in change.classes)]
    shown = every[:MOST]
    if not shown:
        figure = canvas(1, 60)
        nothing(figure.subplots(), "No candidate and baseline\nthat both have a finished run")
        return figure
    columns = columns_for(len(shown))
    rows = math.ceil(len(shown) / columns)
    level = f"{100 * shown[0].alpha:g} %"
    filled = Line2D([], [], color=GREY, marker="o", linestyle="", markersize=4)
    hollow = Line2D([], [], color=GREY, marker="o", linestyle="", markersize=4, markerfacecolor="white")
    legend = [(filled, f"significant (false discovery rate {level})"), (hollow, "not significant")]
    height = _ROW * max(len(change.classes) for change in shown) + 18
    largest = max(change.n_classes for change in shown)
    fewer = f" The 20 of {largest} classes that differ most." if largest > len(shown[0].classes) else ""
    more = shown_of(len(shown), len(every), "rows")
    note = f"Paired by seed; intervals 95 %, not corrected{more}.{fewer}"
    figure = canvas(columns, rows * height, legend, note)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for i, (ax, change) in enumerate(zip(axes, shown, strict=False)):
        _panel(ax, change, _colour(change, look))
        ax.set_title(titled(change, names, 40 if columns < 3 else 30) + f"\n{_summary(change)}")
        ax.tick_params(labelbottom=True)
        if i + columns >= len(shown):
            ax.set_xlabel("Recall, difference in points")
    low, high = axes[0].get_xlim()  # an interval of a few seeds may reach beyond what a recall can differ by
    axes[0].set_xlim(max(low, -105), min(high, 105))
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    return figure


def _colour(change: Change, look: Look) -> tuple[str, str]:
    """A model has its own look; whatever else is compared has one for all."""
    return look.models.get(change.candidate, (GREY, "o")) if change.factor == "model" else ("#0072B2", "o")


def _summary(change: Change) -> str:
    if not change.n_tested:
        return "not tested"
    return f"{change.n_significant} of {change.n_tested} classes differ"


def _panel(ax: Axes, change: Change, look: tuple[str, str]) -> None:
    colour, marker = look
    known = [part for part in change.classes if part.diff is not None]
    ordered = sorted(known, key=lambda part: -(part.diff or 0.0))
    ax.axvline(0, color=GREY, linewidth=0.7)
    for y, part in enumerate(ordered):
        diff = 100 * (part.diff or 0.0)
        style: dict[str, Any] = {"color": colour if part.significant else GREY, "zorder": 3}
        if part.lo is not None and part.hi is not None:
            ax.plot([100 * part.lo, 100 * part.hi], [y, y], linewidth=1.2 if part.significant else 0.7, **style)
        face = colour if part.significant else "white"
        ax.plot([diff], [y], marker=marker, markersize=4, markerfacecolor=face, linestyle="", **style)
    ax.set_yticks(np.arange(len(ordered)), [short(part.name, 14) for part in ordered])
    ax.set_ylim(len(ordered) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0, labelsize=6 if len(ordered) <= 12 else 5.5)
    ax.grid(visible=False, axis="y")
