"""Text in a CSV never runs in a spreadsheet, and stays as it is where it would not."""

from __future__ import annotations

import pytest

from bakeoff.spreadsheet import as_text


@pytest.mark.parametrize(
    "text",
    ["=1+1", "@SUM(A1)", "+A1", "-cmd", "\t=1", "\r=1", "-2+cmd|' /C calc'!A0", "+1+A1", "-1=2", "+", "-2 to A1"],
)
def test_what_begins_as_a_formula_is_text(text: str) -> None:
    assert as_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["resnet18", "a=b", "", "−0.4", "-0.5", "+0.68 (+0.58 to +0.78)", "+1.2 ★★†◆", "0.1"])
def test_names_and_numbers_stay(text: str) -> None:
    assert as_text(text) == text
