"""Which classes are taken for which, and where two models differ in that."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from bakeoff.report.choice import MOST, best
from bakeoff.report.drawing import canvas, columns_for, nothing, short, shown_of, titled
from bakeoff.report.load import Results
from bakeoff.report.text import Names


def confusion(results: Results, names: Names) -> Figure:
    """Mean confusion rates of each model at its best augmentation; the 12 best of them when there are more."""
    every = best(results, results.confusion)
    shown = every[:MOST]
    more = f"; the best {len(shown)} of {len(every)}" if len(every) > len(shown) else ""
    note = f"Rates in per cent, mean over seeds, each model at its best augmentation and recipe{more}."
    figure, axes = _grid(len(shown), note)
    if not shown:
        nothing(axes[0], "No finished run")
        return figure
    columns = columns_for(len(shown))
    norm = PowerNorm(0.5, 0, 1)  # errors are small: a linear scale would hide them
    for ax, matrix in zip(axes, shown, strict=False):
        rates = np.ma.masked_invalid(np.array(matrix.rates, dtype=float))
        image = ax.imshow(rates, cmap="Blues", norm=norm, interpolation="nearest")
        room = 40 if columns < 3 else 26
        data = f"{short(names(matrix.dataset), room // 2 - 3)}, {short(names(matrix.augmentation), room // 2 - 3)}"
        ax.set_title(f"{short(names(matrix.model), room)}\n{data}, n = {matrix.n_runs}")
        _ticks(ax, matrix.class_names)
        _numbers(ax, rates, columns, _rate, lambda rate: rate > 0.3)
    _bar(figure, image, axes, "Share of the true class")
    return figure


def confusion_difference(results: Results, names: Names) -> Figure:
    """Mean confusion rates of each candidate minus those of its baseline, over the seeds that both have."""
    every = results.diagnostics.rows
    shown = every[:MOST]
    of_classes = max((change.n_classes for change in shown), default=0)
    fewer = f"; the 20 of {of_classes} classes that differ most" if shown and of_classes > len(shown[0].classes) else ""
    more = shown_of(len(shown), len(every), "rows")
    note = f"Blue: the candidate says so more often; mean over shared seeds{fewer}{more}."
    figure, axes = _grid(len(shown), note)
    if not shown:
        nothing(axes[0], "No candidate and baseline\nthat both have a finished run")
        return figure
    columns = columns_for(len(shown))
    matrices = [100 * np.ma.masked_invalid(change.confusion) for change in shown]
    largest = max((float(np.abs(matrix).max()) for matrix in matrices if matrix.count()), default=0.0) or 1.0
    for ax, change, matrix in zip(axes, shown, matrices, strict=False):
        image = ax.imshow(matrix, cmap="RdBu", vmin=-largest, vmax=largest, interpolation="nearest")
        ax.set_title(titled(change, names, 40 if columns < 3 else 30))
        _ticks(ax, [part.name for part in change.classes])
        _numbers(
            ax, matrix, columns, _points if columns < 3 else _whole_points, lambda points: abs(points) > 0.6 * largest
        )
    _bar(figure, image, axes, "Points of the true class", "{x:+g}")
    return figure


def _grid(panels: int, note: str) -> tuple[Figure, list[Axes]]:
    """A figure of square panels; what is left of its last row is empty."""
    columns = columns_for(panels)
    rows = math.ceil(panels / columns) or 1
    side = (85 if columns == 1 else 170 / columns) - 11
    figure = canvas(columns, rows * (side + 14) + 2, note=note if panels else "")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for ax in axes[max(panels, 1) :]:
        ax.set_axis_off()
    return figure, axes


def _bar(figure: Figure, image: AxesImage, axes: list[Axes], label: str, form: str | None = None) -> None:
    numbers = StrMethodFormatter(form) if form else PercentFormatter(1.0, decimals=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=30, pad=0.01, format=numbers)
    bar.set_label(label, size=6.5)
    bar.outline.set_visible(False)


def _ticks(ax: Axes, names: Sequence[str]) -> None:
    classes = [short(name, 12) for name in names]
    step = math.ceil(len(classes) / 20)
    ticks = range(0, len(classes), step)
    ax.set_xticks(ticks, classes[::step], rotation=90 if max(map(len, classes)) > 2 else 0)
    ax.set_yticks(ticks, classes[::step])
    ax.tick_params(length=0, labelsize=5.5 if len(classes) > 10 else 6)
    ax.set(xlabel="Predicted", ylabel="True", facecolor="#d0d0d0")  # seen where a class has no test image
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def _numbers(
    ax: Axes,
    matrix: np.ma.MaskedArray[Any, np.dtype[np.float64]],
    columns: int,
    text: Callable[[float], str],
    dark: Callable[[float], bool],
) -> None:
    """Write the numbers into the squares, where there is room for them."""
    if len(matrix) > 10:
        return
    size = 5.5 if columns < 3 else 4.8
    for (i, j), value in np.ndenumerate(matrix.filled(0.0)):
        ax.text(j, i, text(value), ha="center", va="center", size=size, color="white" if dark(value) else "black")


def _rate(rate: float) -> str:
    if rate < 0.0005:
        return ""
    return f"{100 * rate:.0f}" if rate >= 0.0995 else f"{100 * rate:.1f}"


def _points(points: float) -> str:
    if abs(points) < 0.05:
        return ""
    return (f"{points:+.0f}" if abs(points) >= 9.95 else f"{points:+.1f}").replace("-", "−")


def _whole_points(points: float) -> str:
    """For small squares, in which a sign and a decimal would touch their neighbours."""
    return f"{points:+.0f}".replace("-", "−") if abs(points) >= 0.5 else ""
