"""A regression from its study to its table and report, by real Snakemake."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

from checkout import Checkout

from bakeoff.provenance import read_record

STUDY = {
    "study": "where",
    "datasets": [{"name": "square_position", "images": 150, "val_images": 30, "test_images": 60}],
    "models": [{"name": "narrow", "builder": "tiny_cnn", "width": 4}, "tiny_cnn"],
    "augmentations": ["none"],
    "recipes": {"quick": {"epochs": 2, "batch_size": 32}},
    "requirements": ["rmse < 100", "params < 5000"],
}


def test_from_the_study_to_the_table(done: Checkout) -> None:
    outcome = done.snakemake(done.study(**STUDY))
    assert outcome.status == 0, outcome.text
    folder = done.folder / "results" / "where"
    record = read_record(folder / "comparison.json", "comparison")
    assert record["task"] == "regression"
    assert record["primary_metric"] == {"name": "rmse", "unit": "px", "direction": "min"}
    table = [row for row in rows(folder / "comparison.csv") if row["metric"] in ("rmse", "distance", "r2")]
    assert len(table) == 6
    for row in table:
        assert row["mean"]
        assert (row["crossed_method"] == "jackknife") == (row["candidate"] != row["baseline"])
    rmse = {row["candidate"]: row for row in table if row["metric"] == "rmse"}
    better = min(rmse, key=lambda name: float(rmse[name]["mean"]))
    assert rmse[better]["rank"] == "1"
    gates = {gate["model"]: gate for gate in record["gates"][0]["candidates"]}
    assert gates["narrow"]["verdict"] == "pass", gates["narrow"]
    assert gates["tiny_cnn"]["verdict"] == "fail", gates["tiny_cnn"]
    assert all(row["train_accuracy_mean"] == "" != row["val_loss_mean"] for row in rows(folder / "curves.csv"))
    assert read_record(folder / "confusion.json", "confusion")["cells"] == []
    page = (folder / "report.html").read_text(encoding="utf-8")
    figures = ('id="outputs"', 'id="curves"', 'id="pareto_macs"')
    for there in (*figures, "Errors of the predicted targets", "Targets: x (px)"):
        assert there in page, there
    for absent in ('id="confusion"', 'id="roc"', 'id="reliability"', 'id="calibration"', "Spread of accuracy"):
        assert absent not in page, absent
    assert "nan" not in (folder / "comparison.md").read_text(encoding="utf-8").lower()

    # What a run of ours predicted, given back by somebody else, is a row with the same errors; its run alone is made.
    shutil.copy(done.find("runs/square_position/narrow/*/*/seed0/predictions.npz")[0], done.folder / "theirs.npz")
    theirs = {"theirs": {"dataset": "square_position", "predictions": ["theirs.npz"]}}
    outcome = done.snakemake(done.study(**STUDY, external=theirs))
    assert outcome.status == 0, outcome.text
    made = {"external theirs 1000": 1, "evaluate theirs 1000": 1, "external_costs theirs": 1, "compare": 1, "report": 1}
    assert outcome.jobs == Counter(made)
    ours, given = ({row["metric"]: row["value"] for row in rows(folder / "runs.csv") if row["model"] == name
                    and row["seed"] == seed} for name, seed in (("narrow", "0"), ("theirs", "1000")))  # fmt: skip
    assert given == ours
    assert len(given) == 6


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
