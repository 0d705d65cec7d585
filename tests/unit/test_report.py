"""What a reader of the tables, figures and the HTML report would notice."""

from __future__ import annotations

import base64
import filecmp
import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import report_fixture
from matplotlib.figure import Figure
from pydantic import ValidationError

from bakeoff import provenance
from bakeoff.errors import Refused, UserError
from bakeoff.report import figures, html, step, tables, tabular, text, words
from bakeoff.report.load import Results, load
from bakeoff.report.spec import ReportSettings
from bakeoff.report.text import Names, Unit

CODE = "0123456789abcdef"
LABELS = {"lenet5": "LeNet-5", "resnet18": "ResNet-18"}
LOST = {("tiny_vit", "none"): (1, 1), ("resnet18", "crop-flip"): (0, 4), ("tiny_cnn", "crop-flip"): (5, 0)}
PAYLOADS = (
    "<script>alert(1)</script>",
    r"a_b%&\input{x}",
    "| a | `b` | **c** | ~d~ | [e](javascript:alert(1))",
    '"><img src=x onerror=alert(1)>',
    "$x^2$ #1 {} ^ ~ -- [2pt]",
    "{{ 7*7 }} {% raw %}",
)


def written(folder: Path, **settings: Any) -> Results:
    return load(report_fixture.write_study(folder, **settings))


def markdown_of(results: Results, labels: dict[str, str] | None = None) -> str:
    return "\n".join(tabular.to_markdown(table) for table in tables.paper(results, Names(labels or {})))


