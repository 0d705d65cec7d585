"""Rows of numbers with their intervals below each other: what forest plots and effects have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from bakeoff.report.drawing import GREY, short
from bakeoff.report.text import Unit

ROW = 3.8
"""Height of one row in mm."""
Span = tuple[float | None, float | None]


@dataclass(frozen=True)
class Line:
    """A row: a value with intervals, or a heading (no value, no intervals) above rows.

    `inner` is drawn thick, `outer` thin; `mark` stands behind it.
    """

    label: str
    value: float | None = None
    inner: Span = (None, None)
    outer: Span = (None, None)
    colour: str = GREY
    marker: str = "o"
    filled: bool = True
    mark: str = ""
    heading: bool = False


def height(lines: Sequence[Line]) -> float:
    """What rows need in mm, with the title above and the axis below."""
    return ROW * len(lines) + 17


def draw(ax: Axes, lines: Sequence[Line], unit: Unit, rope: float | None, room: int) -> None:
    """Rows from top to bottom around zero; the region of equivalence is shaded. Labels have `room` letters."""
    if rope is not None:
        ax.axvspan(-rope * unit.scale, rope * unit.scale, color="#ececec", linewidth=0, zorder=0)
    ax.axvline(0, color=GREY, linewidth=0.7, zorder=1)
    for y, line in enumerate(lines):
        _row(ax, y, line, unit.scale)
    named = [y for y, line in enumerate(lines) if not line.heading]
    ax.set_yticks(named, [short(lines[y].label, room) for y in named])
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def heading(ax: Axes, y: int, text: str) -> None:
    """What the rows below have in common, inside the panel, where there is room for it."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    ax.text(0.01, y, text, transform=ax.get_yaxis_transform(), ha="left", va="center", fontsize=6, color=GREY,
            fontstyle="italic", bbox=box, zorder=2)  # fmt: skip


def _row(ax: Axes, y: int, line: Line, scale: float) -> None:
    if line.heading:
        heading(ax, y, short(line.label, 48))
        return
    style: dict[str, Any] = {"color": line.colour, "zorder": 3, "solid_capstyle": "butt"}
    for (lo, hi), width in ((line.outer, 0.7), (line.inner, 1.8)):
        if lo is not None and hi is not None:
            ax.plot([lo * scale, hi * scale], [y, y], linewidth=width, **style)
    if line.value is None:
        ax.text(
            0.5, y, line.mark, transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=5.5, color=GREY
        )
        return
    face = line.colour if line.filled else "white"
    ax.plot(
        [line.value * scale], [y], color=line.colour, marker=line.marker, markersize=4, markerfacecolor=face, zorder=4
    )
    if line.mark:
        # Behind the panel, so that no interval hides it.
        ax.text(1.01, y, line.mark, transform=ax.get_yaxis_transform(), ha="left", va="center", fontsize=6)
