"""One's own images under real Snakemake: their bytes decide what runs again, not their times nor their place."""

from __future__ import annotations

import sys
from pathlib import Path

from checkout import Checkout

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from pictures import classes, picture


def test_bytes_decide_what_is_prepared_again(tmp_path: Path) -> None:
    checkout = Checkout.fresh(tmp_path / "checkout")
    photos = classes(checkout.folder / "data" / "my phötos; $(touch x)", "a", "b & c", each=12)
    study = checkout.study(datasets=[{"name": "mine", "source": f"folder:{photos.name}", "image_size": 8}])

    def prepared() -> int:
        outcome = checkout.snakemake(study, "data")
        assert outcome.status == 0, outcome.text
        return outcome.jobs["prepare"]

    assert prepared() == 1
    for path in photos.rglob("*.*"):
        path.touch()
    photos.rename(checkout.folder / photos.name)  # the working folder is looked at as well
    assert prepared() == 0
    picture(checkout.folder / photos.name / "a" / "0.png", seed=99)
    assert prepared() == 1
    (checkout.folder / photos.name / "a" / "1.JPG").write_bytes(b"")
    outcome = checkout.snakemake(study, "data")
    assert outcome.status != 0
    assert "1 image cannot be read" in outcome.text
    assert "a/1.JPG (cannot identify image file" in outcome.text
    assert not (checkout.folder / "x").exists()
