"""The tables compile in a stock TeX as they are, and the printed page says what the table says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

import report_fixture

from bakeoff.report import columns, step

ENGINES = [
    pytest.param(engine, marks=pytest.mark.skipif(shutil.which(engine) is None, reason=f"no {engine} on this machine"))
    for engine in ("pdflatex", "lualatex")
]
LABELS = {
    "lenet5": r"a_b%&\input{x} $x^2$ #1 {} ~ -- [2pt]",
    "resnet18": "Résumé-18 <b>",
    "tiny_vit": "A model with a name that is rather longer than what stands in most columns of most tables",
}


def written(folder: Path, wanted: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tables of a study with every mark, failure and published value; returns their folder."""

    def body(record: dict[str, Any]) -> None:
        rows = record["rows"]
        rows += [row | {"metric": "macro_f1"} for row in rows]
        rows[1].update(stars="★★", dagger="†", p_adj=0.0004, crossed_p_adj=0.01, warnings=["one of 5 seeds lost"])
        rows[2].update(stars="▼▼", dagger="", p_adj=0.004, verdict="worse", macs_note="fvcore counts 20 % less")
        rows[3].update(p_method="sign_flip", status="zero_variance")
        record["costs"][1].update(marks=["other processes used 1.0 of 2 cores"])
        record["costs"][2].update(latency_ms_p50=None, failure="no GPU", reason="torch sees no GPU here")
        record["costs"][2].update(macs_note="fvcore counts 20 % less")
        place = {"dataset": "digits", "model": "resnet18", "augmentation": "none", "recipe": "default"}
        record["references"] = [
            {
                **place, "metric": "accuracy", "unit": "fraction", "value": 0.949, "runs": 3, "source": "He & al. 2016",
                "n": 5, "mean": 0.98, "std": 0.002, "mean_lo": 0.9775, "mean_hi": 0.9825, "expect_lo": 0.9739,
                "expect_hi": 0.9861, "verdict": "below", "reason": None,
            }
        ]  # fmt: skip

    monkeypatch.setattr(step.figures, "write", lambda *_: None)
    monkeypatch.setattr(step.html, "render", lambda *_: "")
    report_fixture.write_study(folder, augmentations=("none",), datasets=("digits", "fashion"), body=body)
    step.run({"study": "demo", "labels": LABELS, "columns": wanted}, "0" * 16, folder)
    return folder / "demo" / "tables"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wanted", [[], [*columns.KINDS, "macro_f1"]], ids=["default", "every column"])
def test_the_tables_compile_as_they_are(
    engine: str, wanted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path, wanted, monkeypatch)
    done = subprocess.run(
        [engine, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "preview.tex"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False, errors="replace",
    )  # fmt: skip
    if "sty' not found" in done.stdout:
        pytest.skip(f"{engine} has not all of booktabs, siunitx, graphicx, amssymb")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "Missing character" not in (folder / "preview.log").read_text(errors="replace")
    if shutil.which("pdftotext") is None or wanted:
        return
    page = subprocess.run(["pdftotext", "-layout", "preview.pdf", "-"], cwd=folder, capture_output=True, text=True)
    text = page.stdout
    # What pdftotext makes of _, ^ and é depends on the font.
    for shown in (r"b%&\input{x} $x", "#1 {}", "-- [2pt]", "-18 <b>", "555.4", "94.9 below [97.39–98.61]"):
        assert shown in text
