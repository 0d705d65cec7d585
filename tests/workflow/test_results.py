"""What a run leaves behind, and that it is the same wherever and however it was made."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT, Checkout, Outcome


def test_layout_of_results(first_run: tuple[Checkout, Outcome]) -> None:
    checkout, _ = first_run
    for pattern, count in {
        "data/digits-*/manifest.json": 1,
        "runs/digits/*/standard/quick-*/seed*/run.json": 4,
        "runs/digits/*/standard/quick-*/seed*/history.csv": 4,
        "runs/digits/*/standard/quick-*/seed*/predictions.npz": 4,
        "runs/digits/*/standard/quick-*/seed*/model.safetensors": 4,
        "runs/digits/*/standard/quick-*/seed*/metrics.json": 4,
        "profiles/*.json": 2,
        "tiny/comparison.*": 4,
        "tiny/tables/model/digits.*": 5,
        "tiny/figures/pareto_*.svg": 7,
        "tiny/coverage.csv": 1,
        "tiny/samples.*": 2,
        "tiny/costs.csv": 1,
        "tiny/runs.csv": 1,
    }.items():
        assert len(checkout.find(pattern)) == count, pattern
    assert not list((checkout.folder / "results").rglob("*.part*"))


def test_numbers_agree_from_predictions_to_table(first_run: tuple[Checkout, Outcome]) -> None:
    import numpy as np

    checkout, _ = first_run
    accuracies: dict[str, list[float]] = {}
    for path in checkout.find("runs/digits/*/standard/*/seed*/predictions.npz"):
        with np.load(path) as predictions:
            correct = predictions["logits"].argmax(axis=1) == predictions["y_true"]
        accuracies.setdefault(path.parts[-5], []).append(float(correct.mean()))
    with (checkout.folder / "results/tiny/comparison.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "accuracy"]
    assert {row["candidate"] for row in rows} == {"lenet5", "tiny_cnn"}
    for row in rows:
        assert float(row["mean"]) == pytest.approx(np.mean(accuracies[row["candidate"]]), abs=1e-12)
        assert float(row["std"]) == pytest.approx(np.std(accuracies[row["candidate"]], ddof=1), abs=1e-12)


def test_same_bits_in_another_folder_with_another_number_of_jobs(
    first_run: tuple[Checkout, Outcome], tmp_path: Path
) -> None:
    checkout, _ = first_run
    other = Checkout.fresh(tmp_path / "another folder")
    outcome = other.snakemake(other.study(), "trained", cores="1")
    assert outcome.status == 0, outcome.text
    for name in ("predictions.npz", "model.safetensors"):
        files = checkout.find(f"runs/**/{name}")
        assert len(files) == 4
        for file in files:
            assert file.read_bytes() == (other.folder / file.relative_to(checkout.folder)).read_bytes(), file


def test_snakemakes_own_report(first_run: tuple[Checkout, Outcome]) -> None:
    checkout, _ = first_run
    outcome = checkout.snakemake(checkout.study(), "--report", "report.zip")
    assert outcome.status == 0, outcome.text
    with zipfile.ZipFile(checkout.folder / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
    shown, categories = (
        json.JSONDecoder().raw_decode(page, page.index(f'var {name} = {{"') + len(f"var {name} = "))[0]
        for name in ("results", "categories")
    )
    assert {name: len(each["Other"]) for name, each in categories.items()} == {
        "Report": 1,
        "Tables": 4 + 3,
        "Figures": len(checkout.find("tiny/figures/*.svg")),
    }
    assert all(result["labels"] and len(result["caption"]) > 40 for result in shown.values())
    tables = [shown[f"results/tiny/tables/model/digits.{end}"]["labels"] for end in ("html", "csv", "tex")]
    assert [list(labels.values()) for labels in tables] == [
        ["model", "digits", format] for format in ("HTML", "CSV", "LaTeX")
    ]


def test_plan_agrees_that_all_is_done(first_run: tuple[Checkout, Outcome]) -> None:
    checkout, _ = first_run
    plan = told(checkout, "plan")
    steps = {
        words[0]: words[1:] for line in plan.splitlines() if len(words := line.split()) == 3 and words[1].isdigit()
    }
    assert steps["train"] == ["4", "0"]
    assert steps["profile"] == ["2", "0"]
    assert {to_do for _, to_do in steps.values()} == {"0"}
    assert "Nothing to do." in plan


def test_watch_agrees_too_and_show_shows_what_snakemake_ended_with(first_run: tuple[Checkout, Outcome]) -> None:
    checkout, outcome = first_run
    assert told(checkout, "watch").startswith("Study tiny: 4 of 4 runs done; all done\n")
    assert told(checkout, "show").rstrip() in outcome.text
    estimate = json.loads(told(checkout, "plan", "--json"))
    assert (estimate["to_do"], estimate["seconds"]) == ([], 0)


def told(checkout: Checkout, *arguments: str) -> str:
    """What a command of bakeoff prints of the study."""
    return subprocess.run(
        [sys.executable, "-m", "bakeoff", arguments[0], "tiny.yaml", *arguments[1:]],
        cwd=checkout.folder,
        env={"PYTHONPATH": str(checkout.folder / "workflow"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    ("study", "runs", "options"),
    [("fast_path", 10, []), ("schedules", 120, []), ("squares", 64, ["--config", "scale=small"])],
)
def test_studies_plan(study: str, runs: int, options: list[str], tmp_path: Path) -> None:
    """As tests/unit/test_study_files.py says of every one of them, faster."""
    checkout = Checkout.fresh(tmp_path / "checkout")
    outcome = checkout.snakemake(ROOT / "studies" / f"{study}.yaml", "--dry-run", *options)
    assert outcome.status == 0, outcome.text
    assert sum(n for job, n in outcome.jobs.items() if job.startswith("evaluate")) == runs
    assert ("results/squares-small/report.html" in outcome.text) == bool(options)
    assert outcome.jobs["report"] == 1


def test_a_model_that_cannot_be_built_fails_in_a_sentence(first_run: tuple[Checkout, Outcome], tmp_path: Path) -> None:
    checkout = first_run[0].copy(tmp_path / "checkout")
    study = checkout.study(study="impossible", datasets=["digits"], models=["lenet5"], seeds=[0])
    outcome = checkout.snakemake(study)
    assert outcome.status != 0
    assert "lenet5: cannot be built for images of 1x8x8 and 10 classes: needs images of at least 12" in outcome.text
    assert "Traceback" not in outcome.text
    profile = json.loads(checkout.find("profiles/lenet5-*.json")[0].read_text())
    assert profile["kind"] == "profile"
