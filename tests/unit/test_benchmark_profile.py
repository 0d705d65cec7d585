"""The benchmark of the profile starts and measures the same request in all its ways."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of benchmarks/, which is no part of the package."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    return importlib.import_module("benchmarks.profile")


def run(profile: ModuleType, monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: str) -> None:
    common = ["--seconds", "0.02", "--cycles", "2", "--disturbance", "9", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", ["profile", *common, *arguments])
    profile.main()


def test_all_ways_measure_the_same_request(
    profile: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(profile, monkeypatch, tmp_path / "out.json", "--models", "lenet5", "--classes", "10")
    (figures,) = json.loads((tmp_path / "out.json").read_text())["figures"].values()
    assert len(figures["cycles"]) == 2
    for cycle in figures["cycles"]:
        assert cycle.keys() == {"ours", "again", "torch", "timm"}
        assert max(cycle.values()) < 20 * min(cycle.values())
    assert "ours/torch" in capsys.readouterr().out


def test_the_rank_check_covers_ten_published_nets(
    profile: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert len(profile.PUBLISHED) == 10
    small = {name: profile.PUBLISHED[name] for name in ("timm/resnet18", "timm/resnet34", "timm/mobilenetv3_large_100")}
    monkeypatch.setattr(profile, "PUBLISHED", small)
    run(profile, monkeypatch, tmp_path / "out.json", "--published")
    figures = json.loads((tmp_path / "out.json").read_text())["figures"]
    assert figures["ours"].keys() == small.keys()
    assert -1 <= figures["spearman"] <= 1
