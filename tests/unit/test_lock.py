"""Who is at work in a folder, and when its lock may be removed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from bakeoff import lock
from bakeoff.commands.unlock import unlock
from bakeoff.errors import UserError
from bakeoff.provenance import write_json


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the working folder one that the holder given has locked."""
    monkeypatch.chdir(tmp_path)

    def make(**changes: object) -> None:
        lock.hold()
        mine = lock.holder()
        assert mine is not None
        write_json(lock.RECORD, asdict(mine) | changes)
        lock.LOCKS.mkdir()
        (lock.LOCKS / "0.output.lock").touch()

    return make


def test_who_is_alive_keeps_its_lock(locked: Callable[..., None]) -> None:
    locked()
    assert f"this folder is in use by process {os.getpid()} of" in (lock.remark() or "")
    with pytest.raises(UserError, match=f"kill {os.getpid()}"):
        unlock(force=True)
    assert lock.is_locked()


@pytest.mark.parametrize("gone", [{"pid": 2**22 + 1}, {"begun": 1.0}], ids=["no process", "another of its number"])
def test_a_dead_ones_lock_is_removed(
    gone: dict[str, object], locked: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    locked(**gone)
    assert "remove it with: bakeoff unlock" in (lock.remark() or "")
    unlock()
    assert not lock.is_locked()
    assert not lock.RECORD.exists()
    assert lock.remark() is None
    unlock()
    assert capsys.readouterr().out.endswith("This folder is not locked.\n")


def test_one_on_another_machine_must_be_asked_for(locked: Callable[..., None]) -> None:
    locked(host="elsewhere")
    with pytest.raises(UserError, match="bakeoff unlock --force"):
        unlock()
    unlock(force=True)
    assert not lock.is_locked()


def test_who_ends_takes_back_its_own_record_only(locked: Callable[..., None]) -> None:
    locked(pid=psutil.Process().ppid())
    lock.release()
    assert lock.RECORD.exists()
    lock.hold()
    lock.release()
    assert not lock.RECORD.exists()
