"""The forest plot: each candidate's difference to its baseline, over seeds and for new images."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bakeoff.report import intervals, words
from bakeoff.report.choice import MOST
from bakeoff.report.drawing import GREY, Look, canvas, columns_for, nothing, short, shown_of
from bakeoff.report.intervals import Line
from bakeoff.report.load import Results, Row
from bakeoff.report.text import Names, Unit, labelled, metric_name

_MOST_ROWS = 60


def forest(results: Results, names: Names, look: Look) -> Figure:
    """One panel for each comparison and data set, its candidates under the context that they share, the best first."""
    questions = [rows for rows in words.by_question(results) if any(not row.is_baseline for row in rows)]
    panels = [(rows, _lines(results, names, look, rows)) for rows in questions[:MOST]]
    if not panels:
        figure = canvas(1, 60)
        nothing(figure.subplots(), "Nothing is compared\nwith a baseline")
        return figure
    unit = Unit.of(results.metric.unit)
    columns = columns_for(len(panels))
    rows = math.ceil(len(panels) / columns)
    tallest = [max(len(lines) for _, lines in panels[i : i + columns]) for i in range(0, len(panels), columns)]
    heights = [intervals.ROW * most + 17 for most in tallest]
    figure = canvas(columns, sum(heights), _legend(results), _note(results, questions, panels))
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights).ravel()
    for ax, (of_question, lines) in zip(axes, panels, strict=False):
        rope = next((row.rope for row in of_question if row.rope is not None), None)
        intervals.draw(ax, lines, unit, rope, 20 if columns < 3 else 14)
        first = of_question[0]
        room = 22 if columns < 3 else 15
        title = f"{short(names(first.dataset), room)}: {first.factor}s minus {short(names(first.baseline), room)}"
        ax.set_title(title + words.named(first))
        ax.set_xlabel(labelled(f"Difference in {metric_name(results.metric.name)}", unit.points, results.metric.remark))
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    return figure


def _lines(results: Results, names: Names, look: Look, rows: Sequence[Row]) -> list[Line]:
    contexts = words.by_context(results, rows)
    lines = []
    for group in contexts:
        candidates = [_line(results, names, look, row) for row in group if not row.is_baseline]
        if candidates and len(contexts) > 1:
            lines.append(Line(_context(results, names, group[0]), heading=True))
        lines += candidates
    return lines[:_MOST_ROWS]


def _context(results: Results, names: Names, row: Row) -> str:
    """Of what was held fixed, that which varies in the study."""
    varied = [
        f"{axis} {names(value)}"
        for axis, value in row.context.items()
        if len({getattr(cell, axis) for cell in results.cells}) > 1
    ]
    return ", ".join(varied) or words.context(results, names, row)


def _line(results: Results, names: Names, look: Look, row: Row) -> Line:
    colour, marker = look.models.get(row.candidate, (GREY, "o")) if row.factor == "model" else ("#0072B2", "o")
    return Line(
        names(row.candidate),
        value=row.diff,
        inner=(row.diff_ci_lo, row.diff_ci_hi),
        outer=(row.crossed_lo, row.crossed_hi),
        colour=colour,
        marker=marker,
        mark=words.marks(row, results) if row.diff is not None else words.reason(row),
    )


def _legend(results: Results) -> list[tuple[Line2D, str]]:
    line = [(Line2D([], [], color=GREY, linewidth=1.8, marker="o", markersize=4), "95 % over seeds")]
    if any(row.crossed_lo is not None for row in results.primary):
        line.append((Line2D([], [], color=GREY, linewidth=0.7), "95 % for new images too"))
    if any(row.rope is not None for row in results.primary):
        band = Line2D([], [], color="#ececec", linewidth=6)
        line.append((band, "margin of equivalence"))
    return line


def _note(results: Results, questions: Sequence[list[Row]], panels: Sequence[tuple[list[Row], list[Line]]]) -> str:
    seen = {letter for _, lines in panels for line in lines for letter in line.mark}
    levels = ", ".join(f"{'★' * i} p < {level:g}" for i, level in enumerate(sorted(results.alpha, reverse=True), 1))
    meant = {
        "★▼": f"{levels} (▼ for worse), corrected; the intervals are not.",
        "†": "†: rests on normal differences.",
        "◆": "◆: for new images too.",
        "‡": "‡: many runs failed.",
    }
    more = shown_of(len(panels), len(questions), "panels").lstrip("; ")
    return " ".join([*(text for marks, text in meant.items() if seen & set(marks)), *([f"{more}."] if more else [])])
