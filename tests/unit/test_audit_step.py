"""The step `audit` and `bakeoff audit`: a record beside the manifest, the modes, and what they refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pictures import classes, picture
from PIL import Image
from study_fixture import bakeoff, grid

from bakeoff import audits
from bakeoff.audit.step import admit
from bakeoff.audit.step import run as audit
from bakeoff.data import step
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import Json, read_record, sha256, spec_argument

CODE = "0" * 16


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a user's own images, of which a test image is also a training image."""
    monkeypatch.chdir(tmp_path)
    for part, each in (("train", 12), ("test", 4)):
        classes(Path("photos") / part, "a", "b", each=each)
    for seed, path in enumerate(sorted(Path("photos").rglob("*.*"))):
        picture(path, seed=seed)
    shutil.copy("photos/train/a/0.png", "photos/test/a/0.png")
    return tmp_path


def own(**more: Any) -> Any:
    return grid(datasets=[{"name": "mine", "source": "folder", "path": "photos", "image_size": 8, **more}])


def prepare(mode: str = "warn", out: Path = Path("out")) -> Json:
    of = own(audit=mode)
    strict = admit if mode == "strict" else None
    return read_record(step.run(of.data_spec("mine"), out, CODE, Path(), "photos", 1, strict), "data")


def audited(folder: Path = Path("out"), near: bool = True) -> Json:
    return read_record(audit({"near": near}, folder, folder / "audit.json", CODE), "audit")


def prepared_in_place(**settings: Any) -> Any:
    """A study whose data are where it looks for them, made by the code of now; and not audited."""
    of = own(**settings)
    step.run(of.data_spec("mine"), of.data_dir("mine"), of.data_code("mine"), Path(), "photos")
    return of


def test_the_record_has_the_audit(digits: Path, tmp_path: Path) -> None:
    manifest = read_record(digits / "manifest.json", "data")
    record = read_record(audit({"near": True}, digits, tmp_path / "audit.json", CODE), "audit")
    found = record["audit"]
    assert (record["dataset"], record["data_digest"]) == ("digits", manifest["record_digest"])
    assert found["class_counts"] == manifest["class_counts"]
    assert found["status"] == "done"
    assert (found["refused"], found["warnings"]) == ([], [])
    assert "NaN" not in json.dumps(record)
    assert found["exact"]["train+val/test"]["images"] == 0


@pytest.mark.usefixtures("photos")
def test_warn_goes_on_and_names_the_files() -> None:
    manifest = prepare("warn")
    assert sorted(path.name for path in Path("out").iterdir()) == sorted([*manifest["files"], "manifest.json"])
    (warning,) = audited()["audit"]["warnings"]
    assert warning.startswith("1 test image is also among the training or validation images, byte for byte")
    assert warning.endswith("24 (photos/test/a/0.png) is 0 (photos/train/a/0.png)")


@pytest.mark.usefixtures("photos")
def test_images_that_are_not_what_their_manifest_says_are_not_audited() -> None:
    prepare("warn")
    with Path("out/test_labels.npy").open("ab") as file:
        file.write(b"0")
    with pytest.raises(Refused, match=r"test_labels\.npy: is not the file"):
        audited()


@pytest.mark.usefixtures("photos")
def test_strict_refuses_and_writes_nothing() -> None:
    with pytest.raises(UserError) as caught:
        prepare("strict")
    first, fault, remedy = str(caught.value).splitlines()
    assert first == "mine: is refused by audit: strict;"
    assert "photos/test/a/0.png" in fault
    assert remedy == "  mend or remove these images, or write audit: warn to go on with a warning"
    assert not Path("out").exists()


@pytest.mark.usefixtures("photos")
def test_strict_leaves_alone_what_was_there() -> None:
    prepare("warn")
    before = {path.name: sha256(path) for path in Path("out").iterdir()}
    with pytest.raises(UserError, match="is refused"):
        prepare("strict")
    assert {path.name: sha256(path) for path in Path("out").iterdir()} == before


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize("fault", ["conflict", "constant", "unreadable"])
def test_strict_refuses_each_fault(fault: str) -> None:
    picture(Path("photos/test/a/0.png"), seed=500)
    target = Path("photos/train/b/0.png")
    if fault == "conflict":
        shutil.copy("photos/train/a/0.png", target)
    elif fault == "constant":
        Image.new("RGB", (20, 20), (9, 8, 7)).save(target)
    else:
        target.write_bytes(target.read_bytes()[:80])
    of = own(audit="strict", skip_broken=True)
    with pytest.raises(UserError, match=r"is refused by audit: strict;\n  1 image .*0\.png"):
        step.run(of.data_spec("mine"), Path("out"), CODE, Path(), "photos", 1, admit)


