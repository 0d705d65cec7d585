"""What a reader of the figures and tables of several data sets and factors would notice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.style
import pytest
import report_fixture
from grid_fixture import grid
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bakeoff.compare.datasets import across as compare_across
from bakeoff.report import across, amounts, critical, dots, effects, factorial, figures, forest, words
from bakeoff.report.drawing import Look
from bakeoff.report.load import Results, load
from bakeoff.report.text import Names

NAMES = Names({"lenet5": "LeNet-5", "resnet18": "ResNet-18"})
STYLE = Path(figures.__file__).with_name("bakeoff.mplstyle")
SETS = tuple(f"set{i:02}" for i in range(12))
LOST = {("tiny_vit", "none"): (1, 1), ("tiny_cnn", "crop-flip"): (5, 0)}


def written(folder: Path, **settings: Any) -> Results:
    return load(report_fixture.write_study(folder, **settings))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return written(tmp_path_factory.mktemp("one"), lost=LOST)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return written(tmp_path_factory.mktemp("many"), datasets=SETS, augmentations=("none",))


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with matplotlib.style.context(str(STYLE), after_reset=True):
        yield


def texts(figure: Figure) -> list[str]:
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    found = [
        text.get_text() for ax in figure.axes for text in (*ax.texts, *ax.get_yticklabels(), ax.title, ax.xaxis.label)
    ]
    legends = [text.get_text() for legend in figure.legends for text in (*legend.get_texts(), legend.get_title())]
    return [text for text in (*found, *legends, figure.get_supxlabel()) if text]


def cut_off(figure: Figure) -> list[str]:
    """The texts, titles and names of rows that reach out of the figure, by more than a fifth of a millimetre."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    slack = 0.2 / 25.4 * figure.dpi
    rows = [text for ax in figure.axes if ax.axison for text in (*ax.get_yticklabels(), ax.xaxis.label)]
    every = [*rows, *(text for ax in figure.axes for text in (*ax.texts, ax.title))]
    extents = {text.get_text(): text.get_window_extent() for text in every if text.get_text()}
    return [
        name
        for name, extent in extents.items()
        if min(extent.x0, extent.y0) < -slack
        or extent.x1 > figure.bbox.x1 + slack
        or extent.y1 > figure.bbox.y1 + slack
    ]


# --- forest -------------------------------------------------------------------------------------------------------


def test_forest_has_a_line_for_each_candidate_and_its_marks(one: Results) -> None:
    figure = forest.forest(one, NAMES, Look.of(one))
    shown = texts(figure)
    assert "digits: models minus LeNet-5" in shown
    assert {"augmentation none", "augmentation crop-flip", "ResNet-18"} <= set(shown)
    assert "LeNet-5" not in shown
    marks = [words.marks(row, one) for row in one.primary if row.stars]
    assert marks
    assert sorted(text for text in shown if text[0] in "★▼" and " " not in text) == sorted(marks)
    assert "no pairs" in shown
    assert cut_off(figure) == []


def test_forest_draws_both_intervals_in_points(one: Results) -> None:
    row = next(r for r in one.primary if r.candidate == "resnet18" and r.augmentation == "none")
    (ax,) = forest.forest(one, NAMES, Look.of(one)).axes
    drawn = [tuple(line.get_xdata()) for line in ax.lines]
    assert row.diff_ci_lo is not None
    assert row.diff_ci_hi is not None
    assert row.crossed_lo is not None
    assert row.crossed_hi is not None
    assert (100 * row.diff_ci_lo, 100 * row.diff_ci_hi) in drawn
    assert (100 * row.crossed_lo, 100 * row.crossed_hi) in drawn


def test_forest_of_one_model_says_why_it_is_empty(tmp_path: Path) -> None:
    results = written(tmp_path, models=("lenet5",))
    assert "Nothing is compared\nwith a baseline" in texts(forest.forest(results, NAMES, Look.of(results)))


# --- seeds --------------------------------------------------------------------------------------------------------


def test_every_finished_run_is_a_dot(one: Results) -> None:
    (ax,) = dots.seeds(one, NAMES, Look.of(one)).axes
    of_runs = [line for line in ax.lines if line.get_linestyle() == "None"]
    assert sum(len(line.get_xdata()) for line in of_runs) == sum(cell.done for cell in one.cells) == 33
    assert "no finished run" in texts(dots.seeds(one, NAMES, Look.of(one)))
    assert cut_off(dots.seeds(one, NAMES, Look.of(one))) == []


