"""What a reader learns of costs: the condition, a mark where a number is in doubt, the reason where there is none."""

from __future__ import annotations

import csv
import html as entities
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import report_fixture
from compare_tree import CPU, GPU, NO_GPU, Tree
from report_fixture import write_study

from bakeoff.errors import Refused
from bakeoff.report import costs, html, pareto, step, tables, tabular
from bakeoff.report.drawing import Look
from bakeoff.report.latex import to_latex
from bakeoff.report.load import Results, load
from bakeoff.report.text import Names

BUSY, RESTLESS = "other processes used 1.0 of 2 cores", "warm-up did not settle"
NOTE = "fvcore counts 20 % less, for it does not know aten::foo"
LABELS = Names({"resnet18": "ResNet-18", "lenet5": "LeNet-5"})
Change = Callable[[dict[str, Any]], None]


def change(model: str, asked: str = CPU, **values: Any) -> Change:
    """Edit a record as the compare step would have it when this profile had these values."""
    of_row = {"marks": "latency_marks", "failure": "cost_failure", "reason": "cost_reason"}

    def edit(record: dict[str, Any]) -> None:
        for cost in record["costs"]:
            if (cost["model"], cost["asked"]) == (model, asked):
                cost.update(values)
        first = record["costs"][0]["asked"] == asked
        for item in (*record["cells"], *record["rows"]):
            if item["model"] == model and first:
                item.update({of_row.get(name, name): value for name, value in values.items()})
        for entry in record["frontiers"] if first else ():  # what costs nothing that is known has no place there
            known = values.get(entry["cost"], 0) is not None
            entry["points"] = [point for point in entry["points"] if known or point["candidate"] != model]

    return edit


def results_of(folder: Path, *changes: Change, **settings: Any) -> Results:
    def body(record: dict[str, Any]) -> None:
        for edit in changes:
            edit(record)

    return load(write_study(folder, augmentations=("none",), body=body, **settings))


def paper(results: Results) -> tabular.Table:
    (table,) = tables.paper(results, LABELS)
    return table


def row_of(table: tabular.Table, name: str) -> dict[str, str]:
    """A row of a table by the heads of its columns."""
    rows = [row for group in table.groups for row in group.rows if row[0].text == name]
    return {head.text: entry.text for head, entry in zip(table.heads, rows[0], strict=True)}


# --- the paper's table ---


def test_one_condition_is_named_below_and_not_above(tmp_path: Path) -> None:
    table = paper(results_of(tmp_path))
    assert [head.text for head in table.heads][1:4] == ["Params (M)", "MACs (M)", "Latency p50 (ms)"]
    assert any("one request of one image (CPU, 1 thread), on the machine" in note for note in table.notes)
    assert not any(mark in note for note in table.notes for mark in "§¶")


def test_each_condition_has_a_column_of_latency(tmp_path: Path) -> None:
    table = paper(results_of(tmp_path, conditions=(CPU, GPU)))
    row = row_of(table, "ResNet-18")
    assert (row["Latency p50 (ms, CPU, 1 thread)"], row["Latency p50 (ms, GPU)"]) == ("6.41", "0.801")
    assert any("one request of one image, on the machine" in note for note in table.notes)
    assert r"{(ms, CPU, 1 thread)} & {(ms, GPU)}" in to_latex(table, "demo")


def test_a_condition_is_called_what_it_was_on_the_machine(tmp_path: Path) -> None:
    def resolved(record: dict[str, Any]) -> None:
        for cost in record["costs"]:
            cost["condition"] = GPU if cost["asked"].startswith("auto") else cost["asked"]
        record["costs"][0].update(condition="auto, 1 thread", failure="missing", reason="not measured yet")

    results = results_of(tmp_path, resolved, conditions=("auto, 1 thread", CPU))
    assert list(costs.conditions(results).values()) == [GPU, CPU]


def test_conditions_that_were_the_same_or_not_one_keep_the_studys_names(tmp_path: Path) -> None:
    def same(record: dict[str, Any]) -> None:
        for cost in record["costs"]:
            cost["condition"] = CPU

    def mixed(record: dict[str, Any]) -> None:
        for i, cost in enumerate(record["costs"]):
            cost["condition"] = (CPU, GPU)[i % 2]

    results = results_of(tmp_path / "same", same, conditions=("auto, 1 thread", CPU))
    assert list(costs.conditions(results).values()) == ["auto, 1 thread", CPU]
    results = results_of(tmp_path / "mixed", mixed, conditions=("auto, 1 thread",))
    assert list(costs.conditions(results).values()) == ["auto, 1 thread"]


