"""The ledger says of candidates in what they were treated alike, from the records of their runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bakeoff.compare.ledger import ledger
from bakeoff.compare.load import Loaded, Metric, Outcome, Run
from bakeoff.compare.spec import CompareInput
from bakeoff.provenance import spec_digest

RECIPE = {"batch_size": 64, "optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0, "schedule": "cosine"}
SEEDS = (0, 1, 2)


def record(recipe: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    environment = {
        "python": "3.12.1",
        "packages": {"torch": "2.15.0"},
        "commit": "c" * 40,
        "uncommitted_changes": False,
    }
    return {
        "spec": {"recipe": RECIPE | (recipe or {})}, "reason": None, "epochs": 12, "epochs_done": 12, "best_epoch": 11,
        "images_trained": 12_000, "n_train": 1000, "data_digest": "d" * 64, "device": "cpu", "threads": 1,
        "weights": {"source": "random"}, "tuned": None, "environment": environment,
    } | changes  # fmt: skip


def study(**records: list[dict[str, Any]]) -> tuple[CompareInput, Loaded]:
    """A study of one data set: by model the records of its runs."""
    digests = {"spec": "1" * 12, "train_code": "2" * 16, "evaluate_spec": "3" * 12, "evaluate_code": "4" * 16}
    profile = {"name": "p", "condition": "CPU", "spec": "5" * 12, "code": "6" * 16}
    place = {"dataset": "digits", "augmentation": "none", "recipe": "plain"}
    cells = [{**place, "model": m, "seeds": SEEDS, "profiles": [profile], **digests} for m in records]
    comparisons = [{"factor": "model", "baseline": next(iter(records))}]
    inputs = CompareInput.model_validate({"study": "s", "comparisons": comparisons, "cells": cells})
    runs = {
        (("digits", model, "none", "plain"), seed): Run(
            seed=seed,
            metrics={"accuracy": Metric(0.9, "fraction", "max")},
            train_seconds=10.0,
            device=of["device"],
            hardware="a cpu, 1 thread",
            record=of,
            outcome=None if of["reason"] else Outcome(),
        )
        for model, found in records.items()
        for seed, of in zip(SEEDS, found, strict=False)
    }
    return inputs, Loaded(runs, {})


def test_equal_treatment_is_said_with_its_values() -> None:
    (question,) = ledger(*study(lenet5=[record()] * 3, resnet18=[record()] * 3))["questions"]
    assert question["differs"] == question["unknown"] == []
    assert question["equal"]["images_trained"] == [12_000]
    assert question["equal"]["seeds"] == ["0 1 2"]
    assert question["equal"]["recipe_digest"] == [spec_digest(RECIPE)]
    assert question["equal"]["tuning_trials"] == [0]


def test_what_differs_is_said_with_who_has_what() -> None:
    early = [record(epochs_done=8, images_trained=8000), record(), record(epochs_done=10, images_trained=10_000)]
    found = ledger(*study(lenet5=[record()] * 3, resnet18=early))
    (question,) = found["questions"]
    by_name = {fact["fact"]: fact["values"] for fact in question["differs"]}
    assert by_name == {
        "epochs_done": {"lenet5": [12], "resnet18": [8, 10, 12]},
        "images_trained": {"lenet5": [12_000], "resnet18": [8000, 10_000, 12_000]},
    }
    assert question["equal"]["epochs"] == [12]


def test_a_tuned_rate_is_the_one_that_was_trained_with() -> None:
    tuned = record(tuned={"lr": 0.03, "weight_decay": 1e-4, "trials": 20, "seconds": 70.0})
    found = ledger(*study(lenet5=[record()] * 3, resnet18=[tuned] * 3))
    differs = {fact["fact"]: fact["values"] for fact in found["questions"][0]["differs"]}
    assert differs["lr"] == {"lenet5": [0.1], "resnet18": [0.03]}
    assert differs["tuning_trials"] == {"lenet5": [0], "resnet18": [20]}
    assert "recipe_digest" in differs
    assert found["cells"][1]["tuning"]["seconds"] == 70.0


def test_runs_made_from_others_have_no_recipe_and_that_is_not_equality() -> None:
    combined = record(method="mean", epochs=None) | {"spec": {"members": []}}
    (question,) = ledger(*study(lenet5=[record()] * 3, both=[combined] * 3))["questions"]
    unknown = {fact["fact"]: fact["values"] for fact in question["unknown"]}
    assert unknown["lr"] == {"both": [], "lenet5": [0.1]}
    assert unknown["epochs"] == {"both": [], "lenet5": [12]}
    assert unknown["method"] == {"both": ["mean"], "lenet5": []}
    assert "lr" not in question["equal"]


@pytest.mark.parametrize(("device", "seconds"), [("cpu", 0.0), ("cuda", 30.0)])
def test_seconds_on_a_gpu_are_counted_apart(device: str, seconds: float) -> None:
    (cell, _) = ledger(*study(lenet5=[record(device=device)] * 3, resnet18=[record()] * 3))["cells"]
    assert (cell["train_seconds"], cell["gpu_seconds"]) == (30.0, seconds)


def test_cells_say_how_their_runs_ended_and_from_what_they_were_made() -> None:
    runs = [record(), record(reason="loss is nan", environment=record()["environment"] | {"uncommitted_changes": True})]
    found = ledger(*study(lenet5=[record()] * 3, resnet18=runs))
    cell = found["cells"][1]
    assert [(run["seed"], run["status"], run["reason"]) for run in cell["runs"]] == [
        (0, "done", None),
        (1, "diverged", "loss is nan"),
    ]
    assert cell["folder"] == f"results/runs/digits/resnet18/none/plain-{'1' * 12}"
    assert cell["uncommitted_changes"] is True
    assert cell["versions"] == [{"python": "3.12.1", "torch": "2.15.0"}]
    json.dumps(found, allow_nan=False)
