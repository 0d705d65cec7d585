"""The schema that editors check study files with."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from study_fixture import ROOT

from bakeoff.study import json_schema

SCHEMA = ROOT / "workflow" / "study.schema.json"


def test_the_schema_file_is_the_models() -> None:
    remedy = "write it anew: uv run bakeoff schema > workflow/study.schema.json"
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema(), remedy


GOOD = {"study": "x", "datasets": ["digits"], "models": ["lenet5"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"modles": ["lenet5"]},
        {"seeds": ["0"]},
        {"study": "../x"},
        {"recipes": {"default": {"epoch": 3}}},
        {"recipes": {"default": {"lr": -1}}},
        {"exclude": [{"seed": "x"}]},
        {"datasets": [{"source": "digits"}]},
        {"report": {"colour": "red"}},
    ],
)
def test_the_schema_refuses_what_bakeoff_refuses(changes: dict[str, Any]) -> None:
    jsonschema.validate(GOOD, json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**GOOD, **changes}, json_schema())


def test_the_schema_takes_what_bakeoff_takes() -> None:
    study = {
        **GOOD,
        "models": ["lenet5", {"name": "deep", "builder": "tiny_vit", "depth": 3}],
        "exclude": [{"model": "deep", "seed": 1}, {"model": ["deep"], "seed": [2, 3]}],
    }
    jsonschema.validate(study, json_schema())


def test_the_schema_knows_what_a_small_version_may_hold() -> None:
    jsonschema.validate({**GOOD, "scale": "small", "small": {"recipes": {"default": {"epochs": 1}}}}, json_schema())
    for small in ({"modles": []}, {"study": "y"}, {"recipes": {"default": {"epochs": "1"}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**GOOD, "small": small}, json_schema())
