"""One's own images: how a study names them, what is stale, what cannot be read, and what becomes of pixels."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import classes, picture
from PIL import Image
from study_fixture import grid

from bakeoff.data import arrays, decode, files, fingerprint, registry, step
from bakeoff.data.arrays import PARTS
from bakeoff.data.sources import csv, folder
from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.provenance import Json, read_record, sha256

HERE = Path()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def entry(path: str = "photos", **more: Any) -> Json:
    return {"name": "mine", "source": "folder", "path": path, "image_size": 8, **more}


def spec_of(**more: Any) -> Json:
    return grid(datasets=[entry(**more)]).data_spec("mine")


def prepare(of: Grid, out: str = "out", threads: int = 2) -> Json:
    data_root = Path(of.study.data_root)
    place = of.data_place("mine")
    return read_record(step.run(of.data_spec("mine"), Path(out), "0" * 16, data_root, place, threads), "data")


def table(rows: str, path: str = "photos.csv") -> str:
    Path(path).write_text(rows, encoding="utf-8")
    return path


# --- studies


def test_a_bare_word_names_a_folder_but_not_a_size() -> None:
    classes(Path("My photos"), "a", "b")
    with pytest.raises(UserError, match=r"datasets\[0\]: needs image_size"):
        grid(datasets=["folder:My photos"])
    short = grid(datasets=[{"source": "folder:My photos", "image_size": 8}])
    written = grid(datasets=[{"name": "my-photos", "source": "folder", "path": "My photos", "image_size": 8}])
    assert short.data_place("my-photos") == "My photos"
    assert short.study == written.study
    named = grid(datasets=[{"name": "x", "source": "folder:My photos", "image_size": 8}])
    assert named.data_place("x") == "My photos"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"path": "elsewhere"}, "path: 'elsewhere': no such folder of images"),
        ({"path": ""}, "needs the option path"),
        ({"path": 3}, r"datasets\[0\].path: 3 must be text"),
        ({"channels": 2}, r"datasets\[0\].channels: 2 must be one of 1, 3"),
        ({"channels": True}, "must be one of 1, 3"),
        ({"fit": "stretch"}, "must be one of crop, squash, pad"),
        ({"skip": True}, r"datasets\[0\].skip: no such key; .*skip_broken"),
        ({"source": "csv"}, "photos: cannot be read as a CSV file|Is a directory"),
    ],
)
def test_wrong_options_are_told_with_their_place(changes: Json, complaint: str) -> None:
    classes(Path("photos"), "a", "b", each=1)
    with pytest.raises(UserError, match=complaint):
        grid(datasets=[entry(**changes)])


def test_the_profile_knows_channels_and_classes() -> None:
    classes(Path("photos"), "a", "b", "c", each=2)
    found = grid(datasets=[entry(channels=1)]).profile_specs("lenet5", "mine")[0]
    assert (found["input"], found["classes"]) == ([1, 8, 8], 3)


# --- what is stale


def test_content_not_place_nor_time_is_in_the_settings(tmp_path: Path) -> None:
    classes(Path("photos"), "a", "b")
    before = spec_of()
    assert "photos" not in str(before)
    shutil.copytree("photos", tmp_path / "elsewhere" / "other")
    assert spec_of(path=str(tmp_path / "elsewhere" / "other")) == before
    for path in Path("photos").rglob("*.*"):
        os.utime(path, ns=(1, 1))
    assert spec_of() == before
    for name in ("photos/a/0.png", "photos/a"):
        Path(name).touch()
    assert spec_of() == before


def _edit() -> None:
    picture(Path("photos/a/0.png"), seed=99)


def _secret_edit() -> None:
    """A byte changed, size and time as they were."""
    path = Path("photos/a/0.png")
    was = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def _add() -> None:
    picture(Path("photos/a/new.png"))


def _remove() -> None:
    Path("photos/a/0.png").unlink()


def _rename() -> None:
    Path("photos/a/0.png").rename("photos/a/00.png")


def _move() -> None:
    Path("photos/a/0.png").rename("photos/b/00.png")


@pytest.mark.parametrize("change", [_edit, _secret_edit, _add, _remove, _rename, _move])
def test_whatever_changes_the_images_changes_the_settings(change: Callable[[], None]) -> None:
    classes(Path("photos"), "a", "b")
    before = grid(datasets=[entry()])
    before_dir = before.data_dir("mine")
    change()
    after = grid(datasets=[entry()])
    assert after.data_dir("mine") != before_dir
    assert {c.spec for c in after.cells}.isdisjoint(c.spec for c in before.cells)
    with pytest.raises(UserError, match="not those that the study was read with"):
        prepare(before)


def test_a_label_or_split_changes_the_settings() -> None:
    classes(Path("p"), "a", "b", each=3)
    names = [f"p/{label}/{i}{s}" for label in "ab" for i, s in enumerate([".png", ".JPG", ".webp"])]
    digests = set()
    for labels, parts in (("aaabbb", "train "), ("aaabba", "train "), ("aaabbb", "train test")):
        split = [parts.split()[min(i % 3 // 2, len(parts.split()) - 1)] for i in range(6)]
        rows = "".join(f"{n},{c},{s}\n" for n, c, s in zip(names, labels, split, strict=True))
        digests.add(fingerprint.fingerprint(csv.listing(HERE, table("path,label,split\n" + rows))))
    assert len(digests) == 3


def test_bytes_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    classes(Path("photos"), "a", "b", each=4)
    read: list[str] = []

    def counted(path: Path) -> str:
        read.append(path.name)
        return sha256(path)

    monkeypatch.setattr(fingerprint, "sha256", counted)
    before = spec_of()
    assert len(read) == 8
    assert spec_of() == before
    prepare(grid(datasets=[entry()]))
    assert len(read) == 8
    picture(Path("photos/a/0.png"), seed=5)
    assert spec_of() != before
    assert read[8:] == ["0.png"]
    for cache in fingerprint.CACHE.iterdir():
        cache.write_text('{"a/0.png": [1, 2], "x": 5}')
    picture(Path("photos/a/0.png"), seed=0)
    assert spec_of() == before


def test_a_study_is_read_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    classes(Path("photos"), "a", "b", each=2)
    Path("results").write_text("a file where a folder should be")
    assert len(spec_of()["content"]) == 64


# --- unreadable images


def _broken(kind: str, path: Path) -> None:
    content = picture(path, size=(64, 64)).read_bytes()
    match kind:
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "empty":
            path.write_bytes(b"")
        case "web page":
            path.write_bytes(b"<html>404</html>")
        case "bit":
            path.write_bytes(content[:60] + bytes([content[60] ^ 0x10]) + content[61:])
        case "bomb":
            Image.new("1", (20_000, 10_000)).save(path)
        case "gif":
            Image.open(path).save(path.with_suffix(".gif"))
            path.with_suffix(".gif").rename(path)


KINDS = ["truncated", "empty", "web page", "bit", "bomb", "gif"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_unreadable_image_ends_the_step_with_its_name(kind: str) -> None:
    classes(Path("photos"), "a", "b")
    _broken(kind, Path("photos/b/bad.png"))
    with pytest.raises(UserError) as caught:
        prepare(grid(datasets=[entry()]))
    text = str(caught.value)
    assert text.startswith("folder: 1 image cannot be read; mend or remove them, or leave them out with skip_broken")
    assert "photos/b/bad.png (" in text
    assert kind != "bomb" or "decompression bomb" in text
    assert not Path("out").exists()


def test_all_unreadable_images_are_counted_and_the_first_named() -> None:
    classes(Path("photos"), "a", "b", each=12)
    for i in range(12):
        Path(f"photos/b/bad{i:02}.png").write_bytes(b"")
    with pytest.raises(UserError, match="12 images cannot be read") as caught:
        prepare(grid(datasets=[entry()]))
    assert str(caught.value).count("\n") == 11
    assert str(caught.value).endswith("... and 2 more")


def test_they_can_be_left_out_as_if_they_had_never_been_there() -> None:
    classes(Path("photos"), "a", "b")
    clean = prepare(grid(datasets=[entry()]), "clean")
    for i, kind in enumerate(KINDS):
        _broken(kind, Path(f"photos/b/bad{i}.png"))
    manifest = prepare(grid(datasets=[entry(skip_broken=True)]))
    assert len(manifest["left_out"]) == len(KINDS)
    assert all(f"photos/b/bad{i}.png (" in text for i, text in enumerate(manifest["left_out"]))
    assert manifest["counts"] == clean["counts"]
    for part in PARTS:
        one, other = arrays.load(Path("clean"), part), arrays.load(Path("out"), part)
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.labels, other.labels)
    names = [e.name for e in folder.listing(HERE, "photos").entries]
    kept = np.concatenate([arrays.load(Path("out"), part).ids for part in PARTS])
    assert not any("bad" in names[i] for i in kept)


# --- pixels


def test_the_same_arrays_at_any_number_of_threads_and_any_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    classes(Path("photos"), "a", "b", each=12)
    study = grid(datasets=[entry()])
    one = prepare(study, "one", threads=1)
    monkeypatch.setattr(step, "_CHUNK", 5 * 8 * 8 * 3)
    assert prepare(study, "other", threads=4)["files"] == one["files"]


def test_each_part_holds_the_images_that_its_ids_and_labels_say() -> None:
    classes(Path("photos"), "a", "b", each=10)
    manifest = prepare(grid(datasets=[entry(channels=1, fit="squash")]))
    found = folder.listing(HERE, "photos")
    assert (manifest["channels"], manifest["size"]) == (1, 8)
    for part in PARTS:
        split = arrays.load(Path("out"), part)
        for pixels, label, number in zip(split.pixels, split.labels, split.ids, strict=True):
            file = found.entries[number]
            assert np.array_equal(pixels, decode.read(found.root / file.path, 8, 1, "squash"))
            assert found.class_names[label] == file.label


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        ("crop", [[20, 30], [20, 30]]),
        ("squash", [[15, 35], [15, 35]]),
        ("pad", [[15, 35], [0, 0]]),
    ],
)
def test_an_oblong_image_becomes_square(fit: Any, expected: list[list[int]]) -> None:
    """Columns of 10, 20, 30, 40, twice as wide as high."""
    columns = np.repeat(np.repeat(np.array([[10, 20, 30, 40]], np.uint8), 2, 0), 1, 1).repeat(20, 0).repeat(20, 1)
    found = decode.fitted(Image.fromarray(columns), 2, 1, fit)[0]
    # The filter reaches over the edge between two columns.
    assert np.abs(found.astype(int) - expected).max() <= 4


def test_exif_turns_grey_colour_depth_and_palettes(tmp_path: Path) -> None:
    upright = np.zeros((8, 8), np.uint8)
    upright[:4] = 200
    turned = Image.fromarray(np.rot90(upright, k=1).copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    turned.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(decode.read(tmp_path / "turned.png", 8, 1, "crop")[0], upright)
    deep = Image.fromarray(upright.astype(np.uint16) * 257)
    deep.save(tmp_path / "deep.png")
    assert np.array_equal(decode.read(tmp_path / "deep.png", 8, 1, "crop")[0], upright)
    colour = np.stack([upright, upright // 2, upright // 4], axis=-1)
    for mode in ("RGB", "RGBA", "P"):
        Image.fromarray(colour).convert(mode).save(tmp_path / f"{mode}.png")
        pixels = decode.read(tmp_path / f"{mode}.png", 8, 3, "crop")
        assert np.abs(pixels.astype(int) - colour.transpose(2, 0, 1)).max() <= 4
    Image.fromarray(upright).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100)
    assert decode.read(tmp_path / "cmyk.jpg", 8, 3, "crop").shape == (3, 8, 8)
    grey = decode.read(tmp_path / "turned.png", 8, 3, "crop")
    assert np.array_equal(grey[0], grey[1])


def test_a_large_photograph_shrunk_while_it_is_decoded_is_the_same_picture(tmp_path: Path) -> None:
    path = picture(tmp_path / "large.jpg", size=(800, 640))
    fast = decode.read(path, 32, 3, "crop")
    with Image.open(path) as image:
        plain = decode.fitted(image, 32, 3, "crop")
    assert np.abs(fast.astype(int) - plain).mean() < 3


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 20),
    st.sampled_from([1, 3]),
    st.sampled_from(["crop", "squash", "pad"]),
)
def test_any_shape_fits(width: int, height: int, size: int, channels: int, fit: Any) -> None:
    grey = Image.new("L", (width, height), 77)
    found = decode.fitted(grey, size, channels, fit)
    assert found.shape == (channels, size, size)
    assert found.dtype == np.uint8
    assert fit == "pad" or np.all(found == 77)


def test_images_are_held_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    classes(Path("photos"), "a", "b", each=20)
    monkeypatch.setattr(step, "_CHUNK", 6 * 8 * 8 * 3)
    taken: list[int] = []
    take = files.Files.take

    def counted(self: files.Files, rows: Any, size: int, workers: int) -> Any:
        taken.append(len(rows))
        return take(self, rows, size, workers)

    monkeypatch.setattr(files.Files, "take", counted)
    prepare(grid(datasets=[entry()]))
    assert max(taken) == 6
    assert sum(taken) == 40


def test_nothing_heavy_is_imported_to_read_a_study() -> None:
    assert registry.names()[:3] == ["cifar10", "cifar100", "csv"]
    assert "torchvision/Flowers102" in registry.names()
    assert "torchvision/CocoDetection" not in registry.names()
