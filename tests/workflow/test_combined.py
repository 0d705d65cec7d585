"""Test-time augmentation and ensembles under real Snakemake: which jobs run, and what the table says."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from checkout import Checkout

ASKED = {
    "probe": {"tta": True, "corruptions": True},
    "ensembles": [
        {"name": "both", "models": ["lenet5", "tiny_cnn"]},
        {"name": "lenets", "models": ["lenet5"], "over": "seeds", "method": "vote"},
    ],
}


def rows(checkout: Checkout) -> dict[str, dict[str, str]]:
    (table,) = checkout.find("tiny/comparison.csv")
    with table.open(newline="") as file:
        return {row["candidate"]: row for row in csv.DictReader(file) if row["metric"] == "accuracy"}


def test_they_are_made_of_what_is_there_and_are_rows_of_the_table(
    first_run: tuple[Checkout, object], tmp_path: Path
) -> None:
    checkout = first_run[0].copy(tmp_path / "checkout")
    outcome = checkout.snakemake(checkout.study(**ASKED))
    assert outcome.status == 0, outcome.text
    jobs = Counter({" ".join(job.split()[:1]): 0 for job in outcome.jobs})
    for job, count in outcome.jobs.items():
        jobs[job.split()[0]] += count
    # Nothing is trained or measured again; runs of two nets and two seeds are probed.
    assert jobs == {"probe": 4, "combine": 7, "combine_costs": 4, "evaluate": 7, "compare": 1, "report": 1}

    table = rows(checkout)
    assert set(table) == {"lenet5", "tiny_cnn", "lenet5.tta", "tiny_cnn.tta", "both", "lenets"}
    assert (table["both"]["n_ok"], table["lenets"]["n_ok"]) == ("2", "1")
    of = {name: float(row["macs"]) for name, row in table.items()}
    assert of["lenet5.tta"] == 7 * of["lenet5"]
    assert of["both"] == of["lenet5"] + of["tiny_cnn"]
    assert of["lenets"] == 2 * of["lenet5"]
    assert float(table["lenets"]["params"]) == 2 * float(table["lenet5"]["params"])
    latency = {name: float(row["latency_ms_p50"]) for name, row in table.items()}
    assert latency["lenet5.tta"] == pytest.approx(7 * latency["lenet5"])

    assert not checkout.snakemake(checkout.folder / "tiny.yaml").jobs
