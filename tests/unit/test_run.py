"""`bakeoff run` on a terminal: Snakemake's lines without its noise, its exit status, and the study below."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console
from study_fixture import study

from bakeoff.commands import news, run

LINES = """\
Building DAG of jobs...
Job stats:
train           6
Select jobs to execute...
Execute 2 jobs...
[Wed Nov 25 02:45:55 2026]
Finished jobid: 13 (Rule: profile)
1 of 14 steps (7%) done
digits lenet5 none default seed 0: epoch 3/12, 900 images/s, 0:10 left
digits lenet5 none default seed 0: val accuracy 0.9703 at epoch 10 of 12
RuleException: [red]not markup[/red] {
The report of study tiny: results/tiny/report.html
"""
KEPT = [0, 1, 2, 9, 10, 11]


def test_what_the_view_says_better_is_left_out() -> None:
    console, begun = Console(file=io.StringIO(), width=60), threading.Event()
    run._copy(io.StringIO(LINES), console, begun)
    lines = LINES.splitlines()
    assert console.file.getvalue().splitlines() == [lines[i] for i in KEPT]  # type: ignore[attr-defined]
    assert begun.is_set()


def test_before_a_job_begins_there_is_no_view() -> None:
    begun = threading.Event()
    run._copy(io.StringIO("Nothing to be done\n"), Console(file=io.StringIO()), begun)
    assert not begun.is_set()


@pytest.mark.parametrize(("wait", "status"), [(0.0, 3), (1.0, 0)])
def test_the_exit_status_is_snakemakes(
    wait: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "_SECONDS", 0.1)
    code = (
        "import os, sys, time; print('Building DAG of jobs...', flush=True); print('Execute 1 jobs...', flush=True); "
        f"time.sleep({wait}); print('news', os.environ['{news.OFF}']); sys.exit({status})"
    )
    assert run._live([sys.executable, "-c", code], study()) == status
    out = capsys.readouterr().out
    assert "Building DAG of jobs..." in out
    assert "news off" in out
    assert "Execute" not in out


@pytest.mark.parametrize(
    ("arguments", "cores"),
    [(["--cores", "4", "-n"], 4), (["-c2"], 2), (["-n", "-c", "3"], 3), (["--cores=5"], 5), (["--cores", "all"], None)],
)
def test_the_cores_are_those_that_snakemake_gets(arguments: list[str], cores: int | None) -> None:
    assert run._cores(arguments) == cores
