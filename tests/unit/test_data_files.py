"""One's own images: what is found in folders and tables, what is refused, what is stale, and what becomes of pixels."""

from __future__ import annotations

import os
import shutil
import unicodedata
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


# --- folders


def test_every_image_of_every_class_is_found() -> None:
    classes(Path("photos"), "bee", "Ant", each=10)
    picture(Path("photos/bee/deeper/still/x.png"))
    for name in ("photos/bee/notes.txt", "photos/bee/.hidden.png", "photos/.DS_Store", "photos/README.md"):
        Path(name).write_text("no image")
    found = folder.listing(HERE, "photos")
    assert found.class_names == ("Ant", "bee")
    assert len(found.entries) == 21
    assert [e.name for e in found.entries] == sorted(e.name for e in found.entries)
    assert {e.label for e in found.entries if e.path.startswith("bee/")} == {"bee"}
    assert {e.part for e in found.entries} == {None}


def test_numbers_are_in_their_own_order() -> None:
    classes(Path("photos"), "10", "9", "1", each=1)
    assert folder.listing(HERE, "photos").class_names == ("1", "9", "10")


@pytest.mark.parametrize("val", ["val", "valid", "Validation", "VAL"])
def test_split_folders_are_the_official_split(val: str) -> None:
    for part, n in (("train", 6), (val, 3), ("Test", 2)):
        classes(Path("photos") / part, "a", "b", each=n, first=50 * n)
    manifest = prepare(grid(datasets=[entry()]))
    assert manifest["counts"] == {"train": 12, "val": 6, "test": 4}
    assert manifest["class_counts"] == {"train": [6, 6], "val": [3, 3], "test": [2, 2]}
    ids = [arrays.load(Path("out"), part).ids for part in PARTS]
    assert [sorted(part)[0] for part in ids] == [0, 12, 18]
    assert sorted(np.concatenate(ids)) == list(range(22))


def test_without_official_validation_images_some_are_taken_from_training() -> None:
    for part, n in (("train", 10), ("test", 2)):
        classes(Path("photos") / part, "a", "b", each=n)
    assert prepare(grid(datasets=[entry()]))["counts"] == {"train": 17, "val": 3, "test": 4}


def test_a_class_may_be_called_train() -> None:
    classes(Path("photos"), "train", "bus", each=2)
    assert folder.listing(HERE, "photos").class_names == ("bus", "train")


def test_names_of_any_script_and_with_odd_characters() -> None:
    names = ["犬", "Größe", "a b", "<b>&", '50%, "x"', "$(rm)", "{y}", "-n", "'"]
    classes(Path("photos"), *names, each=3)
    found = folder.listing(HERE, "photos")
    assert set(found.class_names) == set(names)
    manifest = prepare(grid(datasets=[entry()]))
    assert manifest["class_names"] == list(found.class_names)
    assert manifest["title"] == "mine"


def test_accents_are_the_same_taken_apart() -> None:
    for form in ("NFC", "NFD"):
        classes(Path(form), unicodedata.normalize(form, "é"), "x", each=2)
    one, other = (folder.listing(HERE, form) for form in ("NFC", "NFD"))
    assert one.class_names == other.class_names
    assert fingerprint.fingerprint(one) == fingerprint.fingerprint(other)
    classes(Path("NFC"), unicodedata.normalize("NFD", "é"), each=1)
    with pytest.raises(UserError, match="two folders of one name"):
        folder.listing(HERE, "NFC")


def _one_class() -> None:
    classes(Path("photos"), "only")


def _empty_class() -> None:
    classes(Path("photos"), "a", "b")
    Path("photos/nothing").mkdir()


def _nothing() -> None:
    Path("photos").mkdir()


def _no_folder() -> None:
    picture(Path("photos.png")).rename("photos")


def _beside() -> None:
    picture(classes(Path("photos"), "a", "b") / "x.png")


def _foreign_class() -> None:
    classes(Path("photos/train"), "cat", "dog")
    classes(Path("photos/test"), "Cat", "dog")


def _control_character() -> None:
    classes(Path("photos"), "a", "b\nc", each=1)


def _not_utf8() -> None:
    classes(Path("photos"), "a", "b", each=1)
    Path(os.fsdecode(b"photos/\xff")).mkdir()


def _two_validations() -> None:
    for part in ("train", "val", "valid"):
        classes(Path("photos") / part, "a", "b", each=1)


def _outward_link() -> None:
    classes(Path("photos"), "a", "b", each=1)
    picture(Path("secret.png"))
    Path("photos/a/z.png").symlink_to(Path("secret.png").absolute())


def _outward_folder() -> None:
    classes(Path("elsewhere"), "c")
    classes(Path("photos"), "a", "b", each=1)
    Path("photos/c").symlink_to(Path("elsewhere/c").absolute())


