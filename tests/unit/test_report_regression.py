"""The report of a regression: less is better, units there are or not, and nothing of classes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_fixture

from bakeoff.report import figures, gates, latex, step, tabular
from bakeoff.report.drawing import Look
from bakeoff.report.language import translator
from bakeoff.report.load import load
from bakeoff.report.text import Names, Unit

Json = dict[str, Any]
CODE = "0123456789abcdef"
R2 = {"mean": -0.0069, "std": 0.0082, "n": 5, "lo": -0.017, "hi": 0.003, "unit": "coefficient", "direction": "max"}
COLUMNS = ["score", "r2", "difference", "crossed", "images", "boot", "mde80", "rank"]


def regression(unit: str) -> Callable[[Json], None]:
    """Makes errors of the fixture's accuracies: the numbers as they are, less is better."""
    rmse = {"metric": "rmse", "unit": unit, "direction": "min"}

    def body(record: Json) -> None:
        record["task"] = "regression"
        record["primary_metric"] = {"name": "rmse", "unit": unit, "direction": "min"}
        r2 = [row | R2 | {"metric": "r2"} for row in record["rows"]]
        record["rows"] = [row | rmse for row in record["rows"]] + r2
        for cell in record["cells"]:
            cell["metrics"] |= {"rmse": cell["metrics"]["accuracy"] | rmse, "r2": R2}

    return body


def predicted(targets: int) -> Callable[[Json], None]:
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 32, (targets, 500))

    def diagnosis(record: Json) -> None:
        for cell in record["cells"]:
            cell["outputs"] = {
                "targets": [{"name": f"t{i}", "unit": "px"} for i in range(targets)],
                "seed": 0,
                "true": true.tolist(),
                "predicted": (true + rng.normal(0, 4, true.shape)).tolist(),
            }

    return diagnosis


