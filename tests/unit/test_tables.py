"""The paper's table: its columns as a study chooses them, its formats, and published values beside ours."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_fixture
import statsmodels.api as sm
import yaml
from compare_tree import Tree
from report_fixture import CPU, GPU

from bakeoff.compare.reference import expected_interval, verdict
from bakeoff.errors import UserError
from bakeoff.evaluate.metrics import METRICS
from bakeoff.report import columns, latex, step, tables, tabular
from bakeoff.report.load import Results, load
from bakeoff.report.tabular import Column, Table, build
from bakeoff.report.text import Names
from bakeoff.study import load as load_study

HOSTILE = '=cmd|"/c calc"!A1 <img src=x onerror=alert(1)>'


def results_of(folder: Path, **settings: Any) -> Results:
    return load(report_fixture.write_study(folder, augmentations=("none",), **settings))


def paper(results: Results, *wanted: str) -> Table:
    (table,) = tables.paper(results, Names({"resnet18": "ResNet-18"}), wanted)
    return table


def row_of(table: Table, name: str) -> dict[str, str]:
    rows = [row for group in table.groups for row in group.rows if row[0].text.startswith(name)]
    return {head.text: entry.text for head, entry in zip(table.heads, rows[0], strict=True)}


def published(model: str = "resnet18", **values: Any) -> dict[str, Any]:
    """A published value as comparison.json has it."""
    place = {"dataset": "digits", "model": model, "augmentation": "none", "recipe": "default"}
    return {
        **place, "metric": "accuracy", "unit": "fraction", "value": 0.949, "runs": 1, "source": "He 2016, Table 6",
        "n": 5, "mean": 0.98, "std": 0.002, "mean_lo": 0.9775, "mean_hi": 0.9825, "expect_lo": 0.9739,
        "expect_hi": 0.9861, "verdict": "below", "reason": None,
    } | values  # fmt: skip


# --- the columns ---


def test_the_study_chooses_columns_and_their_order(tmp_path: Path) -> None:
    def second(record: dict[str, Any]) -> None:
        record["rows"] += [row | {"metric": "macro_f1"} for row in record["rows"]]

    table = paper(results_of(tmp_path, body=second), "rank", "macro_f1", "score", "size_mb", "throughput", "verdict")
    assert [head.text for head in table.heads] == [
        "Model", "Rank", "Macro F1 (%)", "Accuracy (%)", "Size (MB)", "Throughput (images/s)", "Verdict",
    ]  # fmt: skip
    row = row_of(table, "ResNet-18")
    assert row["Rank"] == "1 [1–2]"
    assert (row["Size (MB)"], row["Throughput (images/s)"]) == ("44.7", "624 (608 to 640)")
    assert any(note.startswith("Throughput: images a second at each model's best batch (64)") for note in table.notes)
    assert not any("MACs:" in note or "Latency:" in note or note.startswith("p:") for note in table.notes)


def test_any_metric_may_be_a_column(tmp_path: Path) -> None:
    def second(record: dict[str, Any]) -> None:
        more = {"metric": "log_loss", "unit": "nats", "direction": "min", "mean": 0.1234, "std": 0.021}
        record["rows"] += [row | more for row in record["rows"]]

    table = paper(results_of(tmp_path, body=second), "score", "log_loss")
    assert row_of(table, "ResNet-18")["Log loss (nats)"] == "0.123 ± 0.021"


def test_costs_have_a_column_for_each_condition(tmp_path: Path) -> None:
    table = paper(results_of(tmp_path, conditions=(CPU, GPU)), "latency_ms_p99", "peak_memory_mb", "params")
    assert [head.text for head in table.heads][1:] == [
        f"Latency p99 (ms, {CPU})", f"Latency p99 (ms, {GPU})", f"Memory (MB, {CPU})", f"Memory (MB, {GPU})",
        "Params (M)",
    ]  # fmt: skip


def test_numbers_made_elsewhere_have_no_columns_of_cost(tmp_path: Path) -> None:
    def outside(record: dict[str, Any]) -> None:
        record.update(costs=[], hardware={})
        for row in record["rows"]:
            row.update(dict.fromkeys(("params", "macs", "latency_ms_p50", "size_mb", "train_seconds")))

    table = paper(results_of(tmp_path, body=outside))
    assert [head.name for head in table.heads] == ["Model", "Accuracy", "n", "Difference", "p", "Rank"]
    assert not any("Latency" in note for note in table.notes)


def test_costs_without_a_condition_still_print(tmp_path: Path) -> None:
    table = paper(results_of(tmp_path, body=lambda record: record.update(costs=[])), "macs", "latency_ms_p50")
    assert row_of(table, "ResNet-18") == {"Model": "ResNet-18", "MACs (M)": "555.4", "Latency p50 (ms)": "6.41"}


def test_a_rank_has_its_interval_everywhere(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    for table in (paper(results), *tables.statistics(results, Names({}))):
        ranks = [row["Rank"] for row in (row_of(table, each[0].text) for each in table.groups[0].rows)]
        assert all(re.fullmatch(r"\d+ \[\d+(–\d+)?\]", rank) for rank in ranks)


def test_an_unknown_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'flops' is no column; there are params"):
        paper(results_of(tmp_path), "flops")


def test_every_column_can_be_made_and_is_explained(tmp_path: Path) -> None:
    values = {
        "images_diff": 0.01, "images_lo": 0.001, "images_hi": 0.019, "bca_lo": 0.001, "bca_hi": 0.02, "wins": 4,
        "ties": 0, "losses": 1, "p_outperform": 0.8, "p_outperform_lo": 0.3, "p_outperform_hi": 1.0, "d_av": -1.234,
        "p_wilcoxon": 0.06, "p_welch": 0.02, "p_nb": 0.03, "images_p": 0.0001, "rel_err_reduction": -0.123,
        "seed_correlation": 0.5, "seeds_for_rope": 12, "seeds_for_observed": 4, "images_for_rope": 9000, "p_best": 0.7,
        "dominated_by": {"lenet5": 0.93}, "trainable_params": 61_706, "activations": 9000, "train_memory_mb": 9.0,
        "joules_per_image": 0.01, "gate": "pass",
    }  # fmt: skip

    def full(record: dict[str, Any]) -> None:
        record["references"] = [published()]
        for row in record["rows"]:
            row.update(values)
        for cost in record["costs"]:
            cost.update(joules_per_image=0.01)

    results = results_of(tmp_path, body=full)
    table = paper(results, *columns.KINDS)
    assert len(table.heads) == 1 + len(columns.KINDS)
    row = row_of(table, "tiny_vit")
    assert (row["Won/tied/lost"], row["P(better)"]) == ("4/0/1", "0.80 (0.30 to 1.00)")
    assert (row["Errors gone (%)"], row["d_av"], row["Dominated by"]) == ("−12.3", "−1.23", "lenet5 0.93")
    assert (row["p these models"], row["These models (points, 95%)"]) == ("< 0.001", "+1.00 (+0.10 to +1.90)")
    assert all(kind.about for kind in columns.KINDS.values())
    assert not columns.KINDS.keys() & METRICS.keys()
    documented = Path(__file__).parents[2].joinpath("docs/tables.md").read_text(encoding="utf-8")
    assert not [name for name in columns.KINDS if f"`{name}`" not in documented]


# --- marks ---


def test_marks_are_those_of_the_row_and_only_these_are_explained(tmp_path: Path) -> None:
    def marked(record: dict[str, Any]) -> None:
        by_name = {row["candidate"]: row for row in record["rows"]}
        by_name["resnet18"].update(stars="★★", dagger="†‡", p_adj=0.004, crossed_p_adj=0.01)
        by_name["tiny_cnn"].update(stars="", dagger="‡", p_adj=0.3)
        by_name["tiny_vit"].update(stars="▼▼", dagger="", p_adj=0.002, crossed_p_adj=0.3, p_method="nadeau_bengio")

    table = paper(results_of(tmp_path, body=marked))
    assert row_of(table, "ResNet-18")["p (adjusted)"] == "0.004 ★★†‡◆"
    assert row_of(table, "tiny_cnn")["p (adjusted)"] == "0.300 ‡"
    assert row_of(table, "tiny_vit")["p (adjusted)"] == "0.002 ▼▼ (resampled)"
    begins = [note.split()[0] for note in table.notes]
    assert [mark for mark in ("★", "★★", "▼", "▼▼", "†", "‡", "◆", "§", "¶") if mark in begins] == [
        "★★", "▼▼", "†", "‡", "◆",
    ]  # fmt: skip
    assert any(note.startswith("p: corrected resampled t test (Nadeau and Bengio 2003)") for note in table.notes)


def test_one_seed_shows_what_the_images_tell(tmp_path: Path) -> None:
    def single(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row.update(images_diff=0.02, images_lo=0.01, images_hi=0.03, images_p=0.0004)

    table = paper(results_of(tmp_path, seeds=(0,), body=single))
    row = row_of(table, "ResNet-18")
    assert row["p (adjusted)"] == "– (one seed)"
    assert row["These models (points, 95%)"] == "+2.0 (+1.0 to +3.0)"
    assert "for new images of this kind, but not for new seeds" in " ".join(table.notes)
    assert not [head for head in paper(results_of(tmp_path / "five")).heads if "models" in head.name]


def test_one_run_that_stands_for_all_seeds_is_not_one_of_several(tmp_path: Path) -> None:
    def steady(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row.update(status="one_seed", n_ok=1, seeds_dropped=[])

    def lost(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row.update(status="one_seed", n_ok=1, seeds_dropped=[1, 2])

    assert row_of(paper(results_of(tmp_path / "steady", body=steady)), "ResNet-18")["n"] == "1"
    assert " of " in row_of(paper(results_of(tmp_path / "lost", body=lost)), "ResNet-18")["n"]


def test_the_footnote_names_precision_and_hardware(tmp_path: Path) -> None:
    def precise(record: dict[str, Any]) -> None:
        record["hardware"]["precision"] = ["bf16", "fp32"]

    notes = paper(results_of(tmp_path, body=precise)).notes
    assert "Trained on: AMD EPYC 7B13, 1 thread; precision bf16, fp32." in notes


# --- the study file ---


def problems(folder: Path, **changes: Any) -> str:
    path = folder / "study.yaml"
    study = {"study": "x", "datasets": ["digits"], "models": ["lenet5", "tiny_cnn"], **changes}
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_study(path)
    return str(error.value)


def test_a_wrong_column_has_its_place_and_what_is_near(tmp_path: Path) -> None:
    text = problems(tmp_path, report={"columns": ["parms", "rank", "rank"]})
    assert "report.columns[0]: 'parms' is no column and no metric evaluated; did you mean params" in text
    assert "report.columns[2]: 'rank' stands twice; keep one" in text


def test_a_metric_that_is_not_evaluated_is_no_column(tmp_path: Path) -> None:
    changes = {"evaluate": {"metrics": ["accuracy"]}, "report": {"columns": ["accuracy", "ece"]}}
    assert "report.columns[1]: 'ece' is no column and no metric evaluated" in problems(tmp_path, **changes)


def test_wrong_references_have_their_place(tmp_path: Path) -> None:
    good = {"dataset": "digits", "model": "lenet5", "value": 0.95, "source": "LeCun 1998"}
    wrong: list[dict[str, Any]] = [{"value": 94.9}, {"model": "lenet"}, {"metric": "acuracy"}, {"recipe": "long"}]
    text = problems(tmp_path, reference=[good, *(good | each for each in wrong)])
    assert "reference[1].value: 94.9 is out of the range of accuracy; 94.9 % is written 0.949" in text
    assert "reference[2].model: 'lenet' is no model of this study; did you mean lenet5?" in text
    assert "reference[3].metric: 'acuracy' is no metric of this study; did you mean accuracy" in text
    assert "reference[4].recipe: 'long' is no recipe of this study; did you mean default?" in text or "default" in text
    assert "reference[0]" not in text
    left_out = {"exclude": [{"model": "lenet5", "dataset": "digits"}], "comparisons": [{"baseline": "tiny_cnn"}]}
    assert "reference[0]: stands for no run of this study" in problems(tmp_path, reference=[good], **left_out)
    assert "reference[0].source: 'two\\nlines' must be one line" in problems(
        tmp_path, reference=[good | {"source": "two\nlines"}]
    )


# --- published values ---


def test_a_published_value_is_one_more_run_not_our_mean() -> None:
    scores = np.array([0.95, 0.96, 0.97])
    lo, hi = expected_interval(scores) or (0.0, 0.0)
    half = 4.302652729911275 * 0.01 * np.sqrt(1 / 3 + 1)
    assert (lo, hi) == pytest.approx((0.96 - half, 0.96 + half), abs=1e-9)
    narrow = expected_interval(scores, runs=10) or (0.0, 0.0)
    assert narrow == pytest.approx((0.96 - half * np.sqrt(13 / 40), 0.96 + half * np.sqrt(13 / 40)), abs=1e-9)
    assert [verdict(value, (lo, hi)) for value in (lo, hi, lo - 1e-9, hi + 1e-9)] == [
        "within", "within", "below", "above",
    ]  # fmt: skip
    line = sm.OLS(scores, np.ones(3)).fit().get_prediction(np.ones(1)).conf_int(obs=True)
    assert (lo, hi) == pytest.approx(tuple(line[0]), abs=1e-12)
    assert expected_interval(scores[:1]) is None
    assert expected_interval(np.array([0.9, 0.9 + 1e-9])) is None


@pytest.mark.parametrize(("n", "runs"), [(3, 1), (5, 1), (5, 10)])
def test_what_the_same_runs_would_publish_is_within_in_95_of_100_cases(n: int, runs: int) -> None:
    rng = np.random.default_rng(0)
    said = [
        verdict(rng.normal(0.95, 0.01, runs).mean(), expected_interval(ours, runs) or (1.0, 0.0))
        for ours in rng.normal(0.95, 0.01, (2000, n))
    ]
    assert 0.935 < said.count("within") / 2000 < 0.965


def test_compare_puts_published_values_beside_every_cell_they_stand_for(tmp_path: Path) -> None:
    scores = {"lenet5": {0: 0.80, 1: 0.79, 2: 0.81}, "resnet18": {0: 0.93}}
    tree = Tree(tmp_path, scores, augmentations=("none", "flip"))
    at = {"dataset": "digits", "source": "A 2020"}
    wanted = [
        {**at, "model": "lenet5", "value": 0.85},
        {**at, "model": "lenet5", "augmentation": "flip", "value": 0.802, "runs": 5},
        {**at, "model": "lenet5", "augmentation": "flip", "value": 0.3, "metric": "log_loss"},
        {**at, "model": "resnet18", "augmentation": "none", "value": 0.9},
    ]
    found = tree.run(references=wanted)["references"]
    places = [(each["model"], each["augmentation"], each["metric"], each["verdict"]) for each in found]
    assert places == [
        ("lenet5", "flip", "accuracy", "above"),
        ("lenet5", "none", "accuracy", "above"),
        ("lenet5", "flip", "accuracy", "within"),
        ("lenet5", "flip", "log_loss", "above"),
        ("resnet18", "none", "accuracy", None),
    ]
    first, one = found[0], found[-1]
    assert (first["n"], first["mean"], first["unit"]) == (3, pytest.approx(0.80), "fraction")
    assert first["expect_lo"] < first["mean_lo"] < 0.80 < first["mean_hi"] < first["expect_hi"] < 0.85
    assert (one["n"], one["expect_lo"], one["reason"]) == (1, None, "1 run of ours")


def test_the_table_shows_what_was_published_and_where_it_lies(tmp_path: Path) -> None:
    def known(record: dict[str, Any]) -> None:
        single = {"verdict": None, "expect_lo": None, "expect_hi": None, "reason": "1 run of ours", "source": "B 2020"}
        record["references"] = [published(), published("tiny_vit", **single), published(metric="macro_f1")]

    results = results_of(tmp_path, body=known)
    table = paper(results)
    assert row_of(table, "ResNet-18")["Published (%)"] == "94.9 below [97.39–98.61] (1)"
    assert row_of(table, "tiny_vit")["Published (%)"] == "94.9 (2)"
    assert row_of(table, "lenet5")["Published (%)"] == "–"
    assert "(1) published in He 2016, Table 6 (one run)" in table.notes
    assert "(2) published in B 2020 (one run); no verdict: 1 run of ours" in table.notes
    assert any(note.startswith("Published: within, above or below what new runs of ours") for note in table.notes)
    every = tables.references(results, Names({}))
    assert every is not None
    assert [row[-1].text for row in every.groups[0].rows] == ["below", "– (1 run of ours)", "below"]
    assert [row[1].text for row in every.groups[0].rows] == ["Accuracy (%)", "Accuracy (%)", "Macro F1 (%)"]


# --- formats ---


@pytest.fixture
def small() -> Table:
    items = [("lenet5", "1 [1–2]", True), (HOSTILE, "+1.25 (+0.40 to +2.09)", False)]
    shown: list[Column[tuple[str, str, bool]]] = [
        Column("Model", lambda item: item[0], lambda item: item[2], left=True),
        Column("Value", lambda item: item[1], unit="%"),
    ]
    return build("model-digits", f"Of {HOSTILE}", shown, [("Augmentation none", items)], (f"Note {HOSTILE}",))


def test_csv_has_the_texts_and_no_formula(small: Table) -> None:
    rows = list(csv.reader(io.StringIO(tabular.to_csv(small))))
    assert rows == [
        ["Group", "Model", "Value (%)"],
        ["Augmentation none", "lenet5", "1 [1–2]"],
        ["Augmentation none", f"'{HOSTILE}", "+1.25 (+0.40 to +2.09)"],
    ]


def test_json_has_all_of_the_table(small: Table) -> None:
    body = json.loads(tabular.to_json(small))
    assert body["columns"] == [{"name": "Model", "unit": ""}, {"name": "Value", "unit": "%"}]
    assert body["groups"][0]["rows"][1] == [HOSTILE, "+1.25 (+0.40 to +2.09)"]
    assert body["groups"][0]["bold"] == [[True, False], [False, False]]
    assert body["notes"] == [f"Note {HOSTILE}"]


def test_html_shows_names_as_text(small: Table) -> None:
    class Page(HTMLParser):
        tags: set[str]
        text = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags = {*getattr(self, "tags", set()), tag}
            assert not [name for name, _ in attrs if name.startswith("on")]

        def handle_data(self, data: str) -> None:
            self.text += data

    page = Page()
    page.feed(tabular.to_html(small))
    assert page.text.count(HOSTILE) == 4  # title twice, row, note
    assert not page.tags & {"img", "script", "a", "link"}


def test_latex_puts_numbers_below_each_other(small: Table) -> None:
    texts = ["97.55 ± 0.45", "8.3 ± 12.0", "–", "−11.5 (−15.4 to −7.7)", "< 0.001 ▼▼†◆"]
    shown = [Column[str]("Value", lambda item: item, unit="%"), Column[str]("Word", lambda _: "a_b", left=True)]
    document = latex.to_latex(build("x", "X", shown, [("", texts)]), "demo")
    assert r"{@{}S[table-format=<+2.3]@{\ }l l@{}}" in document
    assert r"97.55 & $\pm$ 0.45 & a\_b \\" in document
    assert r"\multicolumn{2}{c}{--} & a\_b" in document
    assert r"-11.5 & ($-$15.4 to $-$7.7)" in document
    assert r"< 0.001 & $\blacktriangledown$$\blacktriangledown$$\dagger$$\blacklozenge$" in document
    assert r"\multicolumn{2}{c}{Value} & Word \\" in document
    assert r"\bfseries lenet5 & 1 & {[}1--2{]}" in latex.to_latex(small, "demo")


def test_each_table_is_a_file_in_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step.figures, "write", lambda *_: None)
    monkeypatch.setattr(step.html, "render", lambda *_: "")
    folder = report_fixture.write_study(tmp_path, datasets=("digits", "fashion.v2"), augmentations=("none",))
    stale = folder / "tables" / "old" / "digits.csv"
    stale.parent.mkdir(parents=True)
    stale.write_text("of a question that is no longer asked")
    step.run({"study": "demo", "columns": ["score", "rank"]}, "0" * 16, tmp_path)
    names = {path.relative_to(folder / "tables").as_posix() for path in (folder / "tables").rglob("*.*")}
    formats = ("md", "csv", "json", "html", "tex")
    assert names == {f"model/{data}.{end}" for data in ("digits", "fashion.v2") for end in formats} | {"preview.tex"}
    assert (folder / "tables/model/digits.csv").read_text().startswith("Group,Model,Accuracy (%),Rank\n")
    preview = (folder / "tables/preview.tex").read_text()
    assert [line for line in preview.splitlines() if "input" in line] == [
        r"\input{model/digits.tex}", r"\input{model/fashion.v2.tex}",
    ]  # fmt: skip
