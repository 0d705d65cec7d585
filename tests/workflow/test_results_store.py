"""`results_store:` in a study: a second checkout trains nothing, and a changed address makes nothing stale."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from checkout import Checkout

from bakeoff.provenance import sha256

SMALL = {"models": ["tiny_cnn"], "seeds": [0, 1]}


def runs(checkout: Checkout) -> dict[str, str]:
    """Digest of every file of every run, by its path."""
    files = [path for path in checkout.find("runs/**/*") if path.is_file()]
    return {str(path.relative_to(checkout.folder)): sha256(path) for path in files}


def test_a_second_checkout_trains_nothing_and_ends_with_equal_files(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.mkdir()
    (place / "bakeoff-store").touch()
    one, two = Checkout.fresh(tmp_path / "one"), Checkout.fresh(tmp_path / "two")
    first = one.snakemake(one.study(results_store=str(place), **SMALL), "trained")
    assert first.status == 0, first.text
    second = two.snakemake(two.study(results_store=str(place), **SMALL), "trained")
    assert second.status == 0, second.text
    assert runs(one) == runs(two)
    logs = [path.read_text() for path in two.folder.glob("logs/train/**/*.log")]
    assert len(logs) == 2
    assert all("fetched from" in log and "epoch" not in log for log in logs)
    assert one.snakemake(one.study(**SMALL), "trained").jobs == Counter()


def test_weights_that_are_not_kept_are_not_missed(tmp_path: Path) -> None:
    checkout = Checkout.fresh(tmp_path / "one")
    study = checkout.study(train={"keep": "none"}, **SMALL | {"seeds": [0]})
    outcome = checkout.snakemake(study, "evaluated")
    assert outcome.status == 0, outcome.text
    assert not list((checkout.folder / "results").rglob("model.safetensors"))
    assert checkout.snakemake(study, "evaluated").jobs == Counter()
    plan = subprocess.run(
        [sys.executable, "-m", "bakeoff", "plan", study.name], cwd=checkout.folder, capture_output=True, text=True
    )
    assert "train            1       0" in plan.stdout