def test_a_failure_stands_in_the_cell_and_its_reason_below(tmp_path: Path) -> None:
    none = {"failure": "no GPU", "reason": "torch sees no GPU here", "latency_ms_p50": None, "throughput": None}
    failed = [change(model, GPU, **none) for model in ("resnet18", "lenet5")]
    table = paper(results_of(tmp_path, *failed, conditions=(GPU, CPU)))
    row = row_of(table, "ResNet-18")
    assert (row["Params (M)"], row["Latency p50 (ms, GPU)"]) == ("11.17", "– (no GPU)")
    assert row["Latency p50 (ms, CPU, 1 thread)"] == "6.41"
    (reason,) = [note for note in table.notes if note.startswith("–")]
    assert reason in (
        "– (no GPU) for LeNet-5, ResNet-18 under GPU: torch sees no GPU here.",
        "– (no GPU) for ResNet-18, LeNet-5 under GPU: torch sees no GPU here.",
    )


def test_a_model_that_could_not_be_built_has_the_words_in_all_its_cells(tmp_path: Path) -> None:
    gone = dict.fromkeys(("params", "macs", "latency_ms_p50"))
    table = paper(results_of(tmp_path, change("resnet18", failure="not built", reason="needs 32 pixels.", **gone)))
    assert list(row_of(table, "ResNet-18").values())[1:4] == ["– (not built)"] * 3
    assert "– (not built) for ResNet-18: needs 32 pixels." in table.notes


def test_a_control_method_has_a_plain_dash_and_a_reason(tmp_path: Path) -> None:
    gone = dict.fromkeys(("params", "macs", "latency_ms_p50"))
    table = paper(results_of(tmp_path, change("lenet5", reason="depends on the images", **gone)))
    assert list(row_of(table, "LeNet-5").values())[1:4] == ["–"] * 3
    assert "– for LeNet-5: depends on the images." in table.notes


def test_a_marked_latency_says_what_disturbed_it(tmp_path: Path) -> None:
    marks = {"resnet18": [BUSY, RESTLESS], "tiny_vit": [BUSY], "lenet5": [BUSY]}
    table = paper(results_of(tmp_path, *(change(model, marks=said) for model, said in marks.items())))
    assert row_of(table, "ResNet-18")["Latency p50 (ms)"] == "6.41 §"
    assert row_of(table, "tiny_cnn")["Latency p50 (ms)"] == "0.340"
    assert [note for note in table.notes if note.startswith("§")] == [
        f"§ measured under disturbance, LeNet-5, tiny_vit: {BUSY}.",
        f"§ measured under disturbance, ResNet-18: {BUSY}; {RESTLESS}.",
    ]


def test_only_the_condition_that_was_disturbed_has_the_mark(tmp_path: Path) -> None:
    table = paper(results_of(tmp_path, change("resnet18", GPU, marks=[BUSY]), conditions=(CPU, GPU)))
    row = row_of(table, "ResNet-18")
    assert (row["Latency p50 (ms, CPU, 1 thread)"], row["Latency p50 (ms, GPU)"]) == ("6.41", "0.801 §")
    assert f"§ measured under disturbance, ResNet-18 under GPU: {BUSY}." in table.notes


def test_marks_without_a_time_are_no_marks(tmp_path: Path) -> None:
    failed = change("resnet18", marks=[BUSY], latency_ms_p50=None, failure="no memory", reason="out of memory")
    table = paper(results_of(tmp_path, failed))
    assert row_of(table, "ResNet-18")["Latency p50 (ms)"] == "– (no memory)"
    assert not [note for note in table.notes if note.startswith("§")]


def test_counters_that_differ_mark_the_macs(tmp_path: Path) -> None:
    table = paper(results_of(tmp_path, change("tiny_vit", macs_note=NOTE)))
    assert row_of(table, "tiny_vit")["MACs (M)"] == "6.871 ¶"
    assert f"¶ the two counters of MACs differ, tiny_vit: {NOTE}." in table.notes


# --- the table of costs ---