# --- effects ------------------------------------------------------------------------------------------------------


def test_effects_stand_on_the_whole_and_by_model(tmp_path: Path) -> None:
    results = written(tmp_path)
    figure = effects.effects(results, NAMES, Look.of(results))
    shown = texts(figure)
    assert {"crop-flip minus none", "all models", "LeNet-5", "ResNet-18"} <= set(shown)
    assert any(text.startswith("digits: augmentations by model\ninteraction F(3, 12) = ") for text in shown)
    assert cut_off(figure) == []


def test_effects_of_one_factor_say_why_they_are_not_there(many: Results) -> None:
    shown = texts(effects.effects(many, NAMES, Look.of(many)))
    assert "Fewer than two factors vary\n(models, augmentations, recipes)" in shown
    assert factorial.tables(many, NAMES) == []


def test_tables_of_effects_have_the_numbers_of_the_comparison(tmp_path: Path) -> None:
    results = written(tmp_path)
    main, between = factorial.tables(results, NAMES)
    assert [group.title for group in main.groups] == ["Model, minus LeNet-5", "Augmentation, minus none"]
    (view,) = results.factorial
    row = next(row for row in view.main if row.levels == {"augmentation": "crop-flip"})
    cells = [entry.text for entry in main.groups[1].rows[0]]
    assert cells[:2] == ["crop-flip", "5"]
    assert row.diff is not None
    assert cells[2].startswith(f"{100 * row.diff:+.2f}")
    assert len(between.groups[0].rows) == 3


# --- over data sets -----------------------------------------------------------------------------------------------


def test_the_best_rank_stands_on_the_right(many: Results) -> None:
    figure = critical.critical_difference(many, NAMES, Look.of(many))
    (ax,) = figure.axes
    (entry,) = many.across
    names = [NAMES(row.candidate) for row in entry.candidates]
    places = {name: text.get_position()[0] for text in ax.texts for name in names if text.get_text().startswith(name)}
    assert places["ResNet-18"] > places["tiny_vit"]
    assert "CD = 1.35 (Nemenyi, 0.05)" in texts(figure)
    assert cut_off(figure) == []


def test_bars_join_what_no_test_tells_apart(tmp_path: Path) -> None:
    ranks = {"lenet5": 0.0, "tiny_cnn": 0.0, "tiny_vit": 0.05, "resnet18": 0.1}

    def alike(dataset: str, model: str, **_: Any) -> float:
        odd = int(dataset[3:]) % 2
        return 0.7 + ranks[model] + (0.001 if (model == "tiny_cnn") == bool(odd) else 0.0)

    def body(record: dict[str, Any]) -> None:
        questions = grid(alike, datasets=SETS, models=tuple(ranks), comparisons=({"baseline": "lenet5"},))
        record["across"] = compare_across(*questions)

    results = written(tmp_path, body=body)
    figure = critical.critical_difference(results, NAMES, Look.of(results))
    bars = [line for line in figure.axes[0].lines if line.get_linewidth() == 2.2]
    assert results.across[0].cliques == [["lenet5", "tiny_cnn"]]
    assert len(bars) == 1
    assert len({NAMES(row.candidate) for row in results.across[0].candidates if row.stars}) == 2
    assert "Stars: against the baseline" in " ".join(texts(figure)).replace("\n", " ")


def test_overlapping_bars_stand_on_lines_of_their_own() -> None:
    entry = _entry([["a", "b"], ["b", "c"], ["d", "e"]])
    levels, lines = critical._levels(entry)
    assert (levels, lines) == ([0, 1, 0], 2)


def _entry(cliques: list[list[str]]) -> across.Across:
    rows = [
        across.Standing(name, 0.5, float(i), {}, None, None, None, None, None, "", "baseline")
        for i, name in enumerate("abcde", 1)
    ]
    return across.Across("model", "model", {}, "a", [], rows, None, None, cliques, [], None, [], [])


def test_too_few_data_sets_say_so_instead_of_a_diagram(tmp_path: Path, one: Results) -> None:
    few = written(tmp_path, datasets=SETS[:3], augmentations=("none",))
    shown = " ".join(texts(critical.critical_difference(few, NAMES, Look.of(few)))).replace("\n", " ")
    assert "3 data sets have a score of every candidate: fewer than 5 allow no inference to new data sets" in shown
    shown = " ".join(texts(critical.critical_difference(one, NAMES, Look.of(one)))).replace("\n", " ")
    assert "one data set allows no inference to others" in shown


