"""What a reader sees of single models: their curves, classes, errors, thresholds and calibration."""

from __future__ import annotations

import html as entities
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pytest
import report_fixture
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text

from bakeoff.errors import Refused
from bakeoff.report import figures, html, measures, tables
from bakeoff.report.drawing import Look
from bakeoff.report.load import Results, load
from bakeoff.report.tabular import Table
from bakeoff.report.text import Names

NEW = ("confusion_difference", "per_class", "errors", "roc", "pr", "thresholds", "reliability")
ALL_LOST = {(model, "none"): (3, 2) for model in report_fixture.MODELS}
EVIL = "<img src=x onerror=alert(1)> $x_1$ & | {{ 7*7 }}"


def written(folder: Path, **settings: Any) -> Results:
    return load(report_fixture.write_study(folder, **{"augmentations": ("none",), **settings}))


def drawn(name: str, results: Results, labels: dict[str, str] | None = None) -> Figure:
    """A figure as it is laid out before it is saved."""
    with matplotlib.style.context(str(figures._STYLE), after_reset=True):
        figure = figures.FIGURES[name].draw(results, Names(labels or {}), Look.of(results))
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    return figure


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def said(figure: Figure) -> str:
    return "\n".join(texts_of(figure))


def cells_of(table: Table) -> list[list[str]]:
    return [[entry.text for entry in row] for group in table.groups for row in group.rows]


# --- every figure, whatever the study -----------------------------------------------------------------------------

STUDIES: dict[str, dict[str, Any]] = {
    "one model": {"models": ("lenet5",)},
    "one seed": {"seeds": (0,), "models": ("lenet5", "resnet18")},
    "two seeds": {"seeds": (0, 1), "models": ("lenet5", "resnet18")},
    "two classes": {"classes": 2},
    "thirty classes": {"classes": 30, "models": ("lenet5", "resnet18")},
    "all diverged": {"lost": ALL_LOST},
    "partial": {"lost": {("lenet5", "none"): (2, 3), ("resnet18", "none"): (0, 4)}, "partial": True},
    "no pictures": {"pictures": False},
    "two datasets": {"datasets": ("digits", "fashion"), "augmentations": ("none", "crop-flip")},
}


@pytest.fixture(scope="module", params=STUDIES)
def any_study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return written(tmp_path_factory.mktemp("study"), **STUDIES[request.param])


@pytest.mark.parametrize("name", NEW)
def test_every_figure_is_drawn_of_every_study_and_nothing_is_cut_off(any_study: Results, name: str) -> None:
    figure = drawn(name, any_study)
    assert texts_of(figure)
    assert_inside(figure)


