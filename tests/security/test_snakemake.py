"""The same through real Snakemake (S01, S03, S04): a study and --config are data, also where a shell reads them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
from checkout import ROOT, Checkout

# What a rule hands to a shell without quotes: numbers, and flags that the rules themselves spell.
OURS = {"threads", "params.attempt", "resources.strict", "resources.above", "resources.seeds"}
_FIELD = re.compile(r"(?<!\{)\{([a-z_]+(?:\.[a-z_]+|\[\d+\])*)(:q)?\}")


@pytest.mark.parametrize("file", sorted((ROOT / "workflow" / "rules").glob("*.smk")), ids=lambda path: path.stem)
def test_every_rule_quotes_what_it_hands_to_a_shell(file: Path) -> None:
    blocks = re.findall(r"^( *)shell:\n((?:\1 +.*\n|\n)+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    bare = {name for _, block in blocks for name, quoted in _FIELD.findall(block) if not quoted}
    assert bare <= OURS


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout.fresh(tmp_path_factory.mktemp("hostile") / "checkout")


STUDY = "study: ok\ndatasets: [{name: d, source: digits, image_size: 12}]\nmodels: [lenet5]\nseeds: [0]\n"
DEFAULT = {
    "YTE definitions": "__definitions__:\n- open('MARKER', 'w')\n" + STUDY,
    "command in a name": STUDY.replace("name: d", "name: '$(touch MARKER)'"),
}


@pytest.mark.parametrize("case", DEFAULT)
def test_a_hostile_default_study_is_refused(checkout: Checkout, case: str) -> None:
    (checkout.folder / "config.yaml").write_text(DEFAULT[case])
    outcome = checkout.snakemake(None, "--dry-run")
    _refused(checkout, outcome.status, outcome.text)


CONFIG = {
    "command": "study=$(touch MARKER)",
    "format": "study={params.spec}",
    "unknown": "__definitions__=[\"open('MARKER', 'w')\"]",
}


@pytest.mark.parametrize("case", CONFIG)
def test_a_hostile_value_on_the_command_line_is_refused(checkout: Checkout, case: str) -> None:
    (checkout.folder / "config.yaml").write_text(STUDY)
    outcome = checkout.snakemake(None, "--dry-run", "--config", CONFIG[case])
    _refused(checkout, outcome.status, outcome.text)


def test_what_snakemake_would_run_in_a_study_bakeoff_run_refuses(checkout: Checkout) -> None:
    (checkout.folder / "hostile.yaml").write_text(DEFAULT["YTE definitions"])
    run = subprocess.run(
        [sys.executable, "-m", "bakeoff", "run", "hostile.yaml", "--dry-run"],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    _refused(checkout, run.returncode, run.stdout + run.stderr)


def _refused(checkout: Checkout, status: int, text: str) -> None:
    assert status != 0
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) <= 4, text
    assert not (checkout.folder / "MARKER").exists()
    assert not (checkout.folder / "results").exists()
    assert {path.name for path in checkout.folder.parent.iterdir()} == {"checkout"}
