"""The presets, and the page that shows them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from study_fixture import ROOT

from bakeoff.train.presets import PRESETS
from bakeoff.train.spec import Recipe

PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")


def table() -> dict[str, dict[str, Any]]:
    """The page's table: preset -> setting -> value."""
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if "|" in line]
    start = next(i for i, row in enumerate(rows) if row[0] == "setting")
    names = rows[start][1:]
    end = next(i for i, row in enumerate(rows) if i > start and len(row) != len(names) + 1)
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for setting, *values in rows[start + 2 : end]:
        for name, value in zip(names, values, strict=True):
            if value:
                found[name][setting] = yaml.safe_load(value)
    return found


def test_the_page_has_the_presets_as_they_are() -> None:
    assert table() == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_no_slips(name: str) -> None:
    assert list(Recipe(preset=name).slips()) == []


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_all_that_matters(name: str) -> None:
    """A later change of a default must not change what a preset means."""
    assert {"optimizer", "lr", "weight_decay", "batch_size", "epochs", "schedule", "warmup_epochs"} <= set(
        PRESETS[name]
    )
    assert PRESETS[name]["optimizer"] != "sgd" or "momentum" in PRESETS[name]


def test_the_pages_examples_are_recipes() -> None:
    text = PAGE.partition("```yaml\n")[2].partition("```")[0]
    for recipe in yaml.safe_load(text.replace("e-", ".0e-"))["recipes"].values():  # YAML 1.1 wants a point
        assert list(Recipe.model_validate(recipe).slips()) == []
