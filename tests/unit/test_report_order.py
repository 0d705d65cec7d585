"""The report has things in the order of the study; the comparison has them sorted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import report_fixture

from bakeoff.report import lead, words
from bakeoff.report.drawing import Look
from bakeoff.report.load import Results, load
from bakeoff.report.order import as_named
from bakeoff.report.text import Names

ORDER = {
    "dataset": ["fashion", "digits"],
    "model": ["tiny_vit", "resnet18", "lenet5", "tiny_cnn"],
    "augmentation": ["none", "crop-flip"],
    "recipe": ["default"],
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(report_fixture.write_study(tmp_path_factory.mktemp("order"), datasets=("digits", "fashion")))


def test_tables_groups_and_looks_are_in_the_order_of_the_study(results: Results) -> None:
    found = as_named(results, ORDER)
    questions = words.by_question(found)
    assert [rows[0].dataset for rows in questions] == ["fashion", "digits"]
    held = [group[0].context["augmentation"] for group in words.by_context(found, questions[0])]
    assert held == ["none", "crop-flip"]
    assert list(Look.of(found).models) == ORDER["model"]
    (answer,) = lead.paragraphs(found, Names({}))
    assert answer.index("on fashion") < answer.index("on digits")
    assert sorted(map(repr, found.rows)) == sorted(map(repr, results.rows))


def test_names_that_the_order_lacks_come_last_as_they_were(results: Results) -> None:
    found = as_named(results, {"model": ["tiny_vit"]})
    models = list(dict.fromkeys(cell.model for cell in found.cells))
    others = [model for model in dict.fromkeys(cell.model for cell in results.cells) if model != "tiny_vit"]
    assert models == ["tiny_vit", *others]
    assert as_named(results, {}) == replace(results)
