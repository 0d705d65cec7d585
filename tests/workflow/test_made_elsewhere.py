"""Predictions made elsewhere under real Snakemake: a run of our own given back is the run, and which jobs run."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkout import Checkout

from bakeoff import plan
from bakeoff.grid import Grid
from bakeoff.score.classification import OF_ANSWERS
from bakeoff.study import load

NAME = "theirs"
FILES = ["given/a.npz", "given/b.csv"]
COSTS = {"params": 1234, "latency_ms": 0.5, "measured_on": "one A100"}


def write_csv(source: Path, out: Path) -> None:
    """The test predictions of a run's npz as anybody would write them: numbers in full, rows in another order."""
    with np.load(source) as arrays:
        table = {name: arrays[name][::-1] for name in ("example_id", "y_true", "logits")}
    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["example_id", "y_true", *(f"logit_{c}" for c in range(table["logits"].shape[1]))])
        for row, truth, logits in zip(*table.values(), strict=True):
            writer.writerow([row, truth, *(repr(float(value)) for value in logits)])


def write_answers(source: Path, out: Path) -> None:
    """The classes that a run says, and no more."""
    with np.load(source) as arrays:
        lines = [f"{row},{said}" for row, said in zip(arrays["example_id"], arrays["logits"].argmax(1), strict=True)]
    out.write_text("\n".join(["example_id,y_pred", *lines]))


def metrics(checkout: Checkout, model: str) -> list[Any]:
    """Every metric of each run of a model, by seed."""
    files = checkout.find(f"runs/digits/{model}/standard/*/seed*/metrics.json")
    return [json.loads(path.read_text())["metrics"] for path in sorted(files, key=lambda path: path.parent.name)]


def test_a_run_given_back_is_the_run_and_an_edit_reruns_its_rows(
    done: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    (done.folder / "given").mkdir()
    ours = sorted(done.find("runs/digits/lenet5/standard/*/seed*/predictions.npz"))
    shutil.copy(ours[0], done.folder / FILES[0])
    write_csv(ours[1], done.folder / FILES[1])
    theirs = {"dataset": "digits", "label": "Theirs (paper)", "predictions": FILES, "source": "Doe 2020"}
    write_answers(ours[0], done.folder / "given/answers.csv")
    vendor = {"dataset": "digits", "predictions": ["given/answers.csv"]}
    study = done.study(external={NAME: {**theirs, "costs": COSTS}, "vendor": vendor})

    outcome = done.snakemake(study)
    assert outcome.status == 0, outcome.text
    made = Counter({f"{rule} {NAME} {seed}": 1 for rule in ("external", "evaluate") for seed in (1000, 1001)})
    made += Counter({"external vendor 2000": 1, "evaluate vendor 2000": 1, "external_costs vendor": 1})
    assert outcome.jobs == made + Counter({f"external_costs {NAME}": 1, "compare": 1, "report": 1})
    # What needs the training or its validation images is absent; all else is the run's, to the last bit.
    for mine, own in zip(metrics(done, NAME), metrics(done, "lenet5"), strict=True):
        unknown = {name for name, value in mine.items() if value["value"] is None}
        assert unknown == {"overfitting_gap", "ece_calibrated", "log_loss_calibrated"}
        assert all(mine[name] == own[name] for name in mine.keys() - unknown)

    (said,) = metrics(done, "vendor")
    assert {name for name, value in said.items() if value["value"] is not None} == set(OF_ANSWERS)
    assert {name: said[name] for name in OF_ANSWERS} == {name: metrics(done, NAME)[0][name] for name in OF_ANSWERS}

    body = json.loads(done.find("tiny/comparison.json")[0].read_text())
    (answered,) = [row for row in body["rows"] if row["candidate"] == "vendor" and row["metric"] == "accuracy"]
    assert answered["mean"] == said["accuracy"]["value"]
    assert answered["images_lo"] < answered["images_hi"]
    (loss,) = [row for row in body["rows"] if row["candidate"] == "vendor" and row["metric"] == "log_loss"]
    assert loss["mean"] is None
    (row,) = [row for row in body["rows"] if row["candidate"] == NAME and row["metric"] == "accuracy"]
    # Equal scores on the same images, and yet nothing pairs them.
    assert (row["diff"], row["n_pairs"], row["n_ok"], row["train_seconds"]) == (0.0, 0, 2, None)
    assert (row["params"], row["macs"], row["latency_ms_p50"], row["cost_failure"]) == (
        1234,
        None,
        0.5,
        "made elsewhere",
    )
    assert [f"note: {name}: its runs are paired with no seed of ours" for name in (NAME, "vendor")] == [
        text for text in body["warnings"] if "its runs are" in text
    ]
    assert not [text for text in body["warnings"] if re.search(rf"of [34] latencies|no cost of {NAME}", text)]
    timed = [entry for entry in body["frontiers"] if entry["cost"] == "latency_ms_p50"]
    assert timed
    assert NAME not in [point["candidate"] for entry in timed for point in entry["points"]]
    page = (done.folder / "results/tiny/report.html").read_text()
    assert "Theirs (paper)" in page
    assert "as published, not measured here, Theirs (paper): Doe 2020; times on one A100." in page
    assert not done.snakemake(study).jobs

    text = (done.folder / FILES[1]).read_text()
    (done.folder / FILES[1]).write_text(text + "\n")
    edited = Counter({f"{rule} {NAME} 1001": 1 for rule in ("external", "evaluate")})
    assert done.snakemake(study, "--dry-run").jobs == edited + Counter({"compare": 1, "report": 1})
    monkeypatch.chdir(done.folder)
    items = [item for item in plan.examine(Grid(load(study))) if item.step in ("train", "external")]
    assert [item.reason for item in items if item.reason] == ["given/b.csv changed"]

    (done.folder / FILES[1]).write_text(text.replace("logit_0", "logit_7", 1))
    outcome = done.snakemake(study)
    assert outcome.status != 0
    assert "given/b.csv: logits: columns must be numbered 0, 1, 2" in outcome.text
