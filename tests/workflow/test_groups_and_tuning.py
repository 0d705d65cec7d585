"""Recipes with a tuning budget, and seeds trained together, under real Snakemake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checkout import TINY, Checkout

QUICK: dict[str, Any] = TINY["recipes"]["quick"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout.fresh(tmp_path_factory.mktemp("groups") / "study")


def records(checkout: Checkout, pattern: str) -> dict[int, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in checkout.find(pattern)]
    return {record["seed"]: record for record in found}


def test_a_search_runs_once_a_cell_and_its_choice_is_used(checkout: Checkout) -> None:
    recipes = {"tuned": QUICK | {"tuning": {"trials": 2, "lr": [1e-3, 1e-1]}}}
    study = checkout.study(study="searched", models=["lenet5"], recipes=recipes)
    outcome = checkout.snakemake(study, "trained")
    assert outcome.status == 0, outcome.text
    assert outcome.jobs == {"prepare": 1, "tune lenet5": 1, "train lenet5 0": 1, "train lenet5 1": 1, "trained": 1}
    search = json.loads(checkout.find("tuning/digits/lenet5/standard/tuned-*/tuning.json")[0].read_text())
    assert len(search["trials"]) == 2
    assert search["trials"][0]["lr"] == QUICK["lr"]
    best = max(search["trials"], key=lambda trial: trial["val_accuracy"])
    for record in records(checkout, "runs/digits/lenet5/standard/tuned-*/seed*/run.json").values():
        assert record["tuned"]["lr"] == search["lr"] == best["lr"]
        assert record["tuned"]["digest"] == search["record_digest"]
    assert checkout.snakemake(study, "trained").jobs == {}


def test_seeds_of_a_group_are_one_job_and_the_same_runs(checkout: Checkout) -> None:
    """On a CPU they follow each other, bit for bit as alone."""
    alone = checkout.study(study="alone", models=["lenet5"], seeds=[0, 1, 2])
    assert checkout.snakemake(alone, "trained").status == 0
    grouped = checkout.study(study="grouped", models=["lenet5"], seeds=[0, 1, 2], train={"seeds_together": 2})
    outcome = checkout.snakemake(grouped, "trained")
    assert outcome.status == 0, outcome.text
    assert outcome.jobs == {"train_seeds_0_1 lenet5": 1, "train_seeds_2 lenet5": 1, "trained": 1}
    assert checkout.snakemake(grouped, "trained").jobs == {}
    folders = {path.parent.parent.name for path in checkout.find("runs/digits/lenet5/standard/quick-*/seed2/run.json")}
    assert len(folders) == 2
    for seed in (0, 1, 2):
        files: list[Path] = checkout.find(f"runs/digits/lenet5/standard/quick-*/seed{seed}/model.safetensors")
        assert len(files) == 2
        assert files[0].read_bytes() == files[1].read_bytes()
