"""docs/statistics.md explains each mark that a table can have, each verdict, and shows pictures that are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import report_fixture

from bakeoff.compare import paired
from bakeoff.report import costs, words
from bakeoff.report.load import load

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "statistics.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(heading)]
    return [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ")][2:]


def test_the_marks_explained_are_those_that_are_printed(tmp_path: Path) -> None:
    results = load(report_fixture.write_study(tmp_path))
    printed = [mark for mark, _ in words.guide(results)]
    assert sorted(first_cells("The marks")) == sorted([*printed, costs.DISTURBED, costs.MISCOUNTED])


def test_a_p_that_is_not_the_paired_tests_is_marked_and_explained(tmp_path: Path) -> None:
    results = load(report_fixture.write_study(tmp_path))
    explained = {mark for mark, _ in words.guide(results)}
    methods = set(get_args(paired.Method)) - {"paired_t"}
    assert {words._METHODS.get(method) for method in methods} <= explained


def test_the_verdicts_explained_are_those_that_are_given() -> None:
    explained = {name for cell in first_cells("The verdict") for name in cell.split(", ")}
    assert explained == {*words._VERDICTS, "exploratory", words._UNTESTED}


def test_its_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"\]\((pictures/[^)]+)\)", PAGE)
    assert len(pictures) == 3
    for name in pictures:
        assert 0 < (DOCS / name).stat().st_size < 200_000
