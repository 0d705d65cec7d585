"""A results store: what is in it is fetched and not trained, and what cannot be trusted is trained."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from study_fixture import study

from bakeoff import store
from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.provenance import _self_digest, read_record, sha256
from bakeoff.store import MARK, Store, Wanted

CODE = "0" * 16
NAMES = {"dataset": "digits", "model": "lenet5", "augmentation": "standard", "recipe": "default"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, train_run: Callable[..., Path]) -> Path:
    return train_run(tmp_path_factory.mktemp("run") / "seed0", epochs=1, train_images=64)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty store."""
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / MARK).touch()
    return folder


@pytest.fixture
def wanted(trained: Path, digits: Path) -> Callable[[Path], Wanted]:
    """The run, wanted in a folder."""
    spec = read_record(trained / "run.json", "run")["spec"]
    return lambda folder: store.run_wanted(spec, NAMES, {0: folder}, digits, CODE, None)[0]


class Made:
    """Trains, which here means to copy, and counts how often."""

    def __init__(self, trained: Path, folder: Path) -> None:
        self.trained, self.folder, self.times = trained, folder, 0

    def __call__(self) -> None:
        self.times += 1
        shutil.copytree(self.trained, self.folder, dirs_exist_ok=True)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in folder.iterdir()}


def through(address: str, wanted: Callable[[Path], Wanted], trained: Path, folder: Path) -> int:
    made = Made(trained, folder)
    store.through(address, lambda: [wanted(folder)], made)
    assert contents(folder) == contents(trained)
    return made.times


def test_the_second_checkout_trains_nothing_and_ends_with_equal_files(
    place: Path, wanted: Callable[[Path], Wanted], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert through(str(place), wanted, trained, tmp_path / "one") == 1
    assert through(str(place), wanted, trained, tmp_path / "two") == 0
    assert re.search(r"two/run\.json: fetched from .*store", capsys.readouterr().err)
    assert not list(place.rglob("*.part"))


def test_any_address_that_fsspec_knows(wanted: Callable[[Path], Wanted], trained: Path, tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/shared/{MARK}", b"")
    assert through("memory://shared", wanted, trained, tmp_path / "one") == 1
    assert through("memory://shared", wanted, trained, tmp_path / "two") == 0


def test_without_a_store_everything_is_trained(wanted: Callable[[Path], Wanted], trained: Path, tmp_path: Path) -> None:
    assert through("", wanted, trained, tmp_path / "one") == 1


def test_where_more_is_asked_for_than_it_has_it_is_made_and_put_there(
    place: Path, wanted: Callable[[Path], Wanted], trained: Path, tmp_path: Path
) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        made = Made(trained, folder)
        store.through(str(place), partial(lambda at: [wanted(at)], folder), made, fetch=False)
        assert made.times == 1
    assert through(str(place), wanted, trained, tmp_path / "three") == 0


def test_a_store_that_is_not_there_costs_a_line(
    wanted: Callable[[Path], Wanted], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert through(str(tmp_path / "gone"), wanted, trained, tmp_path / "one") == 1
    assert through("nonsense://x", wanted, trained, tmp_path / "two") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.endswith("; goes on without") for line in lines)
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda each: {"code": "1" * 16},
        lambda each: {"spec": {**each.spec, "threads": 2}},
        lambda each: {"names": {**each.names, "seed": 1}},
        lambda each: {"names": {**each.names, "model": "other"}},
        lambda each: {"basis": {**each.basis, "data": "0" * 64}},
        lambda each: {"basis": {**each.basis, "software": {"torch": "1.0"}}},
        lambda each: {"basis": {**each.basis, "device": "cuda"}},
        lambda each: {"basis": {**each.basis, "tuned": "0" * 64}},
    ],
)
def test_what_a_run_depends_on_is_where_it_stands(
    wanted: Callable[[Path], Wanted], tmp_path: Path, change: Callable[[Wanted], dict[str, Any]]
) -> None:
    from dataclasses import replace

    one = wanted(tmp_path)
    assert replace(one, **change(one)).key != one.key
    assert wanted(tmp_path / "elsewhere").key == one.key


def _record(place: Path) -> Path:
    (path,) = place.glob("runs/*/*.json")
    return path


