"""The profiles plan the tiny study, which needs no cluster; tests/cluster/run.sh runs it on a SLURM. And jobs that
share no folder, as those of Kubernetes, end with the files that others end with.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, TINY, Checkout


def test_the_slurm_profile_plans_the_study(tmp_path: Path) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra slurm is not installed")
    checkout = Checkout.fresh(tmp_path / "checkout")
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", "--workflow-profile", "none"]
    command += ["--configfile", str(checkout.study()), "--dry-run", "--quiet", "host", "--cores", "4"]
    run = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, timeout=120)
    text = run.stdout + run.stderr
    assert run.returncode == 0, text
    profile, train = block(text, "profile"), block(text, "train")
    assert "threads: 2" in profile
    assert "slurm_extra=--exclusive" in profile
    assert "gpu=1" in train
    assert "mem_mb=8000" in train
    assert "runtime=240" in train
    # A run and its evaluation are one job of the cluster.
    assert text.count("Group job run") == 4


def test_jobs_ask_for_what_earlier_ones_took(done: Checkout) -> None:
    text = done.snakemake(done.study(), "--dry-run", "--forcerun", "train", "profile").text
    for rule in ("train", "profile"):
        assert "runtime=10" in block(text, rule)
        assert "mem_mb=8000" not in block(text, rule)


def test_a_run_of_several_processes_asks_for_the_threads_and_memory_of_each(tmp_path: Path) -> None:
    checkout = Checkout.fresh(tmp_path / "checkout")
    recipes = {"quick": TINY["recipes"]["quick"] | {"gpus": 2}}
    text = checkout.snakemake(checkout.study(models=["lenet5"], recipes=recipes), "--dry-run", cores="4").text
    train = block(text, "train")
    assert "threads: 2" in train
    assert "mem_mb=16000" in train


def block(text: str, rule: str) -> str:
    """What Snakemake says of the first job of a rule."""
    start = text.index(f"rule {rule}:")
    return text[start : text.index("resources:", start)] + text[text.index("resources:", start) :].splitlines()[0]


def carried(checkout: Checkout, storage: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Snakemake with a storage of a folder, as if nothing were shared."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--workflow-profile", "none", "--quiet", "host"]
    command += ["--default-storage-provider", "fs", "--default-storage-prefix", str(storage)]
    return subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, timeout=300)


def test_the_kubernetes_profile_plans_the_study(tmp_path: Path) -> None:
    """With a folder for its storage: to plan on S3, Snakemake would ask it what is there."""
    for plugin in ("snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_fs"):
        pytest.importorskip(plugin, reason="the extra kubernetes is not installed")
    checkout = Checkout.fresh(tmp_path / "checkout")
    study = ["--configfile", str(checkout.study()), "--dry-run"]
    run = carried(checkout, tmp_path / "storage", "--profile", "profiles/kubernetes", *study)
    text = run.stdout + run.stderr
    assert run.returncode == 0, text
    train = block(text, "train")
    assert "gpu=1" in train
    assert "mem_mb=8000" in train
    assert str(tmp_path / "storage" / "results" / "data") in text  # arrays are inputs there


def test_the_storage_of_the_kubernetes_profile_can_be_had() -> None:
    profile = yaml.safe_load((ROOT / "profiles" / "kubernetes" / "profile.v9+.yaml").read_text(encoding="utf-8"))
    for kind, name in (("executor", profile["executor"]), ("storage", profile["default-storage-provider"])):
        plugin = f"snakemake_{kind}_plugin_{name}"
        pytest.importorskip(plugin, reason="the extra kubernetes is not installed")
        assert importlib.import_module(plugin).__name__ == plugin


def test_jobs_that_share_no_folder_end_with_the_same_bits(done: Checkout, tmp_path: Path) -> None:
    pytest.importorskip("snakemake_storage_plugin_fs", reason="it comes with the tests' dependencies")
    if not shutil.which("rsync"):
        pytest.skip("no rsync, by which the storage copies")
    away, storage = Checkout.fresh(tmp_path / "away"), tmp_path / "storage"
    study = ["--configfile", str(away.study(models=["lenet5"], seeds=[0])), "--cores", "2"]
    run = carried(away, storage, "--shared-fs-usage", "none", *study)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not (away.folder / "results").exists()
    (made,) = storage.glob("results/runs/digits/lenet5/standard/*/seed0/predictions.npz")
    assert made.read_bytes() == (done.folder / made.relative_to(storage)).read_bytes()
    assert (storage / "results" / "tiny" / "report.html").stat().st_size > 10_000


def test_a_study_that_needs_a_shared_folder_says_so(tmp_path: Path) -> None:
    pytest.importorskip("snakemake_storage_plugin_fs", reason="it comes with the tests' dependencies")
    checkout = Checkout.fresh(tmp_path / "checkout")
    study = checkout.study(probe={"corruptions": True})
    run = carried(checkout, tmp_path / "storage", "--configfile", str(study), "--cores", "2", "--dry-run")
    assert run.returncode == 1
    assert "--default-storage-provider: probes of this study" in run.stdout + run.stderr
