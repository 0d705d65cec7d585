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
    """Validation accuracy, where there are classes, and training and validation loss, per epoch: mean over seeds, band
    ± one std.
    """
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
    each = 1 if results.regression else 2
    figure = canvas(columns, bands * each * (42 if columns < 3 else 34), legend, note)
    axes = figure.subplots(each * bands, columns, squeeze=False, sharex="col", sharey="row")
    named = 3 if len({cell.recipe for cell in results.cells}) > 1 else 2
    for index in range(bands * columns):
        row, column = each * (index // columns), index % columns
        *accuracy, loss = axes[row : row + each, column]
        if index >= len(panels):
            for ax in (*accuracy, loss):
                ax.set_axis_off()
            continue
        _curves_panel(accuracy, loss, results.curves, panels[index], look)
        (*accuracy, loss)[0].set_title(short(" · ".join(map(names, panels[index][:named])), 48))
        loss.tick_params(labelbottom=True)
        if column == 0:
            for ax in accuracy:
                ax.set_ylabel("Validation accuracy (%)")
            loss.set_ylabel("Loss")
    return figure


def has_rates(results: Results) -> bool:
    """Whether any run has epochs of which the learning rate is known."""
    return "lr_mean" in results.curves and bool(results.curves["lr_mean"].notna().any())


def learning_rates(results: Results, names: Names, look: Look) -> Figure:
    """The learning rate of each epoch's last step, one panel a recipe; models of one rate lie on one line."""
    if not has_rates(results):
        figure = canvas(1, 60)
        nothing(figure.subplots(), "No finished run has\na learning rate")
        return figure
    table = results.curves[results.curves["lr_mean"].notna()]
    recipes = list(dict.fromkeys(table["recipe"]))[:MOST]
    columns = columns_for(len(recipes))
    rows = math.ceil(len(recipes) / columns)
    legend = legend_of(names, look, set(table["model"]))
    figure = canvas(columns, rows * 52, legend, "Of each epoch's last step.")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, recipe in zip(axes, recipes, strict=False):
        _rates_panel(ax, table[table["recipe"] == recipe], look)
        ax.set(title=short(names(recipe), 48), xlabel="Epoch")
    for ax in axes[:: len(axes) // rows]:
        ax.set_ylabel("Learning rate")
    for ax in axes[len(recipes) :]:
        ax.set_axis_off()
    return figure


def _rates_panel(ax: Axes, table: pd.DataFrame, look: Look) -> None:
    """One line a model and course: data sets and augmentations do not change a rate unless the number of steps does.

    Markers of models stand apart, so that those on one line are all seen.
    """
    for i, (model, (colour, marker)) in enumerate(look.models.items()):
        drawn: set[tuple[float, ...]] = set()
        for _, rows in table[table["model"] == model].groupby(["dataset", "augmentation"]):
            ordered = rows.sort_values("epoch")
            rates = ordered["lr_mean"].to_numpy(float)
            if tuple(rates) in drawn:
                continue
            drawn.add(tuple(rates))
            shown = (i % len(rates), max(len(look.models), len(rates) // 5))
            ax.plot(ordered["epoch"], rates, color=colour, marker=marker, markevery=shown, markersize=3.5)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _curves_panel(
    accuracy: list[Axes], loss: Axes, table: pd.DataFrame, panel: tuple[str, str, str], look: Look
) -> None:
    """`accuracy` is empty where there is none."""
    dataset, augmentation, recipe = panel
    here = table[(table.dataset == dataset) & (table.augmentation == augmentation) & (table.recipe == recipe)]
    for model, (colour, marker) in look.models.items():
        rows = here[here.model == model].sort_values("epoch")
        if rows.empty:
            continue
        for ax in accuracy:
            _curve(ax, rows, "val_accuracy", 100, colour, marker)
        _curve(loss, rows, "val_loss", 1, colour, marker)
        _curve(loss, rows, "train_loss", 1, colour, marker, "--")
    if here.empty:
        nothing((*accuracy, loss)[0], "No finished run")
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
