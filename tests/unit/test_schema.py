"""The schema that editors check study files with, and the study files that come with the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from study_fixture import ROOT

from bakeoff.grid import Grid
from bakeoff.study import json_schema, load
from bakeoff.studyfile import read

SCHEMA = ROOT / "workflow" / "study.schema.json"
STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]


def test_the_schema_file_is_the_models() -> None:
    remedy = "write it anew: uv run bakeoff schema > workflow/study.schema.json"
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema(), remedy


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_of_the_project_is_good(path: Path) -> None:
    study = load(path)
    assert Grid(study).n_runs > 0
    assert path.name == "config.yaml" or study.study == path.stem
    jsonschema.validate(read(path).data, json_schema(), jsonschema.Draft202012Validator)


def test_every_study_of_the_project_has_its_own_name() -> None:
    names = [load(path).study for path in STUDIES]
    assert len(set(names)) == len(names)


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
