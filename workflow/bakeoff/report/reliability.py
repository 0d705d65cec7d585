"""Whether a model is as sure as it is right, before and after its temperature is set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bakeoff.report.choice import MOST, best
from bakeoff.report.diagnosed import Bin, Diagnosis
from bakeoff.report.drawing import GREY, Look, canvas, columns_for, nothing, short
from bakeoff.report.load import Cell, Results
from bakeoff.report.text import Names

_BARS = 0.25
"""How high the bar of the fullest bin stands."""
_FEWEST = 3
"""Images of a bin, on average over seeds, below which its accuracy says nothing."""


def reliability(results: Results, names: Names, look: Look) -> Figure:
    """Accuracy against confidence for each model at its best augmentation, over the images of all its seeds.

    After Niculescu-Mizil & Caruana (2005) and Guo et al. (2017), arXiv:1706.04599, which also fits the temperature.
    """
    every = [m for m in best(results, results.diagnostics.cells) if any(part.count for part in m.bins)]
    shown = every[:MOST]
    if not shown:
        figure = canvas(1, 60)
        nothing(figure.subplots(), "No finished run has a calibration")
        return figure
    columns = columns_for(len(shown))
    rows = math.ceil(len(shown) / columns)
    legend = [
        (Line2D([], [], color=GREY, marker="o", markersize=3), "as trained"),
        (Line2D([], [], color=GREY, marker="o", markersize=3, markerfacecolor="white", linestyle="--"), "calibrated"),
    ]
    more = f" The best {len(shown)} of {len(every)} models." if len(every) > len(shown) else ""
    note = (
        f"Bars: share of the images. Bins of fewer than {_FEWEST} images a seed are left out; lines up and down: "
        f"standard error of one seed's images.{more}"
    )
    figure = canvas(columns, rows * ((85 if columns == 1 else 170 / columns) + 10), legend, note)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    cells = {(cell.dataset, cell.model, *cell.variant): cell for cell in results.cells}
    for ax, m in zip(axes, shown, strict=False):
        _panel(ax, m, look.models[m.model])
        room = 36 if columns < 3 else 24
        title = f"{short(names(m.model), room)}" + (f", {short(names(m.dataset), 14)}" if _several(shown) else "")
        ax.set_title(f"{title}\n{_numbers(m, cells[m.dataset, m.model, m.augmentation, m.recipe])}")
        ax.tick_params(labelbottom=True)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    for ax in axes[: len(shown)]:
        ax.set_xlabel("Confidence (%)")
    for ax in axes[::columns]:
        ax.set_ylabel("Accuracy (%)")
    return figure


def _several(diagnoses: Sequence[Diagnosis]) -> bool:
    return len({diagnosis.dataset for diagnosis in diagnoses}) > 1


def _numbers(diagnosis: Diagnosis, cell: Cell) -> str:
    """As in "ECE 3.2 → 1.1 %, T = 1.42"."""
    before, after = (
        summary.mean if (summary := cell.metrics.get(name)) else None for name in ("ece", "ece_calibrated")
    )
    parts = []
    if before is not None:
        parts.append(f"ECE {100 * before:.1f}" + (f" → {100 * after:.1f} %" if after is not None else " %"))
    if diagnosis.temperature.mean is not None:
        parts.append(f"T = {diagnosis.temperature.mean:.2f}")
    return ", ".join(parts) or f"n = {diagnosis.n_runs}"


def _panel(ax: Axes, diagnosis: Diagnosis, look: tuple[str, str]) -> None:
    colour, marker = look
    ax.plot([0, 100], [0, 100], color=GREY, linewidth=0.6, linestyle=(0, (1, 1.5)), zorder=1)
    _bars(ax, diagnosis.bins)
    calibrated, trained = (
        [part for part in bins if part.count >= _FEWEST * diagnosis.n_runs]
        for bins in (diagnosis.bins_calibrated, diagnosis.bins)
    )
    _line(ax, calibrated, 0, color=GREY, marker=marker, markerfacecolor="white", linestyle="--")
    _line(ax, trained, diagnosis.n_runs, color=colour, marker=marker)
    ax.set(xlim=(-2, 102), ylim=(-2, 102), box_aspect=1)


def _bars(ax: Axes, bins: Sequence[Bin]) -> None:
    counts = np.array([part.count for part in bins])
    width = 100 / len(bins)
    heights = 100 * _BARS * counts / counts.max()
    ax.bar((np.arange(len(bins)) + 0.5) * width, heights, width * 0.9, color="#e4e4e4", zorder=0)


def _line(ax: Axes, bins: Sequence[Bin], n_runs: int, **style: object) -> None:
    """Accuracy of bins; with their standard errors for `n_runs` > 0, which share one set of images."""
    known = [(part.confidence, part.accuracy, part.count) for part in bins if part.confidence is not None]
    if not known:
        return
    x, y, count = (np.array(column, dtype=float) for column in zip(*known, strict=True))
    ax.plot(100 * x, 100 * y, markersize=3, zorder=3, **style)  # type: ignore[arg-type]
    if n_runs:
        error = np.sqrt(y * (1 - y) * n_runs / count)
        within = 100 * np.minimum(error, [y, 1 - y])
        ax.errorbar(100 * x, 100 * y, within, fmt="none", ecolor=style["color"], elinewidth=0.6, zorder=2)  # type: ignore[arg-type]
