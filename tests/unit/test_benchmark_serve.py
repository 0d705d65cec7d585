"""The clients of benchmarks/serve.py count answers, and notice those that are wrong."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from serve_fixture import LABELS, png, predictor, serving


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of benchmarks/, which is no part of the package."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    return importlib.import_module("benchmarks.load")


def test_every_answer_is_counted_and_checked(load: ModuleType) -> None:
    values = (0, 128, 255)
    with serving(predictor()) as port:
        requests = [load.request(i, png(value)) for i, value in enumerate(values)]
        found = asyncio.run(load.turn(port, 4, 0.2, requests))
    assert found.sent == len(found.answers) > len(found.latencies) > 4
    assert found.broken == 0
    assert load.wrong(found.answers, LABELS) == 0
    of_the_last = sum(number == 2 for number, _ in found.answers)
    assert load.wrong(found.answers, [*LABELS[:2], "another"]) == of_the_last > 0


def test_figures_are_of_the_process_that_prints_them(
    load: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = png(255)
    np.savez(tmp_path / "images.npz", files=np.frombuffer(file, np.uint8), ends=[len(file)], labels=[LABELS[2]])
    with serving(predictor()) as port:
        monkeypatch.setattr(sys, "argv", ["load", str(port), "2", "0.2", str(tmp_path / "images.npz")])
        load.main()
    figures = json.loads(capsys.readouterr().out)
    assert figures["per_second"] > 0
    assert 0 < figures["p50"] <= figures["p99"]
    assert (figures["lost"], figures["wrong"]) == (0, 0)