def test_the_table_of_costs_has_all_of_it(tmp_path: Path) -> None:
    table = costs.table(results_of(tmp_path, conditions=(CPU, GPU)), LABELS)
    row = row_of(table, "ResNet-18")
    assert row == {
        "Model": "ResNet-18",
        "Condition": "CPU, 1 thread",
        "Latency p50 (ms)": "6.41",
        "p95 (ms)": "7.69",
        "p99 (ms)": "9.62",
        "Throughput (images/s)": "624 (608 to 640)",
        "Best batch": "64",
        "Memory (MB, one image)": "101",
        "Memory (MB, best batch)": "149",
        "Memory (MB, training step)": "425 (batch 128)",
        "Energy (J/image)": "–",
        "Size (MB)": "44.7",
        "Params (M)": "11.17",
        "MACs (M)": "555.4",
        "Activations (M)": "13.89",
    }
    places = [[entry.text for entry in row[:2]] for row in table.groups[0].rows]
    assert places[:2] == [["LeNet-5", CPU], ["LeNet-5", GPU]]
    assert "No energy for LeNet-5, tiny_cnn, tiny_vit, ResNet-18: no energy counter can be read here." in table.notes


def test_a_throughput_without_interval_and_an_energy(tmp_path: Path) -> None:
    values = {"throughput_lo": None, "throughput_hi": None, "joules_per_image": 0.00312, "train_memory_mb": None}
    values |= {"memory_reason": "training step: measured with eager", "marks": [BUSY], "macs_note": NOTE}
    table = costs.table(results_of(tmp_path, change("resnet18", **values)), LABELS)
    row = row_of(table, "ResNet-18")
    assert (row["Throughput (images/s)"], row["Energy (J/image)"]) == ("624 §", "0.00312")
    assert (row["Latency p50 (ms)"], row["p99 (ms)"], row["MACs (M)"]) == ("6.41 §", "9.62 §", "555.4 ¶")
    assert row["Memory (MB, training step)"] == "–"
    assert "No memory for ResNet-18: training step: measured with eager." in table.notes


def test_two_datasets_are_told_apart(tmp_path: Path) -> None:
    results = results_of(tmp_path, datasets=("digits", "fashion"))
    table = costs.table(results, LABELS)
    assert [group.title for group in table.groups] == ["digits", "fashion"]
    assert any("No energy for LeNet-5 on digits, tiny_cnn on digits" in note for note in table.notes)


# --- the figure ---


