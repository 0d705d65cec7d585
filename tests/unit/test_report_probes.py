"""What probes and audits found, in the page and in figures; nothing of it where a study does not ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report_fixture import draw_only, write_study

from bakeoff.errors import Refused
from bakeoff.report import step

CODE = "0" * 16


@pytest.fixture(autouse=True)
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_only(monkeypatch, "corruptions", "explanations")


def page(results: Path, **study: Any) -> str:
    write_study(results, **study)
    return step.run({"study": "demo", "prints": []}, CODE, results).read_text(encoding="utf-8")


def test_robustness_and_faithfulness_have_a_section(tmp_path: Path) -> None:
    html = page(tmp_path, probed=True)
    assert "Accuracy on corrupted test images" in html
    assert "Gaussian noise" in html
    assert "Do the maps show what answers come from?" in html
    assert "+0.200 ± 0.010" in html
    assert "4 of 5" in html
    assert html.count("HiResCAM") > html.count("SHAP") > 1
    assert "Verification by embeddings" in html
    assert "9,876 / 91,149" in html
    assert "TAR, %, at FAR 0.0001" in html
    assert 'id="corruptions"' in html
    assert 'id="explanations"' in html


def test_a_study_that_asks_for_nothing_has_no_such_section(tmp_path: Path) -> None:
    html = page(tmp_path)
    assert "In depth" not in html
    assert 'id="corruptions"' not in html
    for name in ("corruptions", "explanations"):  # the files are there all the same, and say why they are empty
        assert "The study asks for no" in (tmp_path / "demo" / "figures" / f"{name}.svg").read_text()


def test_a_net_without_maps_has_its_reason(tmp_path: Path) -> None:
    def no_maps(record: dict[str, Any]) -> None:
        for cell in record["probes"]:
            cell["robustness"] = None
            cell["faithfulness"] = {"hirescam": {"reason": "keeps no map of at least 2x2"}}

    html = page(tmp_path, probed=True, diagnosis=no_maps)
    assert "– (keeps no map of at least 2x2)" in html
    assert "Accuracy on corrupted test images" not in html


def test_the_audit_is_in_the_page_and_escaped(tmp_path: Path) -> None:
    def strange(record: dict[str, Any]) -> None:
        record["data"][0]["audit"]["warnings"] = ["<img src=x onerror=alert(1)>"]

    html = page(tmp_path, body=strange)
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "<img src=x" not in html
    assert "10 classes, images of 1x8x8; 1,000 train, 200 val, 597 test." in html
    assert "test and what training sees" in html
    assert "Nearly the same images were not looked for: audit: off." in html


def test_data_without_an_audit_say_why(tmp_path: Path) -> None:
    def none(record: dict[str, Any]) -> None:
        record["data"] = [{**entry, "audit": None, "reason": "manifest.json: is missing"} for entry in record["data"]]

    assert "No audit: manifest.json: is missing." in page(tmp_path, body=none)


def test_pictures_that_are_not_what_they_were_are_refused(tmp_path: Path) -> None:
    folder = write_study(tmp_path, probed=True)
    (folder / "explanations.npz").write_bytes(b"no archive")
    with pytest.raises(Refused, match=r"explanations\.npz: is not the file"):
        step.run({"study": "demo", "title": None}, CODE, tmp_path)