@pytest.mark.usefixtures("photos")
def test_the_mode_is_no_setting_and_off_leaves_out_the_search_alone() -> None:
    assert len({own(audit=mode).data_dir("mine") for mode in ("warn", "strict", "off")}) == 1
    assert own(audit="strict").cells == own().cells
    prepare("warn")
    warned, off = audited()["audit"], audited(near=False)["audit"]
    assert off["status"] == "off"
    assert off["near"]["found"] is None
    assert off["notes"] == ["near duplicates: not looked for: audit: off"]
    assert off["warnings"] == warned["warnings"]


@pytest.mark.usefixtures("photos")
def test_off_looks_for_near_duplicates_only_where_another_study_has() -> None:
    off, warn = prepared_in_place(audit="off"), own(audit="warn")
    assert (off.audit_spec("mine"), warn.audit_spec("mine")) == ({"near": False}, {"near": True})
    for of in (off, warn):
        audit(of.audit_spec("mine"), of.data_dir("mine"), of.audit_path("mine"), of.audit_code)
        assert (of.audit_spec("mine"), warn.audit_spec("mine")) == ({"near": of is warn}, {"near": True})
    assert off.audit_spec("mine") == {"near": True}


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize("near", [None, False, True])
def test_strict_holds_for_what_is_prepared_already_audited_or_not(near: bool | None) -> None:
    of = prepared_in_place()
    if near is not None:
        audit({"near": near}, of.data_dir("mine"), of.audit_path("mine"), of.audit_code)
    assert (of.audited("mine") is None) == (near is None)
    of.check_audits()
    with pytest.raises(UserError, match="mine: is refused by audit: strict"):
        own(audit="strict").check_audits()


@pytest.mark.usefixtures("photos")
def test_an_audit_of_other_images_or_by_other_code_counts_for_nothing() -> None:
    of = prepared_in_place()
    for images, code in ((Path("out"), of.audit_code), (of.data_dir("mine"), CODE)):
        prepare("warn")
        audit({"near": True}, images, of.audit_path("mine"), code)
        assert of.audited("mine") is None


@pytest.mark.usefixtures("photos")
def test_strict_passes_where_nothing_is_prepared_or_nothing_is_wrong() -> None:
    own(audit="strict").check_audits()
    picture(Path("photos/test/a/0.png"), seed=500)
    prepared_in_place(audit="strict").check_audits()


def test_a_wrong_mode_is_told_with_the_choices() -> None:
    with pytest.raises(UserError, match=r"datasets\[0\]\.audit: 'sometimes' must be 'warn', 'strict' or 'off'"):
        grid(datasets=[{"name": "digits", "audit": "sometimes"}])


def test_a_rule_says_whether_to_refuse(photos: Path) -> None:
    spec = own(audit="strict").data_spec("mine")
    told = ["prepare", "--spec", spec_argument(spec), "--data-root", ".", "--place", "photos", "--out", "x"]
    refused = bakeoff(*told, "--strict", cwd=photos)
    assert refused.returncode == 1
    assert refused.stderr.startswith("bakeoff: mine: is refused by audit: strict;")
    assert not (photos / "x").exists()
    assert bakeoff(*told, cwd=photos).returncode == 0


def test_digits_are_audited_from_the_command_line(tmp_path: Path) -> None:
    shown = bakeoff("audit", "digits", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("Digits: 10 classes, images prepared as 1x8x8\n")
    assert "audit: strict would let it pass" in shown.stdout
    assert list(tmp_path.iterdir()) == []
    as_json = json.loads(bakeoff("audit", "digits", "--json", cwd=tmp_path).stdout)
    assert as_json["digits"]["exact"]["train/test"]["pairs"] == 0


def test_own_images_and_studies_are_audited_from_the_command_line(photos: Path) -> None:
    shown = bakeoff("audit", "folder:photos", cwd=photos).stdout
    assert "mine" not in shown
    assert "images prepared as 3x64x64" in shown
    assert "warning: 1 test image is also among" in shown
    assert "audit: strict would refuse it" in shown
    (photos / "s.yaml").write_text(
        "study: s\nmodels: [lenet5]\ndatasets: [digits, {source: folder:photos, image_size: 16, audit: strict}]\n"
    )
    both = bakeoff("audit", "s.yaml", cwd=photos).stdout
    assert both.index("Digits: 10 classes") < both.index("photos: 2 classes, images prepared as 3x16x16")


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("digitz", "digitz: no such data set"),
        ("folder:nowhere", "path: 'nowhere': no such folder of images"),
        ("none.yaml", "none.yaml: no such file"),
    ],
)
def test_what_cannot_be_audited_is_said(target: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=complaint):
        audits.grid_of(target, tmp_path, None)