def legend_of(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def rings_of(figure: Any) -> list[float]:
    lines = [line for ax in figure.axes for line in ax.lines if line.get_markersize() == 10]
    return [float(line.get_xdata()[0]) for line in lines]


def test_a_disturbed_point_has_a_ring(tmp_path: Path) -> None:
    results = results_of(tmp_path, change("resnet18", marks=[BUSY]))
    figure = pareto.pareto(results, LABELS, Look.of(results), pareto.LATENCY)
    assert rings_of(figure) == [6.41]
    assert "§ under disturbance" in legend_of(figure)
    assert figure.axes[0].get_xlabel() == "Latency p50 (ms), CPU, 1 thread"
    other = pareto.pareto(results, LABELS, Look.of(results), pareto.MACS)
    assert (rings_of(other), [text for text in legend_of(other) if text[0] in "§¶"]) == ([], [])
    assert other.axes[0].get_xlabel() == "Multiply-accumulates"


def test_macs_that_are_in_doubt_have_a_ring(tmp_path: Path) -> None:
    results = results_of(tmp_path, change("tiny_vit", macs_note=NOTE))
    figure = pareto.pareto(results, LABELS, Look.of(results), pareto.MACS)
    assert rings_of(figure) == [report_fixture.MODELS["tiny_vit"][1]]
    assert "¶ counters differ" in legend_of(figure)


def test_without_a_mark_the_figure_does_not_speak_of_it(tmp_path: Path) -> None:
    nothing = change("resnet18", marks=[BUSY], latency_ms_p50=None, failure="no GPU", reason="none")
    results = results_of(tmp_path, nothing)
    figure = pareto.pareto(results, LABELS, Look.of(results), pareto.LATENCY)
    assert (rings_of(figure), [text for text in legend_of(figure) if text[0] in "§¶"]) == ([], [])


def test_the_figure_is_of_the_first_condition(tmp_path: Path) -> None:
    marked = change("resnet18", CPU, marks=[BUSY])
    results = results_of(tmp_path, marked, conditions=(GPU, CPU))
    figure = pareto.pareto(results, LABELS, Look.of(results), pareto.LATENCY)
    assert figure.axes[0].get_xlabel() == "Latency p50 (ms), GPU"
    assert costs.remarks_of("pareto_latency", results, LABELS) == []


# --- from a record to what is read ---


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose first condition has no GPU, and whose ResNet was disturbed under the second."""
    results = tmp_path_factory.mktemp("reported")
    models = {model: {seed: 0.8 + seed / 100 for seed in range(3)} for model in ("lenet5", "resnet18")}
    profiles: dict[tuple[str, str], dict[str, Any]] = {(model, GPU): NO_GPU for model in models}
    profiles["resnet18", CPU] = {"marks": [BUSY], "macs_note": NOTE}
    Tree(results, models, conditions=(CPU, GPU), profiles=profiles).run()
    step.run({"study": "tiny", "labels": {"resnet18": "ResNet-18"}, "prints": []}, "0" * 16, results)
    return results / "tiny"


def test_the_mark_and_the_reason_reach_every_file(reported: Path) -> None:
    with (reported / "comparison.csv").open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["candidate"] == "resnet18")
    assert (row["latency_marks"], row["macs_note"], row["latency_ms_p50"]) == (BUSY, NOTE, "10.0")
    with (reported / "costs.csv").open(newline="", encoding="utf-8") as file:
        found = [(row["condition"], row["marks"], row["failure"]) for row in csv.DictReader(file)]
    assert found == [(CPU, "", ""), (GPU, "", "no GPU"), (CPU, BUSY, ""), (GPU, "", "no GPU")]

    footnotes = (
        f"§ measured under disturbance, ResNet-18 under CPU, 1 thread: {BUSY}.",
        f"– (no GPU) for lenet5, ResNet-18 under GPU: {NO_GPU['reason']}.",
    )
    markdown = (reported / "comparison.md").read_text(encoding="utf-8")
    latex = (reported / "comparison.tex").read_text(encoding="utf-8")
    page = entities.unescape((reported / "report.html").read_text(encoding="utf-8"))
    assert "| 10.0 § | – (no GPU) |" in markdown
    assert r"10.0 & \S{} & -- (no GPU)" in latex
    assert re.search(r"<td class=\"\">10\.0 §</td>\s*<td class=\"\">– \(no GPU\)</td>", page)
    for note in footnotes:
        assert f"- {note}" in markdown
        assert f"<li>{note}</li>" in page
    assert rf"\S{{}} measured under disturbance, ResNet-18 under CPU, 1 thread: {BUSY}." in latex
    assert f"¶ the two counters of MACs differ, ResNet-18: {NOTE}." in markdown
    assert r"10.00 & \P{}" in latex


def test_the_page_explains_the_marks(reported: Path) -> None:
    page = entities.unescape((reported / "report.html").read_text(encoding="utf-8"))
    (caption,) = re.findall(r"<figcaption>(Median time.*?)</figcaption>", page)
    assert caption.endswith(f"§ measured under disturbance, ResNet-18 under CPU, 1 thread: {BUSY}.")
    assert "<dt>§</dt><dd>measured under disturbance" in page
    for warning in (
        "no cost of lenet5, resnet18 (GPU): no GPU",
        "1 of 2 latencies were measured under disturbance: see marks in costs.csv",
        "the two counters of MACs differ on resnet18: see macs_note in costs.csv",
    ):
        assert warning in page


def test_what_others_wrote_in_marks_and_reasons_is_text(tmp_path: Path) -> None:
    evil = '<script>alert("1")</script> | $x_1$ \\input{y}'
    results = results_of(
        tmp_path,
        change("resnet18", marks=[evil], macs_note=evil),
        change("lenet5", failure=evil, reason=evil, latency_ms_p50=None, condition=evil, energy_reason=evil),
    )
    table = paper(results)
    markdown, latex = tabular.to_markdown(table), to_latex(table, "demo")
    assert "<script" not in markdown
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if line.startswith("|")}) == 1
    assert r"\input{" not in latex
    (tmp_path / "figures").mkdir()
    for name in html.figures.NAMES:
        (tmp_path / "figures" / f"{name}.svg").write_text("<svg/>")
    assert "<script>alert" not in html.render(results, LABELS, "demo", tmp_path / "figures", "0" * 16)


def test_a_comparison_without_costs_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="has no 'costs'"):
        results_of(tmp_path, lambda record: record.pop("costs"))
