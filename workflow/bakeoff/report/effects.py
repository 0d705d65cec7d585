"""What each factor of the grid does, on the whole and at each level of another."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bakeoff.report import intervals
from bakeoff.report.choice import MOST
from bakeoff.report.drawing import GREY, Look, canvas, columns_for, nothing, short, shown_of
from bakeoff.report.factorial import Effect, Interaction, View
from bakeoff.report.intervals import Line
from bakeoff.report.load import Results
from bakeoff.report.text import Names, Unit, labelled, metric_name

_NOTE = (
    "Black: averaged over all other settings inside each seed, with its corrected mark; below it at each level of the "
    "other factor. Intervals are 95 %, over seeds, not corrected."
)


def effects(results: Results, names: Names, look: Look) -> Figure:
    """One panel for each data set and two factors that vary: the one's effects, at each level of the other."""
    every = [(view, entry) for view in results.factorial for entry in view.interactions]
    panels = [(view, entry, _lines(view, entry, names, look)) for view, entry in every[:MOST]]
    if not panels:
        figure = canvas(1, 60)
        nothing(figure.subplots(), "Fewer than two factors vary\n(models, augmentations, recipes)")
        return figure
    columns = columns_for(len(panels))
    rows = math.ceil(len(panels) / columns)
    tallest = [max(len(lines) for _, _, lines in panels[i : i + columns]) for i in range(0, len(panels), columns)]
    heights = [intervals.ROW * most + 19 for most in tallest]
    figure = canvas(columns, sum(heights), note=f"{_NOTE}{shown_of(len(panels), len(every), 'panels')}")
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights).ravel()
    unit = Unit.of(results.metric.unit)
    for ax, (view, entry, lines) in zip(axes, panels, strict=False):
        intervals.draw(ax, lines, unit, None, 20 if columns < 3 else 14)
        title = f"{short(names(view.dataset), 24)}: {entry.factor}s by {entry.between}"
        ax.set_title(f"{title}\n{short(entry.said, 48)}")
        ax.set_xlabel(labelled(f"Difference in {metric_name(results.metric.name)}", unit.points, results.metric.remark))
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    return figure


def _lines(view: View, entry: Interaction, names: Names, look: Look) -> list[Line]:
    lines = []
    for level in view.factors[entry.factor][1:]:
        lines.append(Line(f"{names(level)} minus {names(entry.baselines[entry.factor])}", heading=True))
        main = next(row for row in view.main if row.levels == {entry.factor: level})
        lines.append(_line(main, f"all {entry.between}s", "black", "D", main.stars))
        for row in entry.simple:
            if row.levels[entry.factor] == level:
                place = row.levels[entry.between]
                colour, marker = look.models.get(place, (GREY, "o")) if entry.between == "model" else (GREY, "o")
                lines.append(_line(row, names(place), colour, marker, ""))
    return lines


def _line(row: Effect, label: str, colour: str, marker: str, mark: str) -> Line:
    interval = (row.diff_ci_lo, row.diff_ci_hi)
    text = row.status.replace("_", " ") if row.diff is None else mark
    return Line(label, value=row.diff, inner=interval, colour=colour, marker=marker, mark=text)
