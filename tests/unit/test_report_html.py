"""What stands in report.html besides the tables: the answer, the pages of models, the ledger, commands, pictures."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
import report_fixture

from bakeoff.report import embedded, interactive, lead, ledger, pages, words
from bakeoff.report.load import Results, load
from bakeoff.report.text import Names

LABELS = Names({"lenet5": "LeNet-5"})
LOST = {("tiny_vit", "none"): (1, 1)}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("page")
    return load(report_fixture.write_study(folder, datasets=("digits", "fashion"), lost=LOST))


def study(folder: Path, **settings: Any) -> Results:
    return load(report_fixture.write_study(folder, **settings))


# --- the answer ---------------------------------------------------------------------------------------------------


def test_the_lead_is_one_paragraph_that_hedges(results: Results) -> None:
    (text,) = lead.paragraphs(results, LABELS)
    best = next(row for row in results.primary if (row.candidate, row.augmentation) == ("resnet18", "crop-flip"))
    unit = words.Unit.of("fraction")
    assert text.startswith(f"resnet18 has the highest mean accuracy: {unit.spread(best.mean, best.std)}% on digits (")
    tested = [row for row in results.primary if not row.is_baseline]
    counts = {kind: sum(row.verdict == kind for row in tested) for kind in ("better", "inconclusive")}
    assert (
        f"Of 12 comparisons with LeNet-5, {counts['better']} come out better and {counts['inconclusive']} "
        "cannot be told apart." in text
    )
    assert "for new images too" in text


def test_the_lead_of_a_comparison_of_augmentations_says_so(tmp_path: Path) -> None:
    def refactor(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row.update(factor="augmentation", context={"model": row["model"], "recipe": "default"}, baseline="none")
            row.update(candidate=row["augmentation"], verdict="inconclusive", stars="")
        record["rows"][1].update(verdict="worse", stars="▼", crossed_p_adj=0.3)

    (text,) = lead.paragraphs(study(tmp_path, body=refactor), LABELS)
    assert text.startswith("Augmentation crop-flip has the highest mean accuracy: ")
    assert ", model resnet18)" in text
    assert "with augmentation none, 1 comes out worse and 3 cannot be told apart." in text
    assert text.endswith("The significant difference may not hold for new images.")


def test_the_lead_names_who_is_not_separable(tmp_path: Path) -> None:
    def tie(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row["tied_with_best"] = row["candidate"] in ("resnet18", "tiny_cnn")

    (text,) = lead.paragraphs(study(tmp_path, body=tie), LABELS)
    assert ", not separable from tiny_cnn." in text


def test_the_lead_says_where_else_the_best_mean_stands(tmp_path: Path) -> None:
    def tie(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row["mean"] = 1.0 if row["candidate"] == "lenet5" else row["mean"]

    (text,) = lead.paragraphs(study(tmp_path, body=tie), LABELS)
    assert text.startswith("LeNet-5 has the highest mean accuracy: 100.0")
    assert ", with the same mean in 1 other group." in text


def test_the_lead_of_a_study_without_a_finished_run(tmp_path: Path) -> None:
    nothing = {("lenet5", "none"): (3, 2)}
    found = study(tmp_path, models=("lenet5",), augmentations=("none",), lost=nothing)
    assert lead.paragraphs(found, LABELS) == ["No run finished, so there is no answer."]


# --- the ledger ---------------------------------------------------------------------------------------------------


def test_what_differs_comes_first_with_who_has_what(results: Results) -> None:
    (table,) = ledger.equality(results, LABELS)
    rows = [[entry.text for entry in row] for row in table.groups[0].rows]
    assert rows[0] == ["Learning rate", "differs", "0.1: LeNet-5, tiny_cnn, resnet18; 0.001: tiny_vit"]
    assert ["Images seen, a run", "equal", "12,000"] in rows
    assert "fashion, crop-flip, default" in table.notes[0]


def test_a_run_that_failed_is_named_with_its_reason(results: Results) -> None:
    assert ledger.failures(results, LABELS) == [
        f"{dataset}, tiny_vit, none, default, seed 3: diverged (loss is nan)" for dataset in ("digits", "fashion")
    ]


def test_commands_name_the_study_and_every_seed(results: Results) -> None:
    entry = results.ledger.cells[0]
    plain = ledger.command(entry, [])
    assert plain == (
        "snakemake --cores all results/runs/digits/lenet5/none/default-0123456789ab/seed{0,1,2,3,4}/metrics.json"
    )
    assert ledger.command(entry, ["a study.yaml"]).startswith("snakemake --cores all --configfile 'a study.yaml' -- r")
    words_ = subprocess.run(["bash", "-c", f"echo {plain}"], capture_output=True, text=True, check=True).stdout.split()
    assert len(words_) == 3 + 5
    assert words_[-1].endswith("/seed4/metrics.json")


# --- pages --------------------------------------------------------------------------------------------------------


def test_a_page_has_what_is_known_of_its_model_alone(results: Results) -> None:
    found = {page.model: page for page in pages.pages(results, LABELS, [])}
    assert list(found) == list(report_fixture.MODELS)
    page = found["tiny_vit"]
    assert page.anchor == "model/tiny_vit"
    assert page.costs is not None
    assert {row[0].text for group in page.costs.groups for row in group.rows} == {"tiny_vit"}
    runs = [row[3].text for group in page.runs.groups for row in group.rows]
    assert runs.count("diverged (loss is nan)") == 2
    assert [sheet.title for sheet in page.sheets] == ["digits, crop-flip", "fashion, crop-flip"]
    assert page.sheets[0].pictures[0].uri.startswith("data:image/png;base64,")


def test_what_the_comparison_says_of_a_model_stands_on_its_page(tmp_path: Path) -> None:
    def say(record: dict[str, Any]) -> None:
        for row in record["rows"]:
            row["sentence"] = f"This is of {row['candidate']}."
            row.update(rank_lo=row["rank"], rank_hi=row["rank"])

    found = pages.pages(study(tmp_path, models=("lenet5", "tiny_cnn"), body=say), LABELS, [])
    assert {row[-1].text for group in found[1].scores.groups for row in group.rows} == {"1 [1]"}
    assert {sentence for _, sentence in found[1].claims} == {"This is of tiny_cnn."}


# --- plot and pictures --------------------------------------------------------------------------------------------


def test_the_plot_has_a_point_for_each_cell_and_no_axis_without_one(results: Results) -> None:
    payload = interactive.payload(results, LABELS)
    assert len(payload["points"]) == len(results.cells)
    assert payload["metrics"][0]["id"] == "accuracy"
    assert "joules_per_image" not in [axis["id"] for axis in payload["costs"]]
    assert "train_seconds" in [axis["id"] for axis in payload["costs"]]
    text = interactive.embedded({"a": "</script><!--&"})
    assert "<" not in text
    assert ">" not in text


def test_a_figure_inside_is_the_same_drawing(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text(
        '<?xml version="1.0"?>\n<!-- a remark -->\n<svg xmlns="http://www.w3.org/2000/svg"\n width="7.123456pt">'
        '<metadata>x</metadata><path d="M 1.234567 2\nL 3.5 4" transform="scale(0.015625)" style="fill: #abc"/></svg>'
    )
    uri = str(embedded.svg(path))
    assert uri.startswith("data:image/svg+xml,")
    assert not set('"#&\n') & set(uri)
    (shape,) = ElementTree.fromstring(unquote(uri.partition(",")[2]))
    assert shape.attrib == {"d": "M1.23 2L3.5 4", "transform": "scale(0.015625)", "style": "fill: #abc"}


def test_letters_of_a_figure_stay_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><defs>'
        '<path id="DejaVuSans-30" d="M 0 0"/></defs><g id="text_1"><use xlink:href="#DejaVuSans-30"/>'
        '<use xlink:href="#DejaVuSans-30" transform="translate(63.623047 0)"/>'
        '<use xlink:href="#DejaVuSans-30" transform="translate(1.5 7.25)"/></g></svg>'
    )
    root = ElementTree.fromstring(unquote(str(embedded.svg(path)).partition(",")[2]))
    (shape,) = root.iterfind(".//*[@id]")
    assert shape.tag.endswith("path")
    name = f"#{shape.get('id')}"
    uses = [dict(use.attrib) for use in root.iter() if use.tag.endswith("use")]
    assert uses == [{"href": name}, {"href": name, "x": "63.62"}, {"href": name, "x": "1.5", "y": "7.25"}]


def test_large_pictures_are_shrunk(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (3, 128, 128), dtype=np.uint8)
    assert embedded.picture(photograph).startswith("data:image/jpeg;base64,")
    assert len(embedded.picture(photograph)) < 6000
