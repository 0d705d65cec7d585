"""Which jobs run again after a change: those that depend on it, and no other. Each case is a real run of Snakemake."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from checkout import TINY, Checkout, Outcome

MODELS = ("lenet5", "tiny_cnn")
SEEDS = (0, 1)
PREPARED = Counter({"prepare": 1, "audit": 1, "samples": 1})
SUMMARY = Counter({"compare": 1, "report": 1})
PACKAGE = "workflow/bakeoff"


def runs(rule: str, models: tuple[str, ...] = MODELS, seeds: tuple[int, ...] = SEEDS) -> Counter[str]:
    return Counter(f"{rule} {model} {seed}" for model in models for seed in seeds)


def trained(models: tuple[str, ...] = MODELS, seeds: tuple[int, ...] = SEEDS) -> Counter[str]:
    return runs("train", models, seeds) + runs("evaluate", models, seeds)


def profiled(models: tuple[str, ...] = MODELS) -> Counter[str]:
    return Counter(f"profile {model}" for model in models)


def expect(outcome: Outcome, jobs: Counter[str]) -> None:
    assert outcome.status == 0, outcome.text
    assert outcome.jobs == jobs, outcome.text


def test_first_run_makes_everything(first_run: tuple[Checkout, Outcome]) -> None:
    checkout, outcome = first_run
    expect(outcome, PREPARED + profiled() + trained() + SUMMARY)
    assert (checkout.folder / "results/tiny/report.html").is_file()
    assert re.search(r"^The report of study tiny: /.*/results/tiny/report\.html$", outcome.text, re.MULTILINE)


def test_nothing_after_nothing(done: Checkout) -> None:
    outcome = done.snakemake(done.study())
    expect(outcome, Counter())
    assert "Nothing to be done" in outcome.text


def test_nothing_after_touching_every_file(done: Checkout) -> None:
    """By two machines whose clocks are an hour apart, file by file."""
    for n, path in enumerate(sorted(done.folder.rglob("*"))):
        if ".snakemake" not in path.parts:
            now = time.time() + 3600 * (n % 2)
            os.utime(path, (now, now))
    expect(done.snakemake(done.study()), Counter())


def test_nothing_after_comments_docstrings_and_formatting(done: Checkout) -> None:
    for path in (done.folder / PACKAGE).rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(source), clean=False)
        if docstring:
            source = source.replace(docstring, "Said in other words. " + docstring, 1)
        path.write_text(source + "\n# a comment\n", encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "70", PACKAGE]
    formatted = subprocess.run(command, cwd=done.folder, capture_output=True, text=True, check=True)
    assert "reformatted" in formatted.stdout
    expect(done.snakemake(done.study()), Counter())


def test_edit_in_preparation(done: Checkout) -> None:
    done.add_code(f"{PACKAGE}/data/step.py")
    expect(done.snakemake(done.study()), PREPARED + trained() + SUMMARY)


@pytest.mark.parametrize("file", ["verdict", "near"])
def test_edit_in_the_audit(done: Checkout, file: str) -> None:
    done.add_code(f"{PACKAGE}/audit/{file}.py")
    expect(done.snakemake(done.study()), Counter({"audit": 1}) + SUMMARY)


def test_an_audit_that_is_lost_is_made_again_and_nothing_else(done: Checkout) -> None:
    (path,) = done.find("data/digits-*/audit.json")
    path.unlink()
    jobs = done.snakemake(done.study(), "data").jobs
    assert jobs["audit"] == 1
    assert not jobs - Counter({"audit": 1, "data": 1})


def test_edit_in_training_loop(done: Checkout) -> None:
    done.edit(
        f"{PACKAGE}/train/loop.py", "self.learner.sums.clear()", "self.learner.sums.clear(); self.learner.sums.clear()"
    )
    expect(done.snakemake(done.study()), trained() + SUMMARY)


def test_edit_of_one_model(done: Checkout) -> None:
    done.edit(f"{PACKAGE}/models/own/lenet5.py", "nn.Linear(120, 84)", "nn.Linear(120, 84, bias=True)")
    expect(done.snakemake(done.study()), profiled(("lenet5",)) + trained(("lenet5",)) + SUMMARY)


def test_edit_in_profiling(done: Checkout) -> None:
    done.add_code(f"{PACKAGE}/profile/latency.py")
    expect(done.snakemake(done.study()), profiled() + SUMMARY)


def test_edit_in_evaluation(done: Checkout) -> None:
    done.add_code(f"{PACKAGE}/evaluate/metrics.py")
    expect(done.snakemake(done.study()), runs("evaluate") + SUMMARY)


def test_edit_in_comparison(done: Checkout) -> None:
    done.add_code(f"{PACKAGE}/compare/paired.py")
    expect(done.snakemake(done.study()), SUMMARY)


def test_edit_in_figures(done: Checkout) -> None:
    done.add_code(f"{PACKAGE}/report/figures.py")
    expect(done.snakemake(done.study()), Counter({"report": 1}))


@pytest.mark.parametrize("file", ["report/report.html.j2", "report/bakeoff.mplstyle"])
def test_edit_of_a_template_or_style(done: Checkout, file: str) -> None:
    with (done.folder / PACKAGE / file).open("a") as template:
        template.write("\n")
    expect(done.snakemake(done.study(), "--dry-run"), Counter({"report": 1}))


@pytest.mark.parametrize("file", ["cli.py", "study.py", "grid.py", "plan.py", "studyfile.py"])
def test_edit_of_what_no_step_runs(done: Checkout, file: str) -> None:
    done.add_code(f"{PACKAGE}/{file}")
    expect(done.snakemake(done.study(), "--dry-run"), Counter())


def test_label_and_files_that_were_never_made(done: Checkout) -> None:
    outcome = done.snakemake(done.study(report={"labels": {"lenet5": "LeNet-5"}, "prints": ["png"]}))
    expect(outcome, Counter({"report": 1}))
    assert done.find("tiny/figures/seeds.png")
    assert "LeNet-5" in (done.folder / "results/tiny/comparison.md").read_text(encoding="utf-8")


def test_alpha(done: Checkout) -> None:
    expect(done.snakemake(done.study(compare={"alpha": [0.1]})), SUMMARY)


def test_requirements(done: Checkout) -> None:
    outcome = done.snakemake(done.study(requirements=["accuracy >= 0.01", "size_mb < 0.001"]))
    expect(outcome, SUMMARY)
    assert "none of 2 candidates meets every requirement" in " ".join(outcome.text.split())
    tables = done.folder / "results/tiny/tables"
    assert sorted(path.suffix for path in tables.glob("gates.*")) == [".csv", ".html", ".json", ".md", ".tex"]
    expect(done.snakemake(done.study()), SUMMARY)
    assert not list(tables.glob("gates.*"))


def test_new_seed(done: Checkout) -> None:
    expect(done.snakemake(done.study(seeds=[0, 1, 2])), trained(seeds=(2,)) + SUMMARY)


def test_new_model(done: Checkout) -> None:
    new = ("tiny_vit",)
    expect(done.snakemake(done.study(models=[*MODELS, *new])), profiled(new) + trained(new) + SUMMARY)


def test_removed_model(done: Checkout) -> None:
    expect(done.snakemake(done.study(models=["lenet5"])), SUMMARY)
    assert done.find("runs/digits/tiny_cnn/*/*/*/run.json")


def test_learning_rate_and_weight_decay_swapped_and_back(done: Checkout) -> None:
    quick = TINY["recipes"]["quick"]
    swapped = quick | {"lr": quick["weight_decay"], "weight_decay": quick["lr"]}
    expect(done.snakemake(done.study(recipes={"quick": swapped})), trained() + SUMMARY)
    expect(done.snakemake(done.study()), SUMMARY)


def test_second_study_shares_runs(done: Checkout) -> None:
    second = done.study(study="second", models=["lenet5", "tiny_vit"], seeds=[1])
    new = ("tiny_vit",)
    expect(done.snakemake(second), profiled(new) + trained(new, (1,)) + Counter({"samples": 1}) + SUMMARY)
    expect(done.snakemake(done.study()), Counter())


def test_weights_after_each_epoch_come_with_training_and_make_nothing_stale(done: Checkout) -> None:
    every, best = {"keep": "all"}, {"keep": "best"}
    run = done.find("runs/digits/lenet5/standard/*/seed0")[0]
    expect(done.snakemake(done.study(train=every)), Counter())
    assert not (run / "epoch1.safetensors").exists()
    (run / "run.json").unlink()
    expect(
        done.snakemake(done.study(train=every), str((run / "run.json").relative_to(done.folder))),
        runs("train", ("lenet5",), (0,)),
    )
    assert (run / "epoch1.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    expect(done.snakemake(done.study(train=best), "--until", "train"), Counter())


def test_fresh_clone_with_results_and_memory_copied(done: Checkout, tmp_path: Path) -> None:
    clone = Checkout.fresh(tmp_path / "clone")
    for folder in ("results", ".snakemake"):
        # As `cp -r` does: the copies get new times, in no order.
        shutil.copytree(done.folder / folder, clone.folder / folder, copy_function=shutil.copy)
    expect(clone.snakemake(clone.study()), Counter())


def test_fresh_clone_with_results_alone(done: Checkout, tmp_path: Path) -> None:
    clone = Checkout.fresh(tmp_path / "clone")
    shutil.copytree(done.folder / "results", clone.folder / "results")
    expect(clone.snakemake(clone.study()), Counter())


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
def test_record_edited_by_hand_is_refused(done: Checkout, tmp_path: Path, name: str) -> None:
    clone = Checkout.fresh(tmp_path / "clone")
    shutil.copytree(done.folder / "results", clone.folder / "results")
    record = clone.find(f"runs/digits/tiny_cnn/*/*/seed1/{name}")[0]
    content = json.loads(record.read_text())
    if name == "run.json":
        content["val_accuracy"] = 0.99
    else:
        content["metrics"]["accuracy"]["value"] = 0.99
    record.write_text(json.dumps(content))
    outcome = clone.snakemake(clone.study())
    assert outcome.status != 0
    assert f"{record.relative_to(clone.folder)}: was changed after it was written" in outcome.text
    assert "Traceback" not in outcome.text
    assert not outcome.jobs & Counter({"report": 1})
    assert len(clone.find("runs/**/model.safetensors")) == 4