def _resealed(place: Path, **changes: Any) -> None:
    record = json.loads(_record(place).read_text()) | changes
    _record(place).write_text(json.dumps(record | {"record_digest": _self_digest(record)}))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _files(place: Path) -> list[Path]:
    return sorted(path for path in place.glob("files/*/*"))


TAMPERING: dict[str, Callable[[Path], Any]] = {
    "a bit of a file": lambda place: _flip(_files(place)[0]),
    "every file cut": lambda place: [_truncate(path) for path in _files(place)],
    "a file gone": lambda place: _files(place)[1].unlink(),
    "a bit of the record": lambda place: _flip(_record(place)),
    "no JSON": lambda place: _record(place).write_text("<html>"),
    "NaN": lambda place: _record(place).write_text('{"a": NaN}'),
    "too large": lambda place: _record(place).write_bytes(bytes(17 * 2**20)),
    "another seed": lambda place: _resealed(place, seed=1),
    "another kind": lambda place: _resealed(place, kind="profile"),
    "other code": lambda place: _resealed(place, code_digest="1" * 16),
    "out of memory": lambda place: _resealed(place, status="oom"),
    "other data": lambda place: _resealed(place, data_digest="0" * 64),
    "a path": lambda place: _resealed(place, files={"../../../outside": "0" * 64}),
    "a path as a digest": lambda place: _resealed(
        place, files=dict.fromkeys(store.RUN_FILES, "../../../../../etc/passwd")
    ),
    "one file more": lambda place: _resealed(
        place, files=json.loads(_record(place).read_text())["files"] | {"sitecustomize.py": "0" * 64}
    ),
    "a number for files": lambda place: _resealed(place, files=1),
}


@pytest.mark.parametrize("case", TAMPERING)
def test_what_was_tampered_with_is_refused_and_trained_and_mended(
    place: Path,
    wanted: Callable[[Path], Wanted],
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    case: str,
) -> None:
    through(str(place), wanted, trained, tmp_path / "one")
    TAMPERING[case](place)
    capsys.readouterr()
    assert through(str(place), wanted, trained, tmp_path / "two") == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert through(str(place), wanted, trained, tmp_path / "three") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"store", "one", "two", "three"}


def test_writers_and_readers_at_once_meet_whole_results(
    place: Path, wanted: Callable[[Path], Wanted], trained: Path, tmp_path: Path
) -> None:
    def work(number: int) -> bool:
        there = Store(str(place))
        folder = tmp_path / f"of{number}"
        if there.fetch(wanted(folder)):
            assert contents(folder) == contents(trained)
        else:
            shutil.copytree(trained, folder, dirs_exist_ok=True)
        there.put(wanted(folder))
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(24)))
    assert not list(place.rglob("*.part"))
    assert len(_files(place)) == len(store.RUN_FILES)


def test_what_is_this_machines_alone_is_not_shared(
    place: Path, wanted: Callable[[Path], Wanted], trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "oom"
    shutil.copytree(trained, folder)
    record = json.loads((folder / "run.json").read_text()) | {"status": "oom"}
    (folder / "run.json").write_text(json.dumps(record | {"record_digest": _self_digest(record)}))
    Store(str(place)).put(wanted(folder))
    assert not list(place.glob("runs/*/*"))


def test_the_address_makes_nothing_stale_and_costs_are_measured_here(place: Path) -> None:
    plain, shared = Grid(study()), Grid(study(results_store=str(place)))
    assert [cell.spec for cell in plain.cells] == [cell.spec for cell in shared.cells]
    assert plain.profiles() == shared.profiles()
    assert plain.compare_spec() == shared.compare_spec()
    rules = Path(__file__).parents[2] / "workflow" / "rules"
    assert {path.stem for path in rules.glob("*.smk") if "results_store" in path.read_text()} == {
        "train",
        "train_together",
        "tune",
    }


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/nowhere", "'/nowhere' is no store; make it one: mkdir -p /nowhere && touch /nowhere/bakeoff-store"),
        ("s3://user:word@bucket", "holds a user or password"),
        ("simplecache::s3://bucket", "chains of addresses"),
        ("nonsense://x", "fsspec knows no 'nonsense'"),
    ],
)
def test_an_address_that_is_none_is_told_at_once(address: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        study(results_store=address)