def test_the_table_over_data_sets_has_ranks_and_both_friedman_tests(many: Results) -> None:
    (table,) = across.tables(many, NAMES)
    assert [head.name for head in table.heads] == [
        "Model", "Mean accuracy", "Mean rank", "Wins / ties / losses", "Difference", "p",
    ]  # fmt: skip
    assert table.groups[0].rows[0][0].text == "ResNet-18"
    notes = " ".join(table.notes)
    assert "Friedman, corrected for ties: chi-squared(3) = " in notes
    assert "Iman and Davenport: F(3, 33)" in notes
    assert "Nemenyi's critical difference of mean ranks at 0.05: 1.35" in notes


# --- training images ----------------------------------------------------------------------------------------------


def test_recipes_that_differ_in_their_images_alone_make_a_line(tmp_path: Path) -> None:
    def body(record: dict[str, Any]) -> None:
        plain = [cell for cell in record["cells"] if cell["augmentation"] == "none"]
        record["cells"] = [{**cell, "recipe": f"of{n}", "n_train": n} for cell in plain for n in (100, 1000)]
        record["cells"][-1]["amount_series"] = "1" * 12  # differs in more than that

    results = written(tmp_path, body=body)
    figure = amounts.data_amount(results, NAMES, Look.of(results))
    (ax,) = figure.axes
    lines = [line for line in ax.lines if line.get_xdata()[-1] == pytest.approx(10 * line.get_xdata()[0])]
    assert len(lines) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["LeNet-5", "tiny_cnn", "tiny_vit"]
    assert {"1,000"} <= {text.get_text() for text in ax.get_xticklabels()}


def test_lines_of_one_model_have_looks_and_names_of_their_own(tmp_path: Path) -> None:
    def body(record: dict[str, Any]) -> None:
        cell = next(cell for cell in record["cells"] if cell["augmentation"] == "none")
        record["cells"] = [
            {**cell, "recipe": f"{kind}-{n}", "n_train": n, "amount_series": kind * 3}
            for kind in ("long", "short")
            for n in (100, 1000)
        ]
        for other in record["cells"][2:]:
            accuracy = other["metrics"]["accuracy"]
            other["metrics"] = {**other["metrics"], "accuracy": {**accuracy, "mean": accuracy["mean"] / 2}}

    results = written(tmp_path, body=body)
    figure = amounts.data_amount(results, NAMES, Look.of(results))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["long", "short"]
    assert len({line.get_color() for line in figure.axes[0].lines}) == 2


def test_lines_that_are_one_have_no_recipes_name(tmp_path: Path) -> None:
    def body(record: dict[str, Any]) -> None:
        cells = []
        for cell in [cell for cell in record["cells"] if cell["augmentation"] == "none"][:2]:
            for kind, n in product(("long", "short"), (100, 1000)):
                accuracy = cell["metrics"]["accuracy"]
                half = cell["model"] == "tiny_cnn" and kind == "short"
                mean = {"accuracy": {**accuracy, "mean": accuracy["mean"] / (1 + half)}}
                cells.append({**cell, "recipe": f"{kind}-{n}", "n_train": n, "amount_series": kind, "metrics": mean})
        record["cells"] = cells

    results = written(tmp_path, body=body)
    figure = amounts.data_amount(results, NAMES, Look.of(results))
    said = {text.get_text() for text in figure.legends[0].get_texts()}
    assert said == {"LeNet-5", "tiny_cnn, long", "tiny_cnn, short"}


@pytest.mark.parametrize(
    ("labels", "share"),
    [
        (["random, all, 100", "random, all, 500"], "random, all"),
        (["1,000 images x 5 epochs", "5,000 images x 5 epochs"], "images x 5 epochs"),
        (["fewest-long", "most-long"], "long"),
        (["few", "many"], "many"),
    ],
)
def test_a_line_is_called_by_what_its_recipes_share(labels: list[str], share: str) -> None:
    assert amounts.shared(labels) == share


def test_no_recipes_of_other_amounts_are_said(one: Results) -> None:
    assert "No two recipes differ in the number\nof training images alone (train_images)" in texts(
        amounts.data_amount(one, NAMES, Look.of(one))
    )
