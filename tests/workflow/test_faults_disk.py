"""Disks that are full or cannot be written to, and files that changed on them (R07, R09): one line says what to do, no
half file is left, nothing else is lost, and the same command then completes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout

from bakeoff.provenance import sha256

SMALL = {"models": ["tiny_cnn"], "seeds": [0, 1]}


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose results are on a disk of 4 MB, with the images prepared."""
    made = Checkout.fresh(tmp_path_factory.mktemp("disk") / "checkout")
    results = made.folder / "results"
    results.mkdir()
    if os.name != "posix" or os.geteuid() != 0 or not _mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(results)):
        pytest.skip("a small disk is mounted by root alone")
    try:
        outcome = made.snakemake(made.study(**SMALL), "data")
        assert outcome.status == 0, outcome.text
        yield made
    finally:
        subprocess.run(["umount", str(results)], check=True)


def _fill(folder: Path, leave: int) -> Path:
    """A file that leaves so many bytes."""
    path = folder / "filling"
    path.write_bytes(bytes(shutil.disk_usage(folder).free - leave))
    return path


def runs(*seeds: int) -> Counter[str]:
    """The jobs of these runs."""
    return Counter(
        {"evaluated": 1, **{f"{step} tiny_cnn {seed}": 1 for step in ("train", "evaluate") for seed in seeds}}
    )


def _halves(checkout: Checkout) -> list[Path]:
    return [path for path in (checkout.folder / "results").rglob("*") if ".part" in path.name]


def test_a_full_disk_then_a_read_only_one_then_changed_files(checkout: Checkout) -> None:
    """One test: each fault begins where the one before was mended."""
    results, study = checkout.folder / "results", checkout.study(**SMALL)

    filling = _fill(results, 8192)
    outcome = checkout.snakemake(study, "trained")
    assert outcome.status != 0
    assert "bakeoff train: the disk is full (" in outcome.text
    assert "Traceback" not in outcome.text
    assert not _halves(checkout)
    assert not list(results.glob("runs/**/*.json"))
    filling.unlink()

    assert _mount("-o", "remount,ro", str(results))
    outcome = checkout.snakemake(study, "trained")
    assert _mount("-o", "remount,rw,size=4m", str(results))
    assert outcome.status != 0
    assert "Read-only file system: 'results/runs" in outcome.text  # Snakemake's own words: no job begins
    assert "Traceback" not in outcome.text

    outcome = checkout.snakemake(study, "evaluated")
    assert outcome.status == 0, outcome.text
    assert outcome.jobs == runs(0, 1)

    kept = {path: sha256(path) for path in results.rglob("*") if path.is_file() and path.suffix != ".json"}
    (predictions,) = results.glob("runs/*/*/*/*/seed0/predictions.npz")
    predictions.write_bytes(predictions.read_bytes()[:-100])
    outcome = checkout.snakemake(study, "evaluated", "--forcerun", "evaluate")
    assert outcome.status != 0
    name = predictions.relative_to(checkout.folder)
    assert f"{name}: is not the file that run.json describes (sha256 differs); delete both to remake" in outcome.text
    predictions.unlink()
    predictions.with_name("run.json").unlink()
    outcome = checkout.snakemake(study, "evaluated")
    assert outcome.status == 0, outcome.text
    assert outcome.jobs == runs(0)
    changed = {path.name for path, was in kept.items() if sha256(path) != was}
    assert changed <= {"history.csv"}  # it has seconds