def line_of(document: str, start: str) -> list[str]:
    """The cells of the first Markdown row whose first cell begins with `start`."""
    lines = [line.strip("| ").split(" | ") for line in document.splitlines() if line.startswith("|")]
    return next(line for line in lines if line[0].strip("*").startswith(start))


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return written(tmp_path_factory.mktemp("gaps"), lost=LOST, partial=True)


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return written(tmp_path_factory.mktemp("complete"))


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole report in which every label and every free text is an attack."""
    results = tmp_path_factory.mktemp("hostile")
    models = list(report_fixture.MODELS)

    def attack(record: dict[str, Any]) -> None:
        record["warnings"] = list(PAYLOADS)
        record["rows"][2]["warnings"] = list(PAYLOADS)
        record["hardware"] = {"training": [PAYLOADS[0]], "profiling": [PAYLOADS[1]]}

    report_fixture.write_study(results, body=attack, lost=LOST, partial=True)
    labels = {**dict(zip(models, PAYLOADS, strict=False)), "digits": PAYLOADS[4], "none": PAYLOADS[5]}
    spec = {"study": "demo", "title": PAYLOADS[3], "labels": labels, "metric": "accuracy", "prints": []}
    step.run(spec, CODE, results)
    return results / "demo"


# --- the table ----------------------------------------------------------------------------------------------------


def test_the_table_says_what_the_rows_say(complete: Results) -> None:
    row = next(r for r in complete.rows if r.candidate == "resnet18" and r.augmentation == "none")
    cells = line_of(markdown_of(complete, LABELS), "ResNet-18")
    assert cells[:4] == ["**ResNet-18**", "11.17", "555.4", "6.41"]
    assert cells[4] == f"**{Unit.of('fraction').spread(row.mean, row.std)}**"
    assert cells[5] == "5"
    assert cells[6] == Unit.of("fraction").interval(row.diff, row.diff_ci_lo, row.diff_ci_hi)
    assert cells[7] == "&lt; 0.001 ★★†◆"


def test_header_names_the_units(complete: Results) -> None:
    header = line_of(markdown_of(complete), "Model")
    assert header == [
        "Model", "Params (M)", "MACs (M)", "Latency p50 (ms)", "Accuracy (%)", "n",
        "Difference (points, 95% interval)", "p (adjusted)", "Rank",
    ]  # fmt: skip


def test_groups_are_contexts_and_the_best_comes_first(complete: Results) -> None:
    (table,) = tables.paper(complete, Names(LABELS))
    assert [group.title for group in table.groups] == [
        "Augmentation none, recipe default",
        "Augmentation crop-flip, recipe default",
    ]
    for group in table.groups:
        means = [float(row[4].text.split()[0]) for row in group.rows]
        assert means == sorted(means, reverse=True)
        assert [row[0].bold for row in group.rows] == [True, False, False, False]


def test_tied_with_best_is_bold_too(tmp_path: Path) -> None:
    def tie(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row["tied_with_best"] = row["candidate"] in ("resnet18", "tiny_cnn")

    results = written(tmp_path, body=tie)
    assert line_of(markdown_of(results), "tiny_cnn")[0] == "**tiny_cnn**"
    assert "not separable from it: tiny_cnn" in words.answers(results, Names({}))[0].paragraphs[0][1][0]


def test_missing_and_diverged_runs_show_as_n_of_expected(gaps: Results) -> None:
    document = markdown_of(gaps, LABELS)
    assert line_of(document, "tiny_vit")[5] == "3 of 5"
    assert "- digits, tiny_vit, none, default: 3 of 5 done; 1 diverged, 1 missing (seeds 4)." in document
    assert "- digits, tiny_cnn, crop-flip, default: 0 of 5 done; 5 diverged." in document
    assert "- PARTIAL: 29 of 40 runs done." in document
    assert "## PARTIAL: Accuracy on digits" in document


def test_null_shows_as_a_dash_with_its_reason(gaps: Results) -> None:
    crop_flip = markdown_of(gaps).split("**Augmentation crop-flip")[1]
    assert line_of(crop_flip, "resnet18")[6:8] == ["–", "– (one seed)"]
    assert line_of(crop_flip, "tiny_cnn")[4:] == ["–", "0 of 5", "–", "– (no pairs)", "–"]
    assert line_of(crop_flip, "lenet5")[6:8] == ["baseline", "–"]


def test_worse_is_never_a_star(tmp_path: Path) -> None:
    def worse(record: dict[str, Any]) -> None:
        row = next(row for row in record["rows"] if row["candidate"] == "tiny_vit")
        row.update(stars="▼▼", p_adj=0.004, dagger="", crossed_p_adj=0.2, verdict="worse")

    document = markdown_of(written(tmp_path, body=worse))
    assert line_of(document, "tiny_vit")[7] == "0.004 ▼▼"
    assert "- ▼▼ worse than the baseline, p &lt; 0.01." in document


def test_only_marks_that_occur_are_explained(complete: Results) -> None:
    document = markdown_of(complete)
    assert "- ★★ better than the baseline, p &lt; 0.01." in document
    assert "- ▼ worse than the baseline, p &lt; 0.05." in document
    assert "▼▼" not in document
    assert "Welch" not in document


def test_p_that_is_not_of_the_t_test_says_so(tmp_path: Path) -> None:
    def exact(record: dict[str, Any]) -> None:
        record["rows"][2].update(p_method="sign_flip", p_adj=0.00195, status="zero_variance", stars="★★")

    document = markdown_of(written(tmp_path, body=exact))
    assert line_of(document, "tiny_cnn")[7].endswith("(sign flip)")
    assert "- (sign flip) exact sign-flip test: the differences have no variance" in document


def test_footnotes_name_hardware_test_correction_and_family(complete: Results) -> None:
    document = markdown_of(complete)
    for text_ in (
        "Trained on: AMD EPYC 7B13, 1 thread.",
        "Profiled on: AMD EPYC 7B13, 1 thread, torch 2.15.",
        "paired t test, two-sided; exact sign-flip test where the differences have no variance; "
        "Holm-corrected over 6 comparisons",
        "n seeds (0, 1, 2, 3, 4)",
        "Bootstrap intervals (comparison.csv) cover less than 95% below 20 seeds",
    ):
        assert text_ in document


def test_warnings_of_rows_are_numbered_below_the_table(tmp_path: Path) -> None:
    def warn(record: dict[str, Any]) -> None:
        record["rows"][2]["warnings"] = ["seed 3 dropped"]
        record["rows"][4]["warnings"] = ["seed 3 dropped", "more runs than planned"]

    document = markdown_of(written(tmp_path, body=warn))
    assert "- (1) seed 3 dropped" in document
    assert {line_of(document, name)[0] for name in ("tiny_cnn", "tiny_vit")} in (
        {"tiny_cnn (1)", "tiny_vit (1) (2)"},
        {"tiny_cnn (1) (2)", "tiny_vit (1)"},
    )


def test_a_comparison_of_augmentations_has_no_cost_columns(tmp_path: Path) -> None:
    def refactor(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row.update(factor="augmentation", context={"model": row["model"]}, baseline="none")
            row.update(candidate=row["augmentation"], recipe=None)

    results = written(tmp_path, body=refactor)
    (table,) = tables.paper(results, Names(LABELS))
    assert [head.name for head in table.heads] == ["Augmentation", "Accuracy", "n", "Difference", "p", "Rank"]
    titles = {group.title for group in table.groups}
    assert titles == {"Model LeNet-5", "Model tiny_cnn", "Model tiny_vit", "Model ResNet-18"}


def test_less_is_better_when_the_metric_says_so(tmp_path: Path) -> None:
    def loss(record: dict[str, Any]) -> None:
        record["primary_metric"] = {"name": "log_loss", "unit": "nats", "direction": "min"}
        for row in record["rows"]:
            row.update(metric="log_loss", unit="nats", direction="min")

    (table,) = tables.paper(written(tmp_path, body=loss), Names({}))
    assert table.groups[0].rows[0][0].text == "tiny_vit"
    assert table.heads[4].text == "Log loss (nats)"
    assert table.groups[0].rows[0][4].text.startswith("0.94")


# --- the answer ---------------------------------------------------------------------------------------------------


def test_the_answer_hedges(gaps: Results) -> None:
    (answer,) = words.answers(gaps, Names(LABELS))
    context, sentences = answer.paragraphs[0]
    assert answer.title == "digits: which model?"
    assert context == "Augmentation none, recipe default"
    assert sentences[0].startswith("Highest mean accuracy: ResNet-18, 98.27 ± 0.12% (n = 5)")
    better = (
        r"Better than LeNet-5: ResNet-18 by \+2\.24 \(\+1\.99 to \+2\.48\) points, also for new images; tiny_cnn by .*"
    )
    assert re.fullmatch(better, sentences[1])
    assert sentences[2].startswith("Cannot tell from LeNet-5: tiny_vit by −1.9 (−3.1 to −0.8) points")
    assert "Not testable against LeNet-5: ResNet-18 (one seed); tiny_cnn (no pairs)." in answer.paragraphs[1][1]
    assert "does not mean that there is no difference" in words.caveat(gaps)


def test_a_star_without_new_images_is_not_called_general(tmp_path: Path) -> None:
    def narrow(record: dict[str, Any]) -> None:
        record["rows"][6].update(crossed_p_adj=0.3, verdict="inconclusive")

    sentences = words.answers(written(tmp_path, body=narrow), Names({}))[0].paragraphs[0][1]
    (unsure,) = [sentence for sentence in sentences if sentence.startswith("Cannot tell")]
    assert "resnet18 by" in unsure
    assert "on these test images; for new images it cannot tell" in unsure


def test_fairness_names_the_seeds_that_were_left_out(gaps: Results, complete: Results) -> None:
    equal = "Every candidate has the same seeds as its baseline; no seed was left out."
    assert equal in words.fairness(complete, Names({}))
    assert equal not in words.fairness(gaps, Names({}))
    assert any("compared on 3 shared seeds only, without 3, 4" in fact for fact in words.fairness(gaps, Names({})))


# --- numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "std", "shown"),
    [
        (0.98314, 0.00241, "98.31 ± 0.24"),
        (0.98314, 0.000996, "98.31 ± 0.10"),
        (0.98314, 0.0996, "98 ± 10"),
        (0.98314, 0.0, "98.31 ± 0.00"),
        (0.98314, 1e-12, "98.31 ± 0.00"),
        (0.98314, None, "98.31"),
        (None, None, "–"),
    ],
)
def test_decimals_follow_the_standard_deviation(mean: float | None, std: float | None, shown: str) -> None:
    assert Unit.of("fraction").spread(mean, std) == shown


def test_differences_have_a_sign_and_no_negative_zero() -> None:
    unit = Unit.of("fraction")
    assert unit.interval(0.009, 0.0052, 0.0128) == "+0.90 (+0.52 to +1.28)"
    assert unit.interval(-0.009, -0.0128, -0.0052) == "−0.90 (−1.28 to −0.52)"
    assert unit.interval(-0.000001, -0.01, 0.01) == "+0.0 (−1.0 to +1.0)"
    assert unit.interval(0.009, None, None) == "+0.90"
    assert Unit.of("nats").bounds(0.1, None) == "–"


@pytest.mark.parametrize(
    ("p", "shown"),
    [(0.0004, "< 0.001"), (0.0312, "0.031"), (0.04996, "0.04996"), (0.05, "0.050"), (1.0, "1.000"), (None, "–")],
)
def test_rounding_never_moves_p_over_a_threshold(p: float | None, shown: str) -> None:
    assert text.probability(p, [0.05, 0.01]) == shown


@pytest.mark.parametrize(
    ("values", "prefix"),
    [([1.8e9, 4.1e9], "G"), ([1.8e9, 4e5], "M"), ([5.5e8, 4e5], "M"), ([3e3, 11e6], "k"), ([12, 40], ""), ([None], "")],
)
def test_one_readable_unit_for_a_column(values: list[float | None], prefix: str) -> None:
    assert text.magnitude(values)[1] == prefix


def test_significant_digits_keep_whole_numbers() -> None:
    assert [text.significant(value, 4) for value in (11.17281, 0.061706, 11172.8, 9.99996, 0)] == [
        "11.17", "0.06171", "11173", "10.00", "0.000",
    ]  # fmt: skip


# --- hostile text -------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Elements with their attributes, the texts of scripts and styles, and the other text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.raw.append(data)
        else:
            self.text += data


def test_html_shows_hostile_labels_as_text(reported: Path) -> None:
    page = Page((reported / "report.html").read_text(encoding="utf-8"))
    tags = [tag for tag, _ in page.elements]
    assert not set(tags) & {"iframe", "object", "link", "base", "svg"}
    # The style, the plot's points, Vega and what sorts, filters and draws: no payload has made another.
    assert (tags.count("style"), tags.count("script")) == (1, 3)
    for payload in PAYLOADS:
        assert payload in page.text
    attributes = {name for _, attrs in page.elements for name in attrs}
    assert not [name for name in attributes if name.startswith("on")]
    (points,) = [json.loads(text) for text in page.raw if text.startswith('{"metric"')]
    assert {point["model"] for point in points["points"]} == set(PAYLOADS[:4])
    assert PAYLOADS[0] not in "".join(page.raw)


def test_html_runs_and_loads_nothing_but_itself(reported: Path) -> None:
    page = Page((reported / "report.html").read_text(encoding="utf-8"))
    policies = [attrs["content"] for _, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in (policies[0] or "").split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    style, _, library, script = page.raw
    assert rules["style-src"].split() == [digest(style)]
    assert rules["script-src"].split() == [digest(library), digest(script)]
    assert "url(" not in style
    assert "@import" not in style
    assert "innerHTML" not in script


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_html_has_its_figures_inside(reported: Path) -> None:
    page = Page((reported / "report.html").read_text(encoding="utf-8"))
    images = [attrs["src"] or "" for tag, attrs in page.elements if tag == "img"]
    shown = [attrs["id"] for tag, attrs in page.elements if tag == "figure"]
    assert len(shown) == len(set(shown))
    # What a study has nothing of is not shown: thresholds, for one, are of two classes.
    assert {"pareto_macs", "curves", "confusion", "roc", "reliability"} <= set(shown) <= set(figures.NAMES)
    assert "thresholds" not in shown
    assert all(source.startswith("data:image/") for source in images)
    assert sum(source.startswith("data:image/svg+xml,") for source in images) == len(shown)
    assert all((attrs["href"] or "").startswith("#") for tag, attrs in page.elements if tag == "a")
    assert all(attrs.get("alt") for tag, attrs in page.elements if tag == "img")


def test_html_says_what_is_missing(reported: Path) -> None:
    words_ = Page((reported / "report.html").read_text(encoding="utf-8")).text
    assert "PARTIAL: 29 of 40 runs done." in words_
    assert "3 of 5 done; 1 diverged, 1 missing (seeds 4)." in words_
    assert CODE in words_


def test_markdown_keeps_its_columns(reported: Path) -> None:
    document = (reported / "comparison.md").read_text(encoding="utf-8")
    rows = [line for line in document.splitlines() if line.startswith("|")]
    assert len(rows) == 2 * (2 + 4)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}
    assert "<" not in document
    assert not re.search(r"(?<!\\)\]\(javascript", document)


def test_latex_escapes_every_label(reported: Path) -> None:
    document = (reported / "comparison.tex").read_text(encoding="utf-8")
    assert r"a\_b\%\&\textbackslash{}input\{x\}" in document
    printed = [line for line in document.splitlines() if not line.startswith("%")]
    assert not [line for line in printed if r"\input" in line]
    assert not re.search(r"(?<!\\)[#_^]", "\n".join(printed).replace(r"\%", ""))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_label_escapes_leave_the_visible_text(payload: str) -> None:
    unescaped = re.sub(r"\\([^\w\s])", r"\1", text.markdown(payload))
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        unescaped = unescaped.replace(entity, character)
    assert unescaped.replace("\\", "") == payload.replace("\\", "")
    assert "\n" not in text.latex(payload + "\n\n" + payload)


def test_labels_are_single_lines_of_text() -> None:
    assert ReportSettings(labels={"lenet5": "LeNet-5 <b>"}).labels == {"lenet5": "LeNet-5 <b>"}
    for labels in ({"lenet5": "two\nlines"}, {"lenet5": ""}, {"../x": "y"}, {"lenet5": "x" * 81}):
        with pytest.raises(ValidationError):
            ReportSettings(labels=labels)


# --- files --------------------------------------------------------------------------------------------------------


def test_figures_stand_in_the_formats_that_are_asked_for(reported: Path) -> None:
    assert {path.name for path in (reported / "figures").iterdir()} == {f"{name}.svg" for name in figures.NAMES}


def test_a_figure_is_drawn_once_a_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, drawn, draw = written(tmp_path), [], Figure.draw
    monkeypatch.setattr(figures, "FIGURES", {"forest": figures.FIGURES["forest"]})
    monkeypatch.setattr(Figure, "draw", lambda figure, renderer: (drawn.append(renderer), draw(figure, renderer)))
    figures.write(results, Names({}), tmp_path / "figures")
    assert len(drawn) == len(figures.FORMATS)  # another time each, were a layout engine left
    figures.write(results, Names({}), tmp_path / "figures", formats=["svg"])
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"forest.svg"}  # not an older report's


def test_figures_are_the_same_by_however_many_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, kept = written(tmp_path), ("forest", "seeds", "pareto_macs")
    monkeypatch.setattr(figures, "FIGURES", {name: figures.FIGURES[name] for name in kept})
    for processes in (1, 2):
        figures.write(results, Names({}), tmp_path / str(processes), processes=processes)
    files = {path.name for path in (tmp_path / "1").iterdir()}
    assert files == {f"{name}.{extension}" for name in kept for extension in figures.FORMATS}
    assert filecmp.cmpfiles(tmp_path / "1", tmp_path / "2", files, shallow=False)[1:] == ([], [])


def test_a_pdf_holds_no_tables_of_shaping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FIGURES", {"forest": figures.FIGURES["forest"]})
    figures.write(written(tmp_path), Names({}), tmp_path / "figures")
    streams = re.findall(
        rb"/Length1 \d+.*?stream\r?\n(.*?)endstream", (tmp_path / "figures/forest.pdf").read_bytes(), re.S
    )
    fonts = [zlib.decompress(stream.rstrip(b"\r\n")) for stream in streams]
    assert fonts
    assert all(b"glyf" in font[:400] and b"GSUB" not in font[:400] for font in fonts)


def test_every_figure_stands_in_three_formats_with_equal_bytes_for_equal_input(tmp_path: Path) -> None:
    spec = {"study": "demo", "title": None, "labels": LABELS}
    made = []
    for attempt in ("a", "b"):
        folder = report_fixture.write_study(
            tmp_path / attempt, models=("lenet5", "resnet18"), augmentations=("none",), classes=3
        )
        assert step.run(spec, CODE, tmp_path / attempt) == folder / "report.html"
        made.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert made[0] == made[1]
    assert not [path for path in made[0] if ".part" in path.name]
    drawn = {path.name: data for path, data in made[0].items() if path.parent.name == "figures"}
    assert set(drawn) == {f"{name}.{extension}" for name in figures.NAMES for extension in figures.FORMATS}
    for name, data in drawn.items():
        if name.endswith(".pdf"):
            assert b"/FontFile2" in data, name  # TrueType embedded: editable text
            assert b"/Subtype /Type3" not in data, name


def test_study_without_costs_or_finished_runs_still_has_its_figures(tmp_path: Path) -> None:
    def poor(record: dict[str, Any]) -> None:
        for item in (*record["cells"], *record["rows"], *record["costs"]):
            item.update(params=None, macs=None, latency_ms_p50=None, train_seconds=None)
        record["warnings"] = ["no cost of lenet5: out of memory"]

    nothing_done = {("lenet5", "none"): (3, 2)}
    results = written(tmp_path, models=("lenet5",), augmentations=("none",), lost=nothing_done, body=poor)
    figures.write(results, Names({}), tmp_path / "figures")
    assert len(list((tmp_path / "figures").iterdir())) == 3 * len(figures.NAMES)
    assert line_of(markdown_of(results), "lenet5") == ["lenet5", "–", "0 of 5", "baseline", "–"]
    assert words.answers(results, Names({}))[0].paragraphs[0][1] == ("No run finished.",)
    page = html.render(results, Names({}), "none", tmp_path / "figures", CODE)
    assert "no cost of lenet5: out of memory" in page


# --- refusals -----------------------------------------------------------------------------------------------------


def edit(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads((folder / name).read_text(encoding="utf-8"))
    change(record)
    (folder / name).write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize("name", ["comparison.json", "confusion.json", "diagnostics.json"])
def test_a_record_changed_by_hand_is_refused(tmp_path: Path, name: str) -> None:
    folder = report_fixture.write_study(tmp_path)
    edit(folder, name, lambda record: record.update(study="nicer"))
    with pytest.raises(Refused, match=f"{name}: was changed after it was written"):
        step.run({"study": "demo"}, CODE, tmp_path)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    "name", ["comparison.json", "confusion.json", "diagnostics.json", "errors.npz", "curves.csv", "coverage.csv"]
)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = report_fixture.write_study(tmp_path)
    (folder / name).unlink()
    with pytest.raises(Refused, match=f"{name}: is missing"):
        load(folder)


def test_a_row_without_a_key_is_refused_by_name(tmp_path: Path) -> None:
    def drop(record: dict[str, Any]) -> None:
        del record["rows"][0]["p_adj"]

    with pytest.raises(Refused, match="has no 'p_adj'"):
        load(report_fixture.write_study(tmp_path, body=drop))


def test_a_table_without_a_column_is_refused_by_name(tmp_path: Path) -> None:
    folder = report_fixture.write_study(tmp_path)
    (folder / "curves.csv").write_text("dataset,model\n", encoding="utf-8")
    with pytest.raises(Refused, match="has no column augmentation, recipe, epoch"):
        load(folder)


def test_the_comparison_of_another_study_is_not_taken(tmp_path: Path) -> None:
    report_fixture.write_study(tmp_path, "demo")
    (tmp_path / "demo").rename(tmp_path / "other")
    with pytest.raises(UserError, match="is of study 'demo', not of 'other'"):
        step.run({"study": "other"}, CODE, tmp_path)


def test_the_digest_covers_template_and_style(tmp_path: Path) -> None:
    package = tmp_path / "bakeoff"
    shutil.copytree(provenance.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = provenance.code_digest("bakeoff.report.step", package=package)
    for name in ("report.html.j2", "page.html.j2", "report.css", "report.js", "bakeoff.mplstyle"):
        (package / "report" / name).write_text("changed", encoding="utf-8")
        after = provenance.code_digest("bakeoff.report.step", package=package)
        assert after != before
        before = after
