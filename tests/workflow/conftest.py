"""Checkouts in which the tiny study was run: pytest's workers share the first run, and each changes its own copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkout import Checkout, Outcome, started_jobs
from filelock import FileLock


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Checkout, Outcome]:
    """A fresh checkout in which the tiny study was run once."""
    own = tmp_path_factory.getbasetemp()
    everyones = own if worker_id == "master" else own.parent
    said = everyones / "first_run.txt"
    with FileLock(everyones / "first_run.lock"):
        if not said.exists():
            said.write_text(_run(everyones / "first_run"), encoding="utf-8")
    status, _, text = said.read_text(encoding="utf-8").partition("\n")
    checkout = Checkout(everyones / "first_run").copy(own / "checkout")
    return checkout, Outcome(int(status), text, started_jobs(text))


def _run(folder: Path) -> str:
    checkout = Checkout.fresh(folder)
    outcome = checkout.snakemake(checkout.study())
    return f"{outcome.status}\n{outcome.text}"


@pytest.fixture
def done(first_run: tuple[Checkout, Outcome], tmp_path) -> Checkout:
    """A copy of that checkout, to be changed."""
    return first_run[0].copy(tmp_path / "checkout")