@pytest.mark.parametrize("name", NEW)
def test_ten_models_with_long_names_fit(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(6):
        monkeypatch.setitem(report_fixture.MODELS, f"a_model_with_a_long_name_{i}", (10**6, 10**7, 1.0, 0.9, 0.01))
    results = written(tmp_path, models=tuple(report_fixture.MODELS), classes=2 if name == "thresholds" else 10)
    figure = drawn(name, results)
    assert_inside(figure)
    titles = [ax.title for ax in figure.findobj(lambda artist: hasattr(artist, "title") and hasattr(artist, "xaxis"))]
    assert_apart([title for title in titles if title.get_text()])


def assert_inside(figure: Figure) -> None:
    """Whatever is drawn is on the paper; half a millimetre is the antialiased edge of a letter."""
    ink, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(ink.x0, ink.y0, width - ink.x1, height - ink.y1) > -0.02


def assert_apart(texts: list[Text]) -> None:
    boxes = [text.get_window_extent() for text in texts]
    for i, box in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert not box.overlaps(other)


def test_what_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    nothing = written(tmp_path / "nothing", lost=ALL_LOST)
    assert "No finished run has this curve" in said(drawn("roc", nothing))
    assert "No finished run has a calibration" in said(drawn("reliability", nothing))
    assert "No candidate and baseline" in said(drawn("per_class", nothing))
    assert "No candidate and baseline" in said(drawn("confusion_difference", nothing))
    assert "no finished run" in said(drawn("errors", nothing))
    ten = written(tmp_path / "ten", pictures=False, models=("lenet5",))
    assert "Thresholds are of two classes" in said(drawn("thresholds", ten))
    assert "test_pixels.npy is not there" in said(drawn("errors", ten))


# --- what the figures show ----------------------------------------------------------------------------------------


def test_the_worst_classes_have_names_and_more_than_twenty_are_not_drawn(tmp_path: Path) -> None:
    shown = said(drawn("roc", written(tmp_path / "ten", models=("lenet5", "resnet18"))))
    assert "digits: classes of resnet18" in shown
    assert "7 others" in shown
    assert shown.count(", area 0.") == 3
    many = said(drawn("pr", written(tmp_path / "thirty", models=("lenet5",), classes=30)))
    assert "Single classes are drawn\nof up to 20 classes" in many


def test_without_a_macro_mean_the_panel_says_so(tmp_path: Path) -> None:
    def lose(record: dict[str, Any]) -> None:
        for cell in record["cells"]:
            cell["roc"]["macro"] = None

    assert "A class has no test image" in said(drawn("roc", written(tmp_path, diagnosis=lose)))


def test_significant_classes_are_set_off(tmp_path: Path) -> None:
    def judge(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row.update(n_significant=1, n_tested=10)
            for i, part in enumerate(row["classes"]):
                part.update(diff=0.1 * i, significant=i == 4, lo=None, hi=None)

    results = written(tmp_path, models=("lenet5", "resnet18"), diagnosis=judge)
    figure = drawn("per_class", results)
    (ax,) = [ax for ax in figure.axes if ax.get_title()]
    colour, _ = Look.of(results).models["resnet18"]
    points = [line for line in ax.lines if len(line.get_xdata()) == 1]
    filled = [float(line.get_xdata()[0]) for line in points if line.get_markerfacecolor() == colour]
    assert (len(points), filled) == (10, [pytest.approx(40.0)])
    assert next(label.get_text() for label in ax.get_yticklabels()) == "9"  # the largest gain stands first
    assert "1 of 10 classes differ" in ax.get_title()


def test_no_interval_stretches_the_axis_beyond_what_a_recall_can_differ_by(tmp_path: Path) -> None:
    def widen(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row["classes"][0].update(lo=-2.0, hi=3.0)

    figure = drawn("per_class", written(tmp_path, models=("lenet5", "resnet18"), diagnosis=widen))
    assert figure.axes[0].get_xlim() == (-105, 105)


def test_classes_that_were_not_tested_say_so(tmp_path: Path) -> None:
    assert "not tested" in said(drawn("per_class", written(tmp_path, seeds=(0, 1), models=("lenet5", "resnet18"))))


def test_of_many_classes_the_figures_say_how_many_they_show(tmp_path: Path) -> None:
    results = written(tmp_path, classes=30, models=("lenet5", "resnet18"))
    for name in ("per_class", "confusion_difference"):
        assert "20 of 30 classes" in " ".join(said(drawn(name, results)).split())


def test_the_sheet_of_errors_gives_each_model_its_rows(tmp_path: Path) -> None:
    def rows(results: Results) -> list[int]:
        figure = drawn("errors", results)
        parts = [part for part in figure.subfigs if isinstance(part, SubFigure)]
        return [sum(bool(ax.images) for ax in part.axes) for part in parts]

    models = tuple(report_fixture.MODELS)
    assert rows(written(tmp_path / "one", models=models[:1])) == [24]
    assert rows(written(tmp_path / "two", models=models[:2])) == [12, 12]
    assert rows(written(tmp_path / "four", models=models)) == [6, 6, 6, 6]
    both = drawn("errors", written(tmp_path / "both", models=models, datasets=("digits", "fashion")))
    shown = [part.get_suptitle().removesuffix(" · none") for part in both.subfigs]
    assert shown == ["resnet18 · digits", "resnet18 · fashion", "tiny_cnn · digits", "tiny_cnn · fashion"]


def test_an_error_says_what_was_said_and_what_it_is(tmp_path: Path) -> None:
    def one(record: dict[str, Any]) -> None:
        for cell in record["cells"]:
            cell["worst"] = [{**cell["worst"][0], "true": "cat", "predicted": "dog", "n_wrong": 4, "confidence": 0.987}]

    shown = said(drawn("errors", written(tmp_path, models=("lenet5",), diagnosis=one)))
    assert "said: dog\nis: cat\n4 of 5 seeds, 99 %" in shown


def test_reliability_names_error_and_temperature(tmp_path: Path) -> None:
    results = written(tmp_path, models=("lenet5",))
    ece = results.cells[0].metrics["ece"].mean
    after = results.cells[0].metrics["ece_calibrated"].mean
    assert ece is not None
    assert after is not None
    assert f"lenet5\nECE {100 * ece:.1f} → {100 * after:.1f} %, T = 1.50" in said(drawn("reliability", results))


def test_the_chosen_threshold_is_drawn(tmp_path: Path) -> None:
    (ax,) = drawn("thresholds", written(tmp_path, classes=2, models=("lenet5",))).axes
    dotted = [line for line in ax.lines if line.get_linestyle() == ":"]
    assert [list(line.get_xdata()) for line in dotted] == [[0.45, 0.45]]
    assert ax.get_xlabel() == "Threshold for 1"


# --- tables -------------------------------------------------------------------------------------------------------


def test_every_metric_stands_in_one_table_that_can_be_read(tmp_path: Path) -> None:
    results = written(tmp_path)
    found = measures.metrics(results, Names({}))
    assert list(found) == ["answers", "shares", "ranking", "probabilities", "fit", "others"]
    columns = [head.name for table in found.values() for head in table.heads[3:]]
    assert len(columns) == len(set(columns)) == len(results.cells[0].metrics) + 2  # temperature, seconds of training
    assert max(len(table.heads) for table in found.values()) <= 12
    assert [head.text for head in found["others"].heads[3:]] == ["Images never seen (%)"]
    probabilities = found["probabilities"]
    assert [head.name for head in probabilities.heads][-3:] == ["ECE calibrated", "Adaptive ECE", "Temperature"]
    assert cells_of(probabilities)[0][-1] == "1.50 ± 0.00"


def test_a_run_that_never_finished_has_dashes(tmp_path: Path) -> None:
    found = measures.metrics(written(tmp_path, lost=ALL_LOST), Names({}))
    assert {text for row in cells_of(found["probabilities"]) for text in row[3:]} == {"–"}


def test_the_table_of_thresholds(tmp_path: Path) -> None:
    def set_rows(record: dict[str, Any]) -> None:
        for cell in record["cells"]:
            table = cell["thresholds"]
            table["rows"][-1].update(precision=None, precision_n=0)
            table["rows"][0].update(precision=0.75, precision_n=1, accuracy=0.8, accuracy_std=0.02, tp=4.5)

    results = written(tmp_path, classes=2, models=("lenet5",), diagnosis=set_rows)
    (table,) = measures.thresholds(results, Names({"lenet5": "LeNet-5"}))
    rows = cells_of(table)
    assert table.title == "digits, LeNet-5: called 1 from this probability on"
    assert [row[0] for row in rows] == [
        "0.1", "0.2", "0.3", "0.4", "0.45 (chosen)", "0.5", "0.6", "0.7", "0.8", "0.9", "1",
    ]  # fmt: skip
    assert rows[0][1:3] == ["80.0 ± 2.0", "75.00 (1 of 2 seeds)"]
    assert rows[0][5] == "4.5"
    assert rows[-1][2] == "– (no positive answer)"
    assert "by seed 0.450 (0.400 to 0.500); 0.450 (0.400 to 0.500)" in table.notes[1]
    assert measures.thresholds(written(tmp_path / "ten"), Names({})) == []


def test_the_spread_over_seeds_stands_beside_what_is_expected(tmp_path: Path) -> None:
    table = measures.spread(written(tmp_path, models=("lenet5",)), Names({}))
    assert [head.text for head in table.heads[3:]] == [
        "Runs", "Spread of accuracy (points)", "Expected (points)", "Ratio",
    ]  # fmt: skip
    assert cells_of(table)[0][5:] == ["0.30", "0.80"]


def unbalanced(record: dict[str, Any]) -> None:
    record["test_sets"][0].update(unbalanced=True, imbalance=3.0)
    others = [{**row, "metric": "balanced_accuracy", "mean": 0.5, "std": 0.01} for row in record["rows"]]
    record["rows"] += others


def test_on_unbalanced_images_balanced_accuracy_stands_first(tmp_path: Path) -> None:
    (table,) = tables.paper(written(tmp_path, body=unbalanced), Names({}))
    assert [head.name for head in table.heads] == [
        "Model", "Params", "MACs", "Latency p50", "Balanced accuracy", "Accuracy", "n", "Difference", "p", "Rank",
    ]  # fmt: skip
    assert cells_of(table)[0][4] == "50.0 ± 1.0"
    assert any("accuracy misleads" in note for note in table.notes)
    (plain,) = tables.paper(written(tmp_path / "plain"), Names({}))
    assert "Balanced accuracy" not in [head.name for head in plain.heads]


def test_another_metric_needs_no_balanced_accuracy(tmp_path: Path) -> None:
    def macro(record: dict[str, Any]) -> None:
        unbalanced(record)
        record["primary_metric"]["name"] = "macro_f1"
        for row in record["rows"]:
            row["metric"] = "macro_f1" if row["metric"] == "accuracy" else row["metric"]

    (table,) = tables.paper(written(tmp_path, body=macro), Names({}))
    assert "Balanced accuracy" not in [head.name for head in table.heads]


# --- the page -----------------------------------------------------------------------------------------------------


@pytest.fixture
def page_of(tmp_path: Path) -> Callable[[Results], str]:
    """The report's page; the figures on it are blank."""
    for name in figures.NAMES:
        (tmp_path / f"{name}.svg").write_text("<svg/>")
    return lambda results: html.render(results, Names({}), "demo", tmp_path, "0" * 16)


def test_thresholds_are_on_the_page_of_two_classes_only(tmp_path: Path, page_of: Callable[[Results], str]) -> None:
    two = page_of(written(tmp_path / "two", classes=2, models=("lenet5",)))
    assert '<figure id="thresholds">' in two
    assert "called 1 from this probability on" in two
    ten = page_of(written(tmp_path / "ten", models=("lenet5",)))
    assert '<figure id="thresholds">' not in ten
    for section in ("training", "errors", "operating", "calibration"):
        assert f'<section id="{section}">' in ten
        assert f'<a href="#{section}">' in ten


def test_names_of_classes_are_text(tmp_path: Path, page_of: Callable[[Results], str]) -> None:
    def attack(record: dict[str, Any]) -> None:
        for cell in record["cells"]:
            cell["thresholds"]["positive"] = EVIL
            for kind in ("roc", "pr"):
                cell[kind]["classes"] = {EVIL: next(iter(cell[kind]["classes"].values()))}
            for mistake in cell["worst"]:
                mistake.update(true=EVIL, predicted=EVIL)
        for row in record["rows"]:
            for part in row["classes"]:
                part["class"] = EVIL
        record["pictures"] = dict.fromkeys(record["pictures"], EVIL)

    for pictures in (True, False):
        folder = tmp_path / str(pictures)
        results = written(folder, classes=2, models=("lenet5", "resnet18"), diagnosis=attack, pictures=pictures)
        for name in NEW:
            drawn(name, results, {"lenet5": EVIL})
        page = page_of(results)
        assert "<img src=x" not in page
        assert EVIL in entities.unescape(page)


# --- refusals -----------------------------------------------------------------------------------------------------


def test_pictures_that_are_not_those_of_the_record_are_refused(tmp_path: Path) -> None:
    folder = report_fixture.write_study(tmp_path)
    np.savez(folder / "errors.npz", **{"ids-digits": np.arange(3)})
    with pytest.raises(Refused, match=r"errors\.npz: is not the file that diagnostics\.json describes"):
        load(folder)


def test_diagnostics_without_a_key_are_refused_by_name(tmp_path: Path) -> None:
    folder = report_fixture.write_study(tmp_path, diagnosis=lambda record: record["cells"][0].pop("worst"))
    with pytest.raises(Refused, match=r"diagnostics\.json: has no 'worst'"):
        load(folder)