def _device() -> None:
    classes(Path("photos"), "a", "b", each=1)
    os.mkfifo("photos/a/pipe.png")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (_one_class, "photos: has the one class 'only'"),
        (_empty_class, "photos/nothing: has no images"),
        (_nothing, "photos: has no images to train on"),
        (_no_folder, "photos is no folder"),
        (_beside, "photos/x.png: stands beside the class folders"),
        (_foreign_class, "test has classes that train has no images of: 'Cat'; it has none of train's 'cat'"),
        (_control_character, r"photos: the name 'b\\nc' cannot be printed"),
        (_not_utf8, "photos: the name '.udcff' cannot be printed"),
        (_two_validations, "'val', 'valid' are one split"),
        (_outward_link, "photos/a/z.png: links to a place outside"),
        (_outward_folder, "photos/c: links to a place outside"),
        (_device, "photos/a/pipe.png: is no file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_folders_that_are_no_data_set(make: Callable[[], None], complaint: str) -> None:
    make()
    with pytest.raises(UserError, match=complaint):
        fingerprint.fingerprint(folder.listing(Path("nowhere"), "photos"))


def test_links_may_stay_within_the_folder_or_lead_into_data_root() -> None:
    classes(Path("data/all"), "c", "d", each=2)
    classes(Path("photos"), "a", "b", each=2)
    Path("photos/a/z.png").symlink_to(Path("photos/b/0.png").absolute())
    Path("photos/c").symlink_to(Path("data/all/c").absolute())
    assert len(folder.listing(Path("data"), "photos").entries) == 7


def test_a_path_is_looked_for_in_data_root_first() -> None:
    classes(Path("photos"), "x", "y", each=1)
    assert folder.listing(Path("data"), "photos").class_names == ("x", "y")
    classes(Path("data/photos"), "a", "b", each=1)
    assert folder.listing(Path("data"), "photos").class_names == ("a", "b")
    assert folder.listing(Path("data"), str(Path("photos").absolute())).class_names == ("x", "y")


# --- tables


def test_a_table_says_what_the_folders_say() -> None:
    classes(Path("photos"), "a", "b", each=5)
    by_folder = folder.listing(HERE, "photos")
    rows = "".join(f"{e.path},{e.label}\n" for e in reversed(by_folder.entries))
    by_table = csv.listing(HERE, table("path,label\n" + rows, "photos/list.csv"))
    assert by_table.entries == by_folder.entries
    assert fingerprint.fingerprint(by_table) == fingerprint.fingerprint(by_folder)


def test_columns_splits_and_spreadsheets() -> None:
    classes(Path("photos"), "a", "b", each=4)
    rows = [
        f"{label},{['train', 'val', 'TEST', 'train'][i]},photos/{label}/{i}{s}"
        for label in "ab"
        for i, s in enumerate([".png", ".JPG", ".webp", ".Jpeg"])
    ]
    found = csv.listing(HERE, table("\ufefflabel,split,path\r\n" + "\r\n".join(rows)))
    assert {(e.label, e.part) for e in found.entries} == {(a, p) for a in "ab" for p in PARTS}
    assert len(found.of("train")) == 4


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("file,label\na/0.png,a\n", "photos.csv:1: must have one column 'path'; it has file, label"),
        ("", "photos.csv:1: must have one column 'path'; it has none"),
        ("path,label,label\n", "must have one column 'label'"),
        ("path,label\na/0.png\n", "photos.csv:2: has not the 2 fields"),
        ("path,label\na/0.png,a,b\n", "photos.csv:2: has not the 2 fields"),
        ("path,label\n../a/0.png,a\n", "photos.csv:2: path: '../a/0.png' leads out of"),
        ("path,label\na/../../x.png,a\n", "photos.csv:2: path: '../x.png' leads out of"),
        ("path,label\n/etc/x.png,a\n", "photos.csv:2: path: '/etc/x.png' leads out of"),
        ("path,label\nout/0.png,a\n", "photos.csv:2: path: 'out/0.png' leads out of"),
        ("path,label\na/out.png,a\n", "photos.csv:2: path: 'a/out.png' leads out of"),
        ("path,label\n/etc/passwd,a\n", "photos.csv:2: path: '/etc/passwd' is none of .bmp"),
        ('path,label\n"a\n.png",a\n', "photos.csv:3: path: 'a.n.png' is no path"),
        ("path,label\n,a\n", "photos.csv:2: path: '' is no path"),
        ('path,label\n"a/0.png,a\n', "cannot be read as a CSV file"),
        ("path,label,split\na/0.png,a,dev\n", "photos.csv:2: split: 'dev' must be one of train, val"),
        ("path,label\na/0.png,\na/1.JPG,x\n", "class name '' cannot be printed"),
        ("path,label\na/0.png,a\n./a/0.png,b\n", "photos.csv: 'a/0.png' stands there twice"),
        ("path,label\na/0.png,a\na/9.png,b\nq.png,b\n", "2 of its images cannot be found: 'a/9.png', 'q.png'"),
        ("path,label\na/0.png,a\na,b\n", "path: 'a' is none of"),
    ],
)
def test_tables_that_are_no_data_set(tmp_path: Path, rows: str, complaint: str) -> None:
    classes(Path("inner"), "a", "b", each=2)
    outer = picture(tmp_path / "outer" / "0.png").parent
    Path("inner/out").symlink_to(outer)
    Path("inner/a/out.png").symlink_to(outer / "0.png")
    table(rows, "inner/photos.csv")
    with pytest.raises(UserError, match=complaint):
        fingerprint.fingerprint(csv.listing(Path("inner"), "photos.csv"))


def test_a_table_of_bytes_is_refused() -> None:
    Path("photos.csv").write_bytes(b"path,label\n\xff,\0")
    with pytest.raises(UserError, match="cannot be read as a CSV file"):
        csv.listing(HERE, "photos.csv")


def test_absolute_paths_may_lead_into_data_root(tmp_path: Path) -> None:
    root = classes(tmp_path / "data" / "big", "a", "b", each=1)
    Path("tables").mkdir()
    rows = table(f"path,label\n{root}/a/0.png,a\n{root}/b/0.png,b\n", "tables/photos.csv")
    assert len(csv.listing(tmp_path / "data", rows).entries) == 2
    with pytest.raises(UserError, match="leads out of"):
        csv.listing(tmp_path / "nowhere", rows)


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
    found = grid(datasets=[entry(channels=1)]).profile_spec("lenet5", "mine")
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
    assert list(Path("out").glob("*pixels*")) != []  # other parts
    assert not Path("out/manifest.json").exists()


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
