"""A broken study file ends in a few lines that say what to mend, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkout import Checkout

CASES = {
    "unknown key": ("study: x\nmodel: [lenet5]\ndatasets: [digits]\nmodels: [lenet5]\n", ["model", "models"]),
    "misspelt model": ("study: x\ndatasets: [digits]\nmodels: [timm/resnt18]\n", ["models[0]", "timm/resnet18"]),
    "tab": ("study: x\ndatasets:\n\t- digits\nmodels: [lenet5]\n", ["tab"]),
    "path in a name": ("study: ../x\ndatasets: [digits]\nmodels: [lenet5]\n", ["study", "'../x'"]),
    "missing file": (None, []),
}


# A --configfile that is missing never gets as far as our Snakefile: Snakemake itself stops, with its own traceback.
# `bakeoff run` and `bakeoff plan` say it in a sentence (tests/unit/test_study.py).
@pytest.mark.parametrize(
    ("case", "default"),
    [(case, True) for case in CASES] + [(case, False) for case in CASES if CASES[case][0] is not None],
)
def test_snakemake_refuses_in_a_few_lines(case: str, default: bool, tmp_path: Path) -> None:
    text, words = CASES[case]
    checkout = Checkout.fresh(tmp_path / "checkout")
    kept = checkout.folder / "results" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("result")
    study = checkout.folder / ("config.yaml" if default else "broken.yaml")
    study.unlink(missing_ok=True)
    if text is not None:
        study.write_text(text)
    outcome = checkout.snakemake(None if default else study)
    assert outcome.status != 0
    if default:
        # Of other files, Snakemake says first, and in its own words, that they are missing or no YAML.
        words = [*words, "config.yaml"]
    assert "Traceback" not in outcome.text
    assert len(outcome.text.strip().splitlines()) <= 8, outcome.text
    for word in words:
        assert word in outcome.text
    assert kept.read_text() == "result"
