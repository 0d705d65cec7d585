"""One's own images as folders and tables: what is found there, and what is refused."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import classes, picture
from study_fixture import grid

from bakeoff.data import arrays, fingerprint, step
from bakeoff.data.arrays import PARTS
from bakeoff.data.sources import csv, folder
from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.provenance import Json, read_record

HERE = Path()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def entry(path: str = "photos", **more: Any) -> Json:
    return {"name": "mine", "source": "folder", "path": path, "image_size": 8, **more}


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
