"""What a regression predicts against what is true, and below it by how much it is off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bakeoff.report.choice import best
from bakeoff.report.diagnosed import Outputs
from bakeoff.report.drawing import GREY, Look, canvas, nothing, short
from bakeoff.report.load import Results
from bakeoff.report.text import Names

_MOST = 4
"""Models, each of which takes two rows of panels; and targets beside each other."""


def has(results: Results) -> bool:
    """Whether there is a finished run of a regression."""
    return any(cell.outputs for cell in results.diagnostics.cells)


def named(target: Mapping[str, Any]) -> str:
    """A target with its unit, as in "x (px)"."""
    return f"{target['name']} ({target['unit']})" if target["unit"] else str(target["name"])


def outputs(results: Results, names: Names, look: Look) -> Figure:
    """For each model at its best augmentation and recipe, and each target: predicted against true, and residuals."""
    every = [(cell, cell.outputs) for cell in best(results, results.diagnostics.cells) if cell.outputs]
    if not every:
        figure = canvas(1, 60)
        nothing(figure.subplots(), "No finished run of a regression")
        return figure
    shown = every[:_MOST]
    columns = min(max(len(found.targets) for _, found in shown), _MOST)
    more = f" The best {len(shown)} of {len(every)} models." if len(every) > len(shown) else ""
    most = max(len(found.true[0]) for _, found in shown)
    note = f"The first finished run at the augmentation and recipe with the best mean; up to {most} test images.{more}"
    figure = canvas(columns, len(shown) * 95, note=note)
    heights = [2, 1] * len(shown)
    axes = figure.subplots(2 * len(shown), columns, squeeze=False, height_ratios=heights)
    several = len({cell.dataset for cell, _ in shown}) > 1
    for row, (cell, found) in enumerate(shown):
        colour, marker = look.models[cell.model]
        place = f"{short(names(cell.model))}{', ' + short(names(cell.dataset), 14) if several else ''}"
        for column in range(columns):
            above, below = axes[2 * row, column], axes[2 * row + 1, column]
            if column >= len(found.targets):
                above.set_axis_off()
                below.set_axis_off()
                continue
            _panels(above, below, found, column, {"color": colour, "marker": marker})
            above.set_title(f"{place}: {short(named(found.targets[column]), 20)}")
            if column == 0:
                above.set_ylabel("Predicted")
                below.set_ylabel("Predicted − true")
    return figure


def _panels(above: Axes, below: Axes, found: Outputs, target: int, style: Mapping[str, str]) -> None:
    true, predicted = found.true[target], found.predicted[target]
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    line = {"color": GREY, "linewidth": 0.6, "linestyle": (0, (1, 1.5))}
    points: dict[str, Any] = {
        **style, "linestyle": "none", "markersize": 1.5, "alpha": 0.6, "markeredgewidth": 0,
        "rasterized": True,  # as shapes, points by the thousand make a file of half a megabyte and more
    }  # fmt: skip
    above.plot(ends, ends, **line)  # type: ignore[arg-type]
    above.plot(true, predicted, **points)
    below.axhline(0, **line)  # type: ignore[arg-type]
    below.plot(true, predicted - true, **points)
    below.set_xlabel("True")
    below.set_xlim(above.get_xlim())
    above.tick_params(labelbottom=False)