@pytest.mark.parametrize("unit", ["px", ""])
def test_a_unit_stands_where_there_is_one(tmp_path: Path, unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = ("forest", "effects", "seeds", "pareto_macs", "outputs")
    monkeypatch.setattr(figures, "FIGURES", {name: figures.FIGURES[name] for name in drawn})
    two = {"models": ("lenet5", "tiny_cnn"), "pictures": False}
    folder = report_fixture.write_study(tmp_path, body=regression(unit), diagnosis=predicted(1), **two)
    step.run({"study": "demo", "columns": COLUMNS, "prints": []}, CODE, tmp_path)
    said = {name: (folder / name).read_text(encoding="utf-8") for name in ("comparison.md", "comparison.tex")}
    said["report.html"] = re.sub(
        r"<(script|style)\b.*?</\1>", "", (folder / "report.html").read_text(), flags=re.DOTALL
    )
    said |= {
        name: " ".join(re.findall("<!-- (.*?) -->", (folder / f"figures/{name}.svg").read_text())) for name in drawn
    }
    for name, text in said.items():
        assert not re.search(r"\(\)|\( ?,|  \(n", text), name
    assert "| R² |" in said["comparison.md"]
    axis = "RMSE (px, less is better)" if unit else "RMSE (less is better)"
    assert axis in said["seeds"]
    assert f"{axis}, 95% interval" in said["pareto_macs"]
    less = "Difference in RMSE (px, less is better)" if unit else "Difference in RMSE (less is better)"
    assert less in said["forest"]
    assert less in said["effects"]
    assert "Lowest mean RMSE" in said["report.html"]
    assert ("(px, 80% power)" if unit else "(80% power)") in said["comparison.md"]


@pytest.mark.parametrize(
    ("english", "japanese"),
    [
        ("RMSE (px, less is better), 95% interval", "RMSE（px、小さいほど良い）、95%信頼区間"),
        ("Difference in RMSE (less is better)", "RMSEの差（小さいほど良い）"),
        ("Worse than a: b by +7.6 (+6.1 to +9.2) px, also for new images.",
         "aより劣る: b +7.6 px（+6.1〜+9.2）、新しい画像に対しても成り立つ。"),
        ("Cannot tell from a: b by −0.2 (−0.5 to +0.1).", "aとの差を判定できない: b −0.2（−0.5〜+0.1）。"),
        ("Digits: Targets: x (px), y (px); images of 1x32x32; 1,500 train, 300 val, 500 test.",
         "Digits: 目的変数: x (px)、y (px)；画像は1x32x32；学習1,500枚、検証300枚、テスト500枚。"),
    ],
)  # fmt: skip
def test_it_is_said_in_japanese(english: str, japanese: str) -> None:
    assert translator("ja", {"a", "b", "Digits"})(english) == japanese


def test_a_name_with_a_comma_stays_as_it_is() -> None:
    say = translator("ja", {"none", "20 epochs", "20 epochs, absolute error"})
    assert say("Augmentation none, recipe 20 epochs, absolute error") == (
        "データ拡張 none、学習設定 20 epochs, absolute error"
    )
    assert say("recipe 20 epochs, absolute error") == "学習設定 20 epochs, absolute error"


def test_a_figure_of_classes_says_that_there_are_none(tmp_path: Path) -> None:
    results = load(report_fixture.write_study(tmp_path, body=regression("px"), augmentations=("none",), pictures=False))
    left_out = [name for name, figure in figures.FIGURES.items() if not figure.has(results)]
    assert {"confusion", "per_class", "roc", "thresholds", "reliability", "errors"} < set(left_out)
    for name in ("confusion", "roc", "reliability"):
        (ax,) = figures.FIGURES[name].draw(results, Names({}), Look.of(results)).axes
        assert [text.get_text() for text in ax.texts] == ["A regression\nhas no classes"]


def test_what_is_below_nothing_has_a_minus() -> None:
    unit = Unit.of("coefficient")
    assert unit.spread(-0.0069, 0.0082) == "−0.0069 ± 0.0082"
    assert unit.spread(-1e-12, None) == "0.00"


def test_small_errors_are_not_nothing() -> None:
    unit = Unit.of("m²")
    assert unit.spread(3.21e-4, 2.04e-5) == "0.000321 ± 0.000020"
    assert unit.interval(-4e-6, -6.1e-6, -1.9e-6) == "−0.0000040 (−0.0000061 to −0.0000019)"
    assert unit.spread(0.5, 1e-12) == "0.50 ± 0.00"
    assert (unit.spread(3.21e-4, None), unit.spread(-20.4, None)) == ("0.000321", "−20.40")
    assert Unit.of("fraction").spread(0.98314, 1e-8) == "98.31 ± 0.00"


def test_a_requirement_has_its_unit_and_a_minus(tmp_path: Path) -> None:
    def judged(record: Json) -> None:
        regression("px")(record)
        checks = [
            {"requirement": "rmse < 3", "unit": "px", "value": 2.0, "lo": 1.0, "hi": 2.5},
            {"requirement": "r2 >= 0", "unit": "coefficient", "value": -0.0069, "lo": -0.02, "hi": -0.01},
        ]
        place = {"model": "lenet5", "augmentation": "none", "recipe": "default", "verdict": "fail", "reason": None}
        found = {**place, "checks": [check | {"verdict": "fail", "reason": None} for check in checks]}
        record["gates"] = [{"dataset": "digits", "candidates": [found]}]

    results = load(report_fixture.write_study(tmp_path, body=judged, augmentations=("none",), pictures=False))
    table = gates.table(results.gates, Names({}))
    assert table is not None
    assert [head.text for head in table.heads[-2:]] == ["rmse < 3 (px)", "r2 >= 0"]
    assert table.groups[0].rows[0][-1].text == "−0.00690 (−0.0200 to −0.0100) fail"


def test_a_range_below_nothing_has_a_minus_too() -> None:
    unit = Unit.of("coefficient")
    assert unit.range(-0.2, 0.3) == "−0.20 to 0.30"
    assert unit.published(-0.5) == "−0.5"


def test_it_stands_under_the_others_by_its_point() -> None:
    values = [("−0.0069 ± 0.0082",), ("0.898 ± 0.048",)]
    column = tabular.Column[tuple[str]]("R²", lambda item: item[0])
    printed = latex.to_latex(tabular.build("t", "T", [column], [("", values)]), "s")
    assert r"S[table-format=+1.4]@{\ }l" in printed
    assert r"-0.0069 & $\pm$ 0.0082 \\" in printed


def test_the_figure_of_all_points_is_light(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is random has no points that cover each other: no two models on two targets take more."""
    monkeypatch.setattr(figures, "FIGURES", {"outputs": figures.FIGURES["outputs"]})
    two = {"models": ("lenet5", "tiny_cnn"), "augmentations": ("none",), "pictures": False}
    folder = report_fixture.write_study(tmp_path, body=regression("px"), diagnosis=predicted(2), **two)
    figures.write(load(folder), Names({}), tmp_path, formats=("svg",))
    drawn = (tmp_path / "outputs.svg").read_text(encoding="utf-8")
    assert drawn.count("<image") == 8
    assert len(drawn) < 200_000
