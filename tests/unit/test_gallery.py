"""A page on a finished study: what stands in it, the list of pages, and what is no page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import Call
from report_fixture import write_study

from bakeoff.report import figures, gallery
from bakeoff.report.gallery import head
from bakeoff.report.load import load
from bakeoff.report.text import Names

STUDY = """\
# Which net is the best for
# small digits?
#   snakemake --cores all --configfile studies/demo.yaml
# Expected: ResNet-18 (He et al. 2016), for
# its size.
# Cost: a minute.
# yaml-language-server: $schema=../workflow/study.schema.json
study: demo
title: Nets | digits
datasets: [digits]
models: [lenet5, tiny_cnn, tiny_vit, {name: resnet18, builder: timm/resnet18}]
augmentations: [{name: crop-flip, policy: standard}, none]
report: {labels: {resnet18: ResNet-18}}
"""


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a study and its results; the figures are stand-ins."""
    monkeypatch.chdir(tmp_path)
    folder = write_study(tmp_path / "results")
    for name in figures.NAMES:
        (folder / "figures").mkdir(exist_ok=True)
        (folder / "figures" / f"{name}.svg").write_text(f"<svg>{name}</svg>")
    (folder / "report.html").write_text("")
    (tmp_path / "demo.yaml").write_text(STUDY)
    return tmp_path


def test_a_head_is_question_commands_and_paragraphs() -> None:
    found = head(STUDY)
    assert found.question == "Which net is the best for small digits?"
    assert found.rest == ("Expected: ResNet-18 (He et al. 2016), for its size.", "Cost: a minute.")
    assert head("study: x\n") == gallery.Head("", ())


def test_a_page_tells_question_answer_table_figure_and_machine(done: Path, call: Call) -> None:
    said = call("gallery", "demo.yaml")
    assert (said.status, said.out) == (0, "docs/studies/demo.md\n")
    page = Path("docs/studies/demo.md").read_text(encoding="utf-8")
    assert page.startswith("# Nets \\| digits\n\nWhich net is the best for small digits?\n\n## Answer\n\n")
    results = load(done / "results" / "demo")
    for part in (
        "ResNet-18 has the highest mean accuracy: ",
        "](demo/pareto_macs.svg)\n",
        "| **ResNet-18",
        "`uv run snakemake --cores all --resources gpu=1 --configfile demo.yaml`: ",
        *(f"- {sentence}\n" for sentence in gallery.words.hardware(results)),
        "\nExpected: ResNet-18 (He et al. 2016), for its size.\n",
    ):
        assert part in page
    assert page.index("**Augmentation crop-flip") < page.index("**Augmentation none")  # as in the study file
    assert Path("docs/studies/demo/pareto_macs.svg").read_text() == "<svg>pareto_macs</svg>"
    assert "data_amount" not in page  # it has nothing to show


def test_a_usual_figure_that_is_too_large_is_left_out(done: Path, call: Call) -> None:
    (done / "results/demo/figures/pareto_macs.svg").write_text("x" * 200_001)
    assert call("gallery", "demo.yaml").status == 0
    assert "pareto_macs" not in Path("docs/studies/demo.md").read_text(encoding="utf-8")


def test_the_list_of_pages_keeps_what_is_around_it(done: Path, call: Call) -> None:
    folder = Path("docs/studies")
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# Studies\n\n<!-- studies -->\n<!-- end -->\n\nMore.\n")
    (folder / "notes.md").write_text("# No page\n\nText.\n")
    assert call("gallery", "demo.yaml", "--figure", "forest").status == 0
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# Studies\n\n<!-- studies -->\n| study | question | answer | machine |\n")
    assert text.endswith("|\n<!-- end -->\n\nMore.\n")
    (row,) = [line for line in text.splitlines() if line.startswith("| [")]
    assert row.startswith("| [demo](demo.md) | Which net is the best for small digits? | ResNet-18 has the highest ")
    assert "Trained on: " in row
    assert row.count(" | ") == 3
    assert call("gallery", "demo.yaml").status == 0  # again: the list does not grow
    assert (folder / "README.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("change", "arguments", "text"),
    [
        (lambda folder: None, ["--figure", "pie"], "--figure 'pie' is no figure; there are pareto_macs, "),
        (lambda folder: (folder / "report.html").unlink(), [], "has no report; run the study first"),
        (
            lambda folder: (folder / "figures/forest.svg").write_text("x" * 200_001),
            ["--figure", "forest"],
            "forest.svg has 200,001 bytes, more than the 200,000",
        ),
    ],
)
def test_what_is_no_page_is_refused_in_a_line(
    change: Any, arguments: list[str], text: str, done: Path, call: Call
) -> None:
    change(done / "results" / "demo")
    said = call("gallery", "demo.yaml", *arguments)
    assert said.status == 1
    assert text in said.err
    assert len(said.err.splitlines()) == 1
    assert not Path("docs/studies/demo.md").exists()


def test_a_part_of_a_study_gets_no_page(done: Path) -> None:
    write_study(done / "results", "half", partial=True)
    page = gallery.Page(load(done / "results" / "half"), Names({}), "Half", (), gallery.Head("", ()), "")
    with pytest.raises(gallery.UserError, match="half: is not complete"):
        gallery.write(page, done / "results", done / "docs")
