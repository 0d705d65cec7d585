"""What all figures share: the legend's order, and a panel that says why it is empty."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bakeoff.report.drawing import canvas, nothing


def test_a_legend_reads_across() -> None:
    entries = [(Line2D([], []), f"a rather long name {i}") for i in range(9)]
    figure = canvas(2, 40, entries)
    figure.draw_without_rendering()
    places = {text.get_text(): text.get_window_extent() for text in figure.legends[0].get_texts()}
    assert len({round(place.y0) for place in places.values()}) > 1
    assert sorted(places, key=lambda name: (-round(places[name].y0), places[name].x0)) == [name for _, name in entries]


def test_an_empty_panel_has_no_frame() -> None:
    ax = Figure().subplots()
    nothing(ax, "Nothing here")
    assert not any(spine.get_visible() for spine in ax.spines.values())
