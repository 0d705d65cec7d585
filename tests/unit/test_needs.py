"""What jobs ask for: from what earlier ones took."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff import needs
from bakeoff.needs import Needs

USUAL = Needs(8000, 240)


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(needs, "LOGS", tmp_path)
    needs.of.cache_clear()
    return tmp_path / "train/digits"


def took(path: Path, seconds: str, megabytes: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t{megabytes}\n", encoding="utf-8")


def test_the_largest_of_earlier_ones_with_room(logs: Path) -> None:
    took(logs / "seed0.tsv", "3000", "2000")
    took(logs / "seed1.tsv", "3600", "1500.5")
    took(logs / "other/seed1.tsv", "9999", "9999")
    assert needs.of("train/digits/*.tsv", USUAL) == Needs(3000, 180)


def test_never_less_than_any_job_needs(logs: Path) -> None:
    took(logs / "seed0.tsv", "3", "300")
    assert needs.of("train/digits/*.tsv", USUAL) == Needs(needs.LEAST_MB, needs.LEAST_MINUTES)


@pytest.mark.parametrize(("seconds", "megabytes"), [("0.2", "NA"), ("-", "100"), ("nan", "100"), ("", "")])
def test_what_was_not_measured_is_no_measure(logs: Path, seconds: str, megabytes: str) -> None:
    took(logs / "seed0.tsv", seconds, megabytes)
    (logs / "seed1.tsv").write_bytes(b"\xff\x00")
    assert needs.of("train/digits/*.tsv", USUAL) == USUAL
