"""What the tests of hostile input share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    """The world; at its end no payload has run, and nothing stands beside the working folder."""
    here = World(tmp_path, capsys, monkeypatch)
    here.work.mkdir()
    monkeypatch.chdir(here.work)
    yield here
    assert not here.marker.exists(), "a payload ran"
    assert {path.name for path in tmp_path.iterdir()} == {"work"}, "something was written outside"
