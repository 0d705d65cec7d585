"""`bakeoff clean`: what no study asks for goes, what one asks for stays, and nothing outside results/ is touched."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from command_line import Call
from study_fixture import TINY, study

from bakeoff import clean, studyfile
from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.provenance import write_record

MINE = TINY | {"seeds": [0]}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def _write(path: Path, content: str = "x" * 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def _fill(grid: Grid) -> None:
    """A file in the place of each result of a study."""
    for cell in grid.every_cell:
        for seed in cell.seeds:
            write_record(cell.run_dir(seed) / "run.json", "run", {}, "0" * 16, {})
            _write(cell.run_dir(seed) / "model.safetensors")
    for path in grid.profiles():
        _write(path)
    for folder in grid.data_dirs():
        _write(folder / "manifest.json")


def _files(root: Path = Path("results")) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file() or path.is_symlink()}


@pytest.fixture
def both() -> tuple[set[Path], set[Path]]:
    """Files of a study that is here, and those that only another one, which is not, asked for."""
    studyfile.write(MINE, Path("config.yaml"))
    _fill(Grid(study(seeds=[0])))
    mine = _files()
    _fill(Grid(study(seeds=[0, 1], models=["lenet5", "tiny_vit"], datasets=[{"name": "digits", "image_size": 12}])))
    _fill(Grid(study(seeds=[0, 1])))
    return mine, _files() - mine


def test_what_no_study_asks_for_goes_and_the_rest_stays(call: Call, both: tuple[set[Path], set[Path]]) -> None:
    mine, others = both
    assert others
    report = _write(Path("results/old/report.html"))
    status, out, _ = call("clean", "--unused", "--yes")
    assert status == 0
    assert "Kept: what config.yaml asks for." in out
    assert re.search(r"^12 runs, \d+ profiles?, 1 data set: ", out, re.MULTILINE)
    assert "Removed, " in out
    assert _files() == mine | {report}
    assert not [path for path in Path("results").rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert call("clean", "--unused", "--yes")[1].endswith("Nothing to remove.\n")


def test_weights_after_each_epoch_go_where_no_study_asks_for_them(call: Call) -> None:
    studyfile.write(MINE, Path("config.yaml"))
    _fill(Grid(study(seeds=[0])))
    before, runs = _files(), sorted(Path("results/runs").glob("*/*/*/*/seed0"))
    epochs = {_write(run / f"epoch{n}.safetensors") for run in runs for n in (1, 2)}
    other = _write(runs[0] / "epoch_best.safetensors")
    assert call("clean", "--yes")[1] == "Nothing to remove.\n"
    studyfile.write({**MINE, "train": {"keep": "all"}}, Path("studies/all.yaml"))
    assert call("clean", "--unused", "--yes")[1].endswith("Nothing to remove.\n")
    assert epochs < _files()
    Path("studies/all.yaml").unlink()
    status, out, _ = call("clean", "--unused", "--yes")
    assert status == 0
    assert out.count("2 kB") == len(runs)
    assert f"{len(epochs)} files of weights after an epoch: " in out
    assert _files() == before | {other}


def test_a_dry_run_and_a_script_without_yes_remove_nothing(call: Call, both: tuple[set[Path], set[Path]]) -> None:
    before = _files()
    assert call("clean", "--unused", "--dry-run")[0] == 0
    status, _, err = call("clean", "--unused")
    assert (status, err) == (1, "bakeoff: clean: removes nothing without --yes where it cannot ask\n")
    assert _files() == before


def test_without_unused_only_what_was_cut_off_goes(call: Call, both: tuple[set[Path], set[Path]]) -> None:
    before = _files()
    run = next(path.parent for path in before if path.name == "run.json")
    old = [_write(run / ".model.safetensors.123.part.safetensors"), _write(run / "checkpoint.pt")]
    folder = _write(Path("results/data/.prepare-x1/train_pixels.npy")).parent
    for path in (*old, folder):
        os.utime(path, (0, 0))
    kept = {
        _write(run / ".run.json.124.part.json"),  # somebody may be at it
        _write(Path("results/runs/d/m/a/r-0123456789ab/seed9/checkpoint.pt")),  # to go on from
    }
    status, out, _ = call("clean", "--yes")
    assert status == 0
    assert "1 checkpoint of a finished run" in out
    assert "2 half-written files" in out
    assert _files() == before | kept


def test_a_study_that_cannot_be_read_stops_it(call: Call, both: tuple[set[Path], set[Path]]) -> None:
    before = _files()
    _write(Path("studies/broken.yaml"), "study: ../x\n")
    status, _, err = call("clean", "--unused", "--yes")
    assert status == 1
    assert "studies/broken.yaml:1: study: '../x' is no name" in err
    assert _files() == before


def test_a_study_whose_images_are_not_here_keeps_what_has_its_names(
    call: Call, both: tuple[set[Path], set[Path]]
) -> None:
    _write(
        Path("studies/photos.yaml"),
        "study: photos\ndatasets: [{source: 'folder:photos', image_size: 32}]\nmodels: [tiny_vit]\nseeds: [0]\n",
    )
    theirs = {
        _write(Path("results/runs/photos/m/a/r-0123456789ab/seed0/run.json")),
        _write(Path("results/data/photos-0123456789ab/manifest.json")),
        _write(Path("results/profiles/tiny_vit-0123456789ab.json")),
    }
    other = _write(Path("results/data/photos-2-0123456789ab/manifest.json"))
    status, out, _ = call("clean", "--unused", "--yes")
    assert status == 0
    assert "studies/photos.yaml: cannot be read here" in out
    assert "kept is all of photos, tiny_vit" in out
    assert theirs <= _files()
    assert other not in _files()
    assert call("clean", "--unused", "--yes", "studies/photos.yaml").status == 1  # named, it must be read


def test_where_there_is_no_study_all_would_be_unused(call: Call) -> None:
    assert "name the studies to keep" in call("clean", "--unused", "--yes")[2]


def test_links_are_not_followed(call: Call, tmp_path: Path, both: tuple[set[Path], set[Path]]) -> None:
    outside = _write(tmp_path / "outside/m/a/r-0123456789ab/seed0/model.safetensors")
    half = _write(tmp_path / "outside/.x.1.part")
    os.utime(half, (0, 0))
    Path("results/runs/d").symlink_to(tmp_path / "outside")
    Path("results/data/x-0123456789ab").symlink_to(tmp_path / "outside")
    assert call("clean", "--unused", "--yes")[0] == 0
    assert outside.is_file()
    assert half.is_file()
    assert Path("results/runs/d").is_symlink()


def test_a_folder_that_became_a_link_meanwhile_is_left(tmp_path: Path) -> None:
    _write(tmp_path / "outside/file")
    Path("results/data").mkdir(parents=True)
    link = Path("results/data/x-0123456789ab")
    link.symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="leads out of results"):
        clean.remove([clean.Waste("data set", link, 0)])
    assert (tmp_path / "outside/file").is_file()


def test_files_of_other_names_are_nobodys_business(call: Call, both: tuple[set[Path], set[Path]]) -> None:
    mine, _ = both
    own = {
        _write(Path(f"results/{name}"))
        for name in ("data/notes.txt", "data/mine/x.npy", "runs/d/m/a/mine/seed0/x", "profiles/mine.json", "x.part")
    }
    call("clean", "--unused", "--yes")
    assert _files() == mine | own


def test_not_while_snakemake_is_at_work(call: Call, both: tuple[set[Path], set[Path]]) -> None:
    _write(Path(".snakemake/locks/0.input.lock"))
    status, _, err = call("clean", "--unused", "--yes")
    assert status == 1
    assert "snakemake works here" in err
