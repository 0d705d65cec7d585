"""What a classifier does at every threshold: ROC and precision-recall curves, and accuracy against the threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bakeoff.report.choice import best
from bakeoff.report.diagnosed import Curve, Diagnosis, Line
from bakeoff.report.drawing import COLOURS, GREY, Look, canvas, columns_for, legend_of, nothing, short
from bakeoff.report.load import Results
from bakeoff.report.text import Names

_MAX_DATASETS = 4
_NAMED_CLASSES = 3
_FAINT = "#b5b5b5"


@dataclass(frozen=True)
class Kind:
    """ROC or PR: where its curve is kept, its axes, the corner that good models crowd in and the free one."""

    name: str
    x: str
    y: str
    crowded: tuple[float, float]  # the lower end of the magnified square, of x and y
    inset: tuple[float, float, float, float]
    legend: Literal["lower right", "lower left"]

    def of(self, diagnosis: Diagnosis) -> Curve | None:
        """The curve of this kind."""
        return diagnosis.roc if self.name == "roc" else diagnosis.pr


ROC = Kind("roc", "False positive rate", "True positive rate", (0.0, 0.9), (0.4, 0.12, 0.54, 0.54), "lower right")
PR = Kind("pr", "Recall", "Precision", (0.9, 0.9), (0.14, 0.12, 0.54, 0.54), "lower left")


def curves(results: Results, names: Names, look: Look, kind: Kind) -> Figure:
    """For each dataset the macro curves of all models, and beside them the single classes of the best model."""
    of_models = best(results, results.diagnostics.cells)
    datasets = [d for d in _datasets(of_models) if any(kind.of(m) for m in of_models if m.dataset == d)]
    shown = datasets[:_MAX_DATASETS]
    if not shown:
        figure = canvas(1, 60)
        nothing(figure.subplots(), "No finished run has this curve")
        return figure
    drawn = [m for m in of_models if m.dataset in shown and (curve := kind.of(m)) and curve.macro]
    more = f" The first {len(shown)} of {len(datasets)} datasets." if len(datasets) > len(shown) else ""
    note = f"Mean over seeds, band ± one std, each model at its best augmentation; macro: mean over classes.{more}"
    figure = canvas(2, len(shown) * 74, legend_of(names, look, {m.model for m in drawn}), note)
    for (left, right), dataset in zip(figure.subplots(len(shown), 2, squeeze=False), shown, strict=True):
        here = [m for m in of_models if m.dataset == dataset]
        _macro(left, here, names, look, kind)
        _classes(right, here[0], names, kind)
    return figure


def _datasets(diagnoses: Sequence[Diagnosis]) -> list[str]:
    return list(dict.fromkeys(diagnosis.dataset for diagnosis in diagnoses))


def _axes(ax: Axes, title: str, kind: Kind) -> None:
    ax.set(title=title, xlabel=kind.x, ylabel=kind.y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), box_aspect=1)


def _macro(ax: Axes, diagnoses: Sequence[Diagnosis], names: Names, look: Look, kind: Kind) -> None:
    _axes(ax, f"{short(names(diagnoses[0].dataset))}: all models, macro", kind)
    lines = [(curve.grid, curve.macro, m.model) for m in diagnoses if (curve := kind.of(m)) and curve.macro]
    if not lines:
        nothing(ax, "A class has no test image:\nthere is no macro mean")
        return
    panels = [ax]
    if all(_is_good(grid, line, kind) for grid, line, _ in lines):
        x, y = kind.crowded
        panels.append(ax.inset_axes(kind.inset, xlim=(x, x + 0.1), ylim=(y, y + 0.1)))
        panels[1].set(xticks=[x, x + 0.1], yticks=[y, y + 0.1])
        panels[1].tick_params(labelsize=5.5, length=1.5)
        ax.indicate_inset_zoom(panels[1], edgecolor=GREY, linewidth=0.5)
    for panel in panels:
        for i, (grid, line, model) in enumerate(lines):
            colour, marker = look.models[model]
            every = (3 + 2 * i, 25) if panel is ax else (1 + i % 4, 4)
            _banded(panel, grid, line, colour, marker, every)


def _is_good(grid: np.ndarray, line: Line, kind: Kind) -> bool:
    """Whether a curve runs through the magnified corner, so that little is seen of it elsewhere."""
    at = 0.1 if kind is ROC else 0.9
    return bool(np.interp(at, grid, line.mean) > 0.9)


def _banded(
    ax: Axes, x: np.ndarray, line: Line, colour: str, marker: str = "", every: tuple[int, int] = (0, 25)
) -> None:
    ax.plot(x, line.mean, color=colour, marker=marker, markevery=every, markersize=3)
    low, high = np.clip(line.mean - line.std, 0, 1), np.clip(line.mean + line.std, 0, 1)
    ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)


def _classes(ax: Axes, diagnosis: Diagnosis, names: Names, kind: Kind) -> None:
    """Every class of one model: the worst in colour and with their names, the others grey."""
    _axes(ax, f"{short(names(diagnosis.dataset), 20)}: classes of {short(names(diagnosis.model), 20)}", kind)
    curve = kind.of(diagnosis)
    if curve is None or not curve.classes:
        nothing(ax, "Single classes are drawn\nof up to 20 classes")
        return
    areas = {name: float(np.trapezoid(line.mean, curve.grid)) for name, line in curve.classes.items()}
    worst = sorted(areas, key=lambda name: areas[name])[:_NAMED_CLASSES]
    for name, line in curve.classes.items():
        if name not in worst:
            ax.plot(curve.grid, line.mean, color=_FAINT, linewidth=0.7)
    for i, name in enumerate(worst):
        _banded(ax, curve.grid, curve.classes[name], COLOURS[i])
    if all(_is_good(curve.grid, line, kind) for line in curve.classes.values()):
        x, y = kind.crowded
        ax.set(xlim=(x - 0.002, x + 0.102), ylim=(y - 0.002, y + 0.102), title=f"{ax.get_title()} (corner)")
    handles = [Line2D([], [], color=COLOURS[i]) for i in range(len(worst))]
    texts = [f"{short(name, 20)}, area {areas[name]:.3f}" for name in worst]
    title = None
    if len(areas) > len(worst):
        handles.append(Line2D([], [], color=_FAINT, linewidth=0.7))
        texts.append(f"{len(areas) - len(worst)} others")
        title = "Smallest area"
    ax.legend(handles, texts, loc=kind.legend, title=title, title_fontsize=6)


# --- thresholds ---------------------------------------------------------------------------------------------------


def thresholds(results: Results, names: Names, look: Look) -> Figure:
    """Accuracy against the threshold for each dataset of two classes, with the thresholds chosen on validation."""
    every = [m for m in best(results, results.diagnostics.cells) if m.thresholds]
    datasets = _datasets(every)[:_MAX_DATASETS]
    if not datasets:
        figure = canvas(1, 60)
        nothing(figure.subplots(), "Thresholds are of two classes")
        return figure
    columns = columns_for(len(datasets))
    rows = math.ceil(len(datasets) / columns)
    note = "Mean over seeds, band ± one std. Dotted: threshold chosen on validation images."
    figure = canvas(columns, rows * 62, legend_of(names, look, {m.model for m in every}), note)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, dataset in zip(axes, datasets, strict=False):
        here = [m for m in every if m.dataset == dataset]
        for diagnosis in here:
            _threshold_line(ax, diagnosis, look)
        ax.set(title=short(names(dataset)), ylabel="Test accuracy (%)")
        ax.set_xlabel(f"Threshold for {short(here[0].thresholds.positive, 20) if here[0].thresholds else ''}")
    for ax in axes[len(datasets) :]:
        ax.set_axis_off()
    return figure


def _threshold_line(ax: Axes, diagnosis: Diagnosis, look: Look) -> None:
    table = diagnosis.thresholds
    if table is None:
        return
    colour, marker = look.models[diagnosis.model]
    rows = sorted(table.rows, key=lambda row: row.threshold)
    x = np.array([row.threshold for row in rows])
    mean = 100 * np.array([row.accuracy for row in rows])
    std = 100 * np.array([row.accuracy_std for row in rows], dtype=float)
    ax.plot(x, mean, color=colour, marker=marker, markersize=3, markevery=max(1, len(x) // 10))
    ax.fill_between(x, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)
    if table.chosen.mean is not None:
        ax.axvline(table.chosen.mean, color=colour, linestyle=":", linewidth=0.9)
