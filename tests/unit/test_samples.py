"""The pictures of augmentation policies: the step that makes them and the figure that shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bakeoff import stages
from bakeoff.data import arrays
from bakeoff.errors import Refused
from bakeoff.provenance import read_record, write_record
from bakeoff.report import sampled, samples
from bakeoff.report.text import Names
from bakeoff.samples import step

POLICIES = {"plain": {"policy": "none", "options": {}}, "strong": {"policy": "trivialaugment", "options": {}}}
SPEC = {"study": "mine", "datasets": {"digits": {"data": "digits-0", "policies": POLICIES}}}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Prepared images of which the first of class 1 is the ninth."""
    folder = tmp_path / "data/digits-0"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8), dtype=np.uint8)
    labels = np.array([0] * 8 + [1] * 4)
    files = arrays.save(folder, "train", [pixels], (12, 1, 8, 8), labels, np.arange(12))
    write_record(folder / "manifest.json", "data", {}, "0" * 16, {"flip": False}, files)
    return tmp_path


def test_every_policy_shows_the_same_images_one_a_class_first(results: Path) -> None:
    out = step.run(SPEC, "0" * 16, results)
    assert [row["augmentation"] for row in read_record(out, "samples")["samples"]] == ["plain", "strong"]
    plain, strong = sampled.load(results / "mine")
    images = np.load(results / "data/digits-0/train_pixels.npy")
    assert plain.pixels.shape == (6, 9, 1, 8, 8)
    np.testing.assert_array_equal(plain.pixels[:, 0], images[[0, 8, 1, 2, 3, 4]])
    np.testing.assert_array_equal(plain.pixels, np.repeat(plain.pixels[:, :1], 9, axis=1))
    np.testing.assert_array_equal(strong.pixels[:, 0], plain.pixels[:, 0])
    assert (strong.pixels != plain.pixels).any()


def test_equal_settings_give_equal_bytes(results: Path) -> None:
    first = (step.run(SPEC, "0" * 16, results).parent / "samples.npz").read_bytes()
    assert (step.run(SPEC, "0" * 16, results).parent / "samples.npz").read_bytes() == first


def test_a_policy_counts_only_where_it_is_used() -> None:
    assert stages.samples(["none"]) != stages.samples(["none", "trivialaugment"])
    assert stages.samples(["trivialaugment", "none"]) == stages.samples(["none", "trivialaugment", "none"])


def test_the_figure_has_a_row_an_image_and_is_empty_without_the_file(results: Path, tmp_path: Path) -> None:
    step.run(SPEC, "0" * 16, results)
    drawn = samples.figure(sampled.load(results / "mine"), Names({"strong": "Strong"}))
    FigureCanvasAgg(drawn)
    drawn.draw_without_rendering()
    assert len(drawn.axes) == 4 * 9
    assert [ax.get_ylabel() for ax in drawn.axes[::18]] == ["plain", "Strong"]
    assert sampled.load(tmp_path / "nowhere") == []
    (empty,) = samples.figure([], Names({})).axes
    assert empty.texts[0].get_text() == "No samples of the training images"


def test_a_changed_file_is_refused(results: Path) -> None:
    step.run(SPEC, "0" * 16, results)
    (results / "mine/samples.npz").write_bytes(b"other")
    with pytest.raises(Refused):
        sampled.load(results / "mine")
