"""The profile for SLURM plans the tiny study, which needs no SLURM; tests/cluster/run.sh runs it on one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from checkout import Checkout

pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra slurm is not installed")


def test_the_slurm_profile_plans_the_study(tmp_path: Path) -> None:
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


def block(text: str, rule: str) -> str:
    """What Snakemake says of the first job of a rule."""
    start = text.index(f"rule {rule}:")
    return text[start : text.index("resources:", start)] + text[text.index("resources:", start) :].splitlines()[0]
