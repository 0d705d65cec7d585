"""Costs under several conditions, and conditions that this machine has not, from study to table."""

from __future__ import annotations

import csv
from pathlib import Path

from checkout import TINY, Checkout

from bakeoff.device import machine_has_gpu


def test_a_study_goes_on_without_the_gpu_that_it_asks_for(tmp_path: Path) -> None:
    checkout = Checkout.fresh(tmp_path / "checkout")
    wanted = {"devices": ["cpu", "cuda"], "backends": ["eager", "onnxruntime"]}
    outcome = checkout.snakemake(checkout.study(models=["lenet5"], profile=TINY["profile"] | wanted))
    assert outcome.status == 0, outcome.text
    assert outcome.jobs["profile lenet5"] == 3

    (costs,) = checkout.find("tiny/costs.csv")
    with costs.open(newline="") as file:
        rows = {row["condition"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["CPU, 1 thread", "CPU, 1 thread, onnxruntime", "GPU"]
    assert {row["params"] for row in rows.values()} == {"15626"}  # for images of 12 pixels
    assert float(rows["CPU, 1 thread, onnxruntime"]["latency_ms_p50"]) > 0
    (table,) = checkout.find("tiny/comparison.md")
    if machine_has_gpu():
        assert float(rows["GPU"]["latency_ms_p50"]) > 0
    else:
        assert (rows["GPU"]["failure"], rows["GPU"]["latency_ms_p50"]) == ("no GPU", "")
        assert "– (no GPU)" in table.read_text()

    again = checkout.snakemake(checkout.folder / "tiny.yaml")
    assert not again.jobs, again.text
