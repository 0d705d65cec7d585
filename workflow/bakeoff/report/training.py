"""How models learned: loss and accuracy, epoch by epoch."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bakeoff.report.choice import MOST
from bakeoff.report.drawing import GREY, Look, canvas, columns_for, legend_of, nothing, short
from bakeoff.report.load import Results
from bakeoff.report.text import Names


def curves(results: Results, names: Names, look: Look) -> Figure:
    """Validation accuracy, and training and validation loss, per epoch: mean over seeds, band ± one std."""
    every = list(dict.fromkeys((cell.dataset, *cell.variant) for cell in results.cells))
    panels = every[:MOST]
    columns = columns_for(len(panels))
    bands = math.ceil(len(panels) / columns)
    legend = [
        *legend_of(names, look, look.models),
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
