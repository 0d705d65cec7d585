"""The study files that come with the project: good in both versions; their heads say what they ask and cost."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image
from study_fixture import ROOT

from bakeoff.grid import Grid
from bakeoff.models import packaged
from bakeoff.plan import examine
from bakeoff.scale import versions
from bakeoff.study import json_schema, load
from bakeoff.studyfile import read

STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]
SMALL = [path for path in STUDIES if "small" in versions(path)]
FOLDERS = ("photos", "imagenet/train", "imagenet/test")
"""Where studies of one's own images look for them."""

every_study = pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without results, with images where studies want some of one's own."""
    grey = Image.fromarray(np.full((8, 8, 3), 128, np.uint8))
    for folder in FOLDERS:
        for label in ("ant", "bee"):
            (tmp_path / "data" / folder / label).mkdir(parents=True)
            for i in range(4):
                grey.save(tmp_path / "data" / folder / label / f"{i}.jpg")
    monkeypatch.chdir(tmp_path)


@every_study
def test_every_study_of_the_project_plans(path: Path) -> None:
    """In both versions: it is read strictly, and every job of it is known. The schema agrees."""
    if missing := [text for recipe in load_raw(path) if (text := packaged.problem(recipe))]:
        pytest.skip(missing[0])
    jsonschema.validate(read(path).data, json_schema(), jsonschema.Draft202012Validator)
    grids = {version: Grid(load(path, version)) for version in versions(path)}
    for version, grid in grids.items():
        ending = "-small" if version == "small" else ""
        assert grid.study.study == ("default" if path.name == "config.yaml" else path.stem) + ending
        assert sum(item.step == "train" for item in examine(grid)) == grid.n_runs > 0
    if "small" in grids:  # whose names and digests are none of the full one's
        full, small = ([(c.model, c.augmentation, c.recipe) for c in grids[v].cells] for v in ("full", "small"))
        assert full == small
        assert 1 < len(grids["small"].study.seeds) <= len(grids["full"].study.seeds)


def load_raw(path: Path) -> list[str]:
    """The initial weights that the recipes of a study name."""
    return [recipe.get("weights", "random") for recipe in read(path).data["recipes"].values()]


def test_every_study_of_the_project_has_its_own_name() -> None:
    names = [read(path).data["study"] for path in STUDIES]
    assert len({f"{name}{ending}" for name in names for ending in ("", "-small")}) == 2 * len(names)


def test_the_studies_that_answer_questions_are_there() -> None:
    wanted = (
        "squares position architectures transfer augmentation schedules project fashion_mnist cifar10"
        " imagefolder_imagenet paper"
    )
    assert {path.stem for path in SMALL} == set(wanted.split())


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.name)
def test_the_head_of_a_study_says_what_it_asks_expects_and_costs(path: Path) -> None:
    head = re.match(r"(#[^\n]*\n)+", path.read_text(encoding="utf-8"))
    assert head is not None
    text = " ".join(line.lstrip("# ") for line in head[0].splitlines())
    question, _, rest = text.partition("snakemake --cores all --resources gpu=")
    assert "?" in question
    for part in (f"--configfile studies/{path.name} ", "--config scale=small", "Expected", "Cost", "Small version"):
        assert part in rest, f"{path.name}: its head lacks {part!r}"
