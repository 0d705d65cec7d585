"""What `audit:` of a data set does to a study: strict stops it before anything is trained; no mode prepares it anew."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from checkout import Checkout
from PIL import Image

PREPARED = Counter({"prepare": 1, "audit": 1, "data": 1})


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout with a user's own images, one of which is a training image and a test image."""
    checkout = Checkout.fresh(tmp_path / "checkout")
    rng = np.random.default_rng(0)
    for part, each in (("train", 10), ("test", 3)):
        for label in ("a", "b"):
            (folder := checkout.folder / "photos" / part / label).mkdir(parents=True)
            for i in range(each):
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    shutil.copy(checkout.folder / "photos/train/a/1.png", checkout.folder / "photos/test/a/0.png")
    return checkout


def study(checkout: Checkout, mode: str) -> Path:
    return checkout.study(datasets=[{"name": "mine", "source": "folder:photos", "image_size": 12, "audit": mode}])


def test_strict_stops_a_study_and_no_mode_makes_anything_again(checkout: Checkout) -> None:
    refused = checkout.snakemake(study(checkout, "strict"), "data")
    assert refused.status != 0
    assert "mine: is refused by audit: strict" in refused.text
    assert "(photos/test/a/0.png) is 1 (photos/train/a/1.png)" in refused.text
    assert "Traceback" not in refused.text
    assert not list((checkout.folder / "results/data").glob("mine-*/*"))

    assert checkout.snakemake(study(checkout, "off"), "data").jobs == PREPARED
    arrays = {path: path.stat().st_mtime_ns for path in checkout.find("data/mine-*/*") if path.stem != "audit"}
    assert checkout.snakemake(study(checkout, "warn"), "data").jobs == Counter({"audit": 1, "data": 1})
    (record,) = checkout.find("data/mine-*/audit.json")
    assert json.loads(record.read_text())["audit"]["near"]["found"] is not None
    before = {path: path.stat().st_mtime_ns for path in checkout.find("data/mine-*/*")}
    assert arrays.items() < before.items()
    at_once = checkout.snakemake(study(checkout, "strict"))
    assert at_once.status != 0
    assert "mine: is refused by audit: strict" in at_once.text
    assert at_once.jobs == Counter()
    assert "Traceback" not in at_once.text

    for mode in ("off", "warn"):
        again = checkout.snakemake(study(checkout, mode), "data")
        assert (again.status, again.jobs) == (0, Counter()), again.text
    assert {path: path.stat().st_mtime_ns for path in checkout.find("data/mine-*/*")} == before


def test_strict_lets_a_good_data_set_pass_and_asking_for_it_makes_nothing_again(checkout: Checkout) -> None:
    (checkout.folder / "photos/test/a/0.png").unlink()
    for mode, jobs in (("strict", PREPARED), ("warn", Counter()), ("strict", Counter())):
        outcome = checkout.snakemake(study(checkout, mode), "data")
        assert (outcome.status, outcome.jobs) == (0, jobs), outcome.text
