"""`bakeoff gate`, whose exit status is the answer, and the requirements in the report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import report_fixture
from command_line import Call
from compare_tree import Tree

from bakeoff.report import figures, gates, step
from bakeoff.report.load import load
from bakeoff.report.text import Names

MODELS = {"resnet18": {0: 0.98, 1: 0.98, 2: 0.97}, "lenet5": {0: 0.80, 1: 0.79, 2: 0.81}}
STUDY = "study: tiny\ndatasets: [digits]\nmodels: [lenet5]\nrequirements: [accuracy >= 0.9]\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.chdir(tmp_path)
    return Tree(Path("results"), MODELS)


def compared(tree: Tree, *must: str) -> None:
    tree.run(requirements={"must": list(must), "prefer": "latency_ms_p50"})


# --- the command --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("must", "status", "words"),
    [
        (["accuracy >= 0.9"], 0, "resnet18 is recommended: of 2 candidates it alone is shown"),
        (["accuracy >= 0.9", "size_mb < 0.01"], 1, "accuracy >= 0.9 stops lenet5; size_mb < 0.01 stops resnet18"),
        (["accuracy >= 0.979"], 2, "accuracy >= 0.979 is undecided for resnet18"),
    ],
)
def test_the_exit_status_is_the_answer(tree: Tree, call: Call, must: list[str], status: int, words: str) -> None:
    compared(tree, *must)
    shown = call("gate", "results/tiny")
    assert (shown.status, shown.err) == (status, "")
    assert words in shown.out
    assert "accuracy >= 0.9" in shown.out
    as_json = call("gate", "results/tiny", "--json")
    assert as_json.status == status
    body = json.loads(as_json.out)
    assert [check["requirement"] for check in body["gates"][0]["candidates"][0]["checks"]] == must


def test_a_study_file_stands_for_its_results(tree: Tree, call: Call) -> None:
    compared(tree, "accuracy >= 0.9")
    Path("tiny.yaml").write_text(STUDY + "report: {labels: {lenet5: LeNet}}\n")
    shown = call("gate", "tiny.yaml")
    assert shown.status == 0
    assert "LeNet" in shown.out


def test_what_is_no_answer_has_a_status_of_its_own(tree: Tree, call: Call) -> None:
    def refused(*arguments: str) -> str:
        result = call("gate", *arguments)
        assert (result.status, result.out) == (3, "")
        assert "Traceback" not in result.err
        return result.err

    Path("tiny.yaml").write_text(STUDY)
    assert "nothing was compared yet" in refused("tiny.yaml")
    compared(tree, "accuracy >= 0.8")
    assert "its requirements are not those that were compared" in refused("tiny.yaml")
    tree.run()
    assert "has no requirements; add" in refused("results/tiny")
    assert "no such file" in refused("other.yaml")
    assert "No such option" in refused("--nothing")
    path = Path("results/tiny/comparison.json")
    path.write_text(path.read_text().replace("lenet5", "lenet6"))
    refused("results/tiny")


# --- the report ---------------------------------------------------------------------------------------------------


def check(verdict: str, value: float, unit: str | None, lo: float, hi: float, reason: str | None = None) -> dict:
    requirement = "accuracy >= 0.95" if unit else "latency_ms_p95 < 20"
    return {
        "requirement": requirement, "unit": unit, "verdict": verdict, "value": value, "lo": lo, "hi": hi,
        "reason": reason,
    }  # fmt: skip


def with_gates(record: dict) -> None:
    """Of the made-up study: lenet5 passes, tiny_cnn was disturbed."""

    def candidate(model: str, verdict: str, *checks: dict) -> dict:
        place = {"model": model, "augmentation": "none", "recipe": "default"}
        return {**place, "verdict": verdict, "reason": None, "checks": list(checks)}

    good = check("pass", 0.9712, "fraction", 0.9605, 0.9811)
    candidates = [
        candidate("tiny_cnn", "undecided", good, check("undecided", 3.0, None, 3.0, 3.0, "disturbed: no GPU")),
        candidate("lenet5", "pass", good, check("pass", 0.0, None, 0.0, 0.0)),
    ]
    record["gates"] = [{"dataset": "digits", "candidates": candidates}]
    record["recommendation"] = [
        {
            "dataset": "digits", "verdict": "pass", "model": "lenet5", "augmentation": "none", "recipe": "default",
            "sentence": "On digits, lenet5 is recommended.", "sentence_ja": "digitsではlenet5を推奨する。",
        }
    ]  # fmt: skip


def reported(tmp_path: Path, language: str = "en", requirements: bool = True) -> Path:
    """The folder of a report, in this language, without figures."""
    folder = report_fixture.write_study(tmp_path, **({"body": with_gates} if requirements else {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "FIGURES", {})
        step.run({"study": "demo", "language": language}, "0" * 16, tmp_path)
    return folder


def test_the_requirements_stand_in_the_report(tmp_path: Path) -> None:
    folder = reported(tmp_path)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<p class="lead">On digits, lenet5 is recommended.</p>' in page
    assert page.count("On digits, lenet5 is recommended.") == 1
    assert (
        page.index('id="answer"') < page.index("is recommended") < page.index('id="gates"') < page.index('id="tables"')
    )
    lines = (folder / "tables" / "gates.csv").read_text(encoding="utf-8").splitlines()
    assert lines == [
        "Group,Model,Augmentation,Recipe,Verdict,accuracy >= 0.95 (%),latency_ms_p95 < 20",
        "digits,lenet5,none,default,recommended,97.12 (96.05–98.11) pass,0.00 pass",
        "digits,tiny_cnn,none,default,undecided,97.12 (96.05–98.11) pass,3.00 undecided",
    ]
    assert "**lenet5**" in (folder / "comparison.md").read_text(encoding="utf-8")
    assert "gates.tex" in (folder / "tables" / "preview.tex").read_text(encoding="utf-8")
    (found,) = [t for t in [gates.table(load(folder).gates, Names({"tiny_cnn": "Tiny CNN"}))] if t]
    assert found.notes[0] == "On digits, lenet5 is recommended."
    assert found.notes[-1] == "latency_ms_p95 < 20, digits / Tiny CNN / none / default: disturbed: no GPU."


def test_a_study_without_requirements_shows_none_and_leaves_none(tmp_path: Path) -> None:
    assert list((reported(tmp_path) / "tables").glob("gates.*"))
    folder = reported(tmp_path, requirements=False)
    assert not list((folder / "tables").glob("gates.*"))
    assert 'id="gates"' not in (folder / "report.html").read_text(encoding="utf-8")


def test_the_requirements_in_japanese(tmp_path: Path) -> None:
    folder = reported(tmp_path, "ja")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "digitsではlenet5を推奨する。" in page
    text = (folder / "tables" / "gates.md").read_text(encoding="utf-8")
    assert "97.12（96.05〜98.11）合格" in text
    assert "**推奨**" in text
    assert "計測が乱された" in text
    assert not re.search(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b", text)
