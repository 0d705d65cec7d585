"""docs/faults.md: every id has a row, and every test that it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = {
    row[0]: row
    for row in (re.split(r" ?\| ?", line)[1:-1] for line in PAGE.splitlines() if re.match(r"\| [RDTS]\d", line))
}


def test_every_id_has_a_row() -> None:
    wanted = {
        f"{letter}{n:02}" for letter, last in (("R", 22), ("D", 10), ("T", 10), ("S", 18)) for n in range(1, last + 1)
    }
    assert set(ROWS) == wanted


def test_every_row_names_a_test_that_is_there_or_a_reason() -> None:
    for _, _, _, test, today in ROWS.values():
        assert test or today
        for each in re.findall(r"[a-z_/]+\.(?:py|sh)(?:::\w+)?", test):
            file, _, name = each.partition("::")
            text = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert not name or f"def {name}(" in text, each


def test_figures_of_hostile_inputs_are_the_numbers_of_cases() -> None:
    """Of rows that say "n of n", where each case is a test of its own."""
    figures = {
        id: said[1] for id, row in ROWS.items() if id[0] in "TS" and (said := re.match(r"(\d+) of \1\b", row[4]))
    }
    named = {id: re.findall(r"[a-z_/]+\.py::\w+", ROWS[id][3]) for id in figures}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    command += [str(ROOT / "tests" / test) for tests in named.values() for test in tests]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120).stdout
    cases = Counter(line.partition("[")[0] for line in said.splitlines() if "::" in line)
    assert figures == {id: str(sum(cases[f"tests/{test}"] for test in tests)) for id, tests in named.items()}
    assert len(figures) >= 8
