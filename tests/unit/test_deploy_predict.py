"""`bakeoff predict` on files and folders, good and bad."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Call
from PIL import Image

from bakeoff.deploy.predict import files_of
from bakeoff.errors import UserError


@pytest.fixture
def folder(digits: Path, tmp_path: Path) -> Path:
    """The first test images in two folders, with what is no image beside them, and links."""
    pixels = np.load(digits / "test_pixels.npy")[:6, 0]
    for i, image in enumerate(pixels):
        place = tmp_path / "images" / ("a" if i % 2 else "b")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i}.png")
    outside = tmp_path / "outside"
    outside.mkdir()
    Image.fromarray(pixels[0]).save(outside / "secret.png")
    (tmp_path / "images/c").symlink_to(outside)
    (tmp_path / "images/link.png").symlink_to(outside / "secret.png")
    (tmp_path / "images/round").symlink_to(tmp_path / "images")
    (tmp_path / "images/notes.txt").write_text("no image, and nobody says so")
    return tmp_path / "images"


def test_a_folder_says_what_the_study_said(deployed: Path, folder: Path, call: Call) -> None:
    done = call("predict", str(deployed), str(folder), "--json", "--top", "3", "--batch-size", "4")
    assert done.status == 0, done.err
    answers = [json.loads(line) for line in done.out.splitlines()]
    files = [Path(answer["file"]).relative_to(folder).as_posix() for answer in answers]
    assert files == ["a/1.png", "a/3.png", "a/5.png", "b/0.png", "b/2.png", "b/4.png"]
    study = np.load(deployed / "predictions.npz")["logits"].argmax(axis=1)
    for answer in answers:
        top = answer["top"]
        assert top[0]["label"] == str(study[int(Path(answer["file"]).stem)])
        assert len(top) == 3
        assert top[0]["probability"] > top[1]["probability"] > top[2]["probability"]


def test_what_cannot_be_read_is_named_and_the_rest_is_answered(
    deployed: Path, folder: Path, tmp_path: Path, call: Call
) -> None:
    bad = folder / "a/2.jpg"
    bad.write_bytes(b"no picture")
    done = call("predict", str(deployed), str(folder), "/dev/zero", "--top", "1")
    assert done.status == 1
    assert len(done.out.splitlines()) == 6
    assert done.out.splitlines()[0].startswith(f"{folder}/a/1.png: ")
    assert f"{bad}: is no image of a format that is read here" in done.err
    assert "/dev/zero: is no file" in done.err
    assert "bakeoff: predict: 2 of 8 images could not be read" in done.err
    line = call("predict", str(deployed), str(bad), "--json")
    assert json.loads(line.out)["error"].startswith("is no image")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{run}", "{tmp}/none.png"], "none.png: is missing"),
        (["{run}", "{tmp}"], "has no images (.png, "),
        (["{tmp}", "{tmp}/images"], "is neither the folder of a run"),
        (["{run}", "{tmp}/images", "--backend", "tensorflow"], "'tensorflow' is neither onnxruntime nor torch"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    arguments: list[str], said: str, deployed: Path, tmp_path: Path, call: Call
) -> None:
    if "images" in " ".join(arguments):
        (tmp_path / "images").mkdir()
        Image.new("L", (3, 3)).save(tmp_path / "images/1.png")
    done = call("predict", *(each.format(run=deployed, tmp=tmp_path) for each in arguments))
    assert done.status == 1
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_file_named_twice_is_answered_once(folder: Path) -> None:
    assert files_of([folder / "a/1.png", folder / "a", folder / "a/1.png"]) == [
        folder / f"a/{i}.png" for i in (1, 3, 5)
    ]
    with pytest.raises(UserError, match="is missing"):
        files_of([folder / "nothing"])
