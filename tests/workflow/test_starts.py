"""How fast jobs are started: Snakemake's own limit is lifted, a user's stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import Checkout

TICK = """
rule tick:
    output:
        touch("ticked"),
    localrule: True


onsuccess:
    print("AFTER", workflow.scheduler.job_rate_limiter)
"""


@pytest.mark.parametrize(("asked", "lifted"), [((), True), (("--max-jobs-per-timespan", "50/1s"), False)])
def test_the_limit_of_starts_is_lifted_where_it_is_snakemakes_own(
    tmp_path: Path, asked: tuple[str, ...], lifted: bool
) -> None:
    """The limiter is asked for before it is taken away: a Snakemake that has it by another name ends with an error."""
    checkout = Checkout.fresh(tmp_path / "checkout")
    checkout.edit("Snakefile", "onstart:\n", 'onstart:\n    print("BEFORE", workflow.scheduler.job_rate_limiter)\n')
    with (checkout.folder / "Snakefile").open("a", encoding="utf-8") as file:
        file.write(TICK)
    outcome = checkout.snakemake(checkout.study(), "tick", *asked)
    assert outcome.status == 0, outcome.text
    before, after = (re.findall(rf"^{when} (.*)$", outcome.text, re.MULTILINE) for when in ("BEFORE", "AFTER"))
    assert before != ["None"]
    assert len(before) == 1
    assert after == (["None"] if lifted else before)
