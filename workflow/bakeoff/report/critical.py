"""The critical difference diagram: mean ranks of candidates over data sets, and which of them no test tells apart."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bakeoff.report.across import Across, Nemenyi, Standing, titled
from bakeoff.report.drawing import GREY, Look, canvas, nothing, short
from bakeoff.report.load import Results
from bakeoff.report.text import Names, capital

_MOST = 8
_ONE_COLUMN = 8
"""Candidates that the width of one column has room for."""
# All in mm: the drawing has no scale but that of its ranks.
_GAP, _LETTER, _TICK = 5.0, 1.4, 4.0
_HEAD, _BAR, _ROW = 13.0, 1.7, 3.6
_NOTE = (
    "Lower ranks are better; the best stand on the right. A bar joins candidates of which Wilcoxon's signed-rank test "
    "tells no pair apart (Holm over all pairs)."
)
_NEMENYI = (
    " CD is what Nemenyi's test asks of two mean ranks; it grows with the number of candidates, so it depends on who "
    "else is compared."
)
_STARS = " Stars: against the baseline, Holm-corrected over all candidates."


@dataclass(frozen=True)
class _Frame:
    """Where ranks stand: 1 on the right, k on the left, names in the margins. All in mm."""

    k: int
    width: float
    margin: float

    def x(self, rank: float) -> float:
        """The place of a rank."""
        return self.width - self.margin - (rank - 1) * self.one_rank

    @property
    def one_rank(self) -> float:
        """From one rank to the next."""
        return (self.width - 2 * self.margin) / (self.k - 1)


def tested(results: Results) -> list[Across]:
    """The comparisons that have data sets enough for a test."""
    return [entry for entry in results.across if entry.untested is None]


def critical_difference(results: Results, names: Names, look: Look) -> Figure:
    """One diagram for each comparison and context with data sets enough for a test (Demsar 2006, section 3.2.4)."""
    entries = tested(results)[:_MOST]
    if not entries:
        figure = canvas(1, 60)
        reason = (results.across and results.across[0].untested) or "one data set allows no inference to others"
        nothing(figure.subplots(), "\n".join(("Nothing tested over data sets:", *textwrap.wrap(reason, 44))))
        return figure
    stars = any(row.stars for entry in entries for row in entry.candidates)
    parts = (_NEMENYI * any(entry.nemenyi for entry in entries), _STARS * stars, _beside(entries, names))
    warned = "".join(f" {capital(text)}." for entry in entries for text in entry.warnings)
    columns = 1 if max(len(entry.candidates) for entry in entries) <= _ONE_COLUMN else 2
    heights = [_height(entry) for entry in entries]
    figure = canvas(columns, sum(heights) + 7 * len(entries), note=_NOTE + "".join(parts) + warned)
    axes = figure.subplots(len(entries), 1, squeeze=False, height_ratios=heights).ravel()
    for ax, entry, height in zip(axes, entries, heights, strict=True):
        _draw(ax, entry, _frame(entry, 85 * columns - 4, names), names, look)
        ax.set_ylim(height, 0)
        ax.set_title(short(titled(entry, results, names), 46 * columns))
    return figure


def _frame(entry: Across, width: float, names: Names) -> _Frame:
    longest = max(len(_named(row, names, width)) for row in entry.candidates)
    return _Frame(len(entry.candidates), width, min(width / 3, _GAP + 2 + _LETTER * longest))


def _beside(entries: Sequence[Across], names: Names) -> str:
    """The pairs that are told apart neither, though no bar can join them without another between."""
    pairs = [" and ".join(map(names, pair)) for entry in entries for pair in entry.cliques_beside]
    if not pairs:
        return ""
    more = f" and {len(pairs) - 3} pairs more (comparison.json)" if len(pairs) > 3 else ""
    return f" Told apart neither, but from one between them: {'; '.join(pairs[:3])}{more}."


def _height(entry: Across) -> float:
    return _HEAD + _BAR * _levels(entry)[1] + 3 + _ROW * ((len(entry.candidates) + 1) // 2)


def _levels(entry: Across) -> tuple[list[int], int]:
    """The line that each bar stands on, so that none touches another, and how many lines that makes."""
    place = {row.candidate: i for i, row in enumerate(entry.ordered)}
    ends: list[int] = []
    found = []
    for clique in entry.cliques:
        first, last = place[clique[0]], place[clique[-1]]
        level = next((i for i, end in enumerate(ends) if end < first), len(ends))
        ends[level : level + 1] = [last]
        found.append(level)
    return found, len(ends)


def _draw(ax: Axes, entry: Across, frame: _Frame, names: Names, look: Look) -> None:
    ax.set_xlim(0, frame.width)
    ax.set_axis_off()
    k = frame.k
    ax.plot([frame.x(1), frame.x(k)], [_HEAD, _HEAD], color="black", linewidth=0.8)
    for rank in range(1, k + 1, math.ceil(_TICK / frame.one_rank)):
        ax.plot([frame.x(rank)] * 2, [_HEAD - 1, _HEAD], color="black", linewidth=0.8)
        ax.text(frame.x(rank), _HEAD - 1.6, str(rank), ha="center", va="bottom", fontsize=6)
    if entry.nemenyi:
        _critical(ax, entry.nemenyi, frame)
    levels, lines = _levels(entry)
    ranks = {row.candidate: row.mean_rank or 0.0 for row in entry.candidates}
    for clique, level in zip(entry.cliques, levels, strict=True):
        y = _HEAD + 2.0 + _BAR * level
        ends = frame.x(ranks[clique[0]]) + 0.5, frame.x(ranks[clique[-1]]) - 0.5  # so that ties have a bar too
        ax.plot(ends, [y, y], color="black", linewidth=2.2, solid_capstyle="butt", zorder=4)
    top = _HEAD + _BAR * lines + 3.6
    half = (k + 1) // 2
    for side, end in (
        (entry.ordered[:half], frame.width - frame.margin + _GAP),
        (entry.ordered[half:][::-1], frame.margin - _GAP),
    ):
        for i, row in enumerate(side):
            at = frame.x(row.mean_rank or 0.0), top + _ROW * i
            _label(ax, at, end, _named(row, names, frame.width), f"{row.mean_rank:.2f}", _look(row, entry, look))


def _critical(ax: Axes, test: Nemenyi, frame: _Frame) -> None:
    """The bar of the critical difference, above the worst ranks; in words where it is longer than the axis."""
    start, length = frame.margin, test.cd * frame.one_rank
    text = f"CD = {test.cd:.2f} (Nemenyi, {test.alpha:g})"
    if length > frame.width - 2 * frame.margin:
        ax.text(start, 4.5, f"{text}: more than all ranks", ha="left", va="bottom", fontsize=6, color=GREY)
        return
    ax.plot([start, start + length], [5.2, 5.2], color=GREY, linewidth=1.2)
    for end in (start, start + length):
        ax.plot([end, end], [4.4, 6.0], color=GREY, linewidth=1.2)
    ax.text(start, 3.8, text, ha="left", va="bottom", fontsize=6, color=GREY)


def _named(row: Standing, names: Names, width: float) -> str:
    return short(names(row.candidate), int(width / 5)) + (f" {row.stars}" if row.stars else "")


def _look(row: Standing, entry: Across, look: Look) -> tuple[str, str]:
    return look.models.get(row.candidate, ("black", "o")) if entry.factor == "model" else ("black", "o")


def _label(ax: Axes, at: tuple[float, float], end: float, name: str, rank: str, look: tuple[str, str]) -> None:
    """The name beside the drawing, a line from it to its rank, and the rank above that line."""
    (x, y), (colour, marker) = at, look
    way = 1 if end > x else -1
    outer, inner = ("left", "right") if way > 0 else ("right", "left")
    ax.plot([x, x, end], [_HEAD, y, y], color=GREY, linewidth=0.6, zorder=2)
    ax.plot([x], [_HEAD], color=colour, marker=marker, markersize=3.5, zorder=5)
    ax.text(end + way, y, name, ha=outer, va="center", fontsize=6.5, color=colour)
    ax.text(end, y - 0.3, rank, ha=inner, va="bottom", fontsize=5, color=GREY)
