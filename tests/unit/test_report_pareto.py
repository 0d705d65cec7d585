"""The frontier's figure: how full a point is, its bars, the band, and who dominates whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import report_fixture
from matplotlib.figure import Figure

from bakeoff.report import pareto
from bakeoff.report.drawing import Look
from bakeoff.report.load import load
from bakeoff.report.text import Names

Json = dict[str, Any]


def drawn(folder: Path, edit: Callable[[Json], None] = lambda _: None, axis: Any = pareto.MACS, **study: Any) -> Figure:
    results = load(report_fixture.write_study(folder, body=edit, **({"augmentations": ("none",)} | study)))
    return pareto.pareto(results, Names({"tiny_cnn": "Tiny"}), Look.of(results), axis)


def points(edit: Callable[[Json], None]) -> Callable[[Json], None]:
    """Edit every point of every frontier."""

    def body(record: Json) -> None:
        for entry in record["frontiers"]:
            for point in entry["points"]:
                edit(point)

    return body


def fills(figure: Figure) -> list[tuple[str, bool]]:
    """Of each point its filling, and whether it is white inside."""
    markers = [line for ax in figure.axes for line in ax.lines if line.get_marker() not in ("None", "", None)]
    return [(line.get_fillstyle(), line.get_markerfacecolor() == "white") for line in markers]


def note(figure: Figure) -> str:
    return str(figure.legends[0].get_title().get_text()).replace("\n", " ")


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (1.0, ("full", False)), (0.95, ("full", False)), (0.949, ("left", False)), (0.5, ("left", False)),
        (0.49, ("full", True)), (0.0, ("full", True)), (None, ("full", True)),
    ],
)  # fmt: skip
def test_how_full_a_point_is(tmp_path: Path, p: float | None, expected: tuple[str, bool]) -> None:
    figure = drawn(tmp_path, points(lambda point: point.update(p_frontier=p)))
    assert set(fills(figure)) == {expected}


def test_bars_stand_on_both_axes_where_both_vary(tmp_path: Path) -> None:
    (ax,) = drawn(tmp_path / "time", axis=pareto.LATENCY).axes
    assert len(ax.containers) == 4
    assert all(container.has_xerr and container.has_yerr for container in ax.containers)
    (ax,) = drawn(tmp_path / "macs").axes
    assert not any(container.has_xerr for container in ax.containers)


def test_no_bar_goes_beyond_all_right_or_all_wrong(tmp_path: Path) -> None:
    (ax,) = drawn(tmp_path, points(lambda point: point.update(score_lo=-0.7, score_hi=1.2))).axes
    heights = [y for segments in ax.collections for path in segments.get_paths() for _, y in path.vertices]
    assert (min(heights), max(heights)) == pytest.approx((0, 100))


def test_who_dominates_whom_is_said_once(tmp_path: Path) -> None:
    assert note(drawn(tmp_path / "one")) == "Dominated: tiny_vit by Tiny (P = 0.90)."
    two = note(drawn(tmp_path / "two", augmentations=("none", "crop-flip")))
    assert two == "Dominated: tiny_vit by Tiny (P = 0.90 in 2 of 2 panels)."
    nobody = drawn(tmp_path / "no", points(lambda point: point.update(p_frontier=0.9)))
    assert note(nobody) == ""


def test_each_context_has_a_panel_of_its_own(tmp_path: Path) -> None:
    figure = drawn(tmp_path, augmentations=("none", "crop-flip"), datasets=("digits", "fashion"))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["digits · none", "digits · crop-flip", "fashion · none", "fashion · crop-flip"]


def test_the_band_reaches_the_right_edge(tmp_path: Path) -> None:
    (ax,) = drawn(tmp_path).axes
    (band,) = [shown for shown in ax.collections if shown.get_alpha() == pareto._FAINT]
    right = max(x for path in band.get_paths() for x, _ in path.vertices)
    assert right > max(macs for _, macs, *_ in report_fixture.MODELS.values())


def test_curves_that_nothing_attains_are_not_drawn(tmp_path: Path) -> None:
    def nothing(record: Json) -> None:
        for entry in record["frontiers"]:
            entry["attainment"] = {"0.25": [], "0.5": [], "0.75": []}

    (ax,) = drawn(tmp_path, nothing).axes
    assert len(ax.containers) == 4


def test_without_any_cost_the_panel_says_so(tmp_path: Path) -> None:
    (ax,) = drawn(tmp_path, lambda record: record.update(frontiers=[])).axes
    assert [text.get_text() for text in ax.texts] == ["No finished run has this cost"]


def test_candidates_that_are_no_models_have_looks_too(tmp_path: Path) -> None:
    def recipes(record: Json) -> None:
        for entry in record["frontiers"]:
            entry.update(comparison="recipe", factor="recipe", context={"augmentation": "none", "model": "lenet5"})
            for i, point in enumerate(entry["points"]):
                point.update(candidate=f"recipe{i}", dominated_by={})

    figure = drawn(tmp_path, recipes)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"recipe0", "recipe1", "recipe2", "recipe3"} <= set(names)


def test_what_costs_nothing_has_no_place_on_its_axis(tmp_path: Path) -> None:
    """Such as the training of methods that are fitted at once."""
    figure = drawn(tmp_path, points(lambda point: point.update(cost=0.0, cost_lo=None, cost_hi=None)))
    assert not fills(figure)
