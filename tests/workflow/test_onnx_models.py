"""An exported network as a row of a study's table, under real Snakemake."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import onnx
from checkout import TINY, Checkout


def test_an_export_is_a_row_of_the_table_and_another_file_is_another_run(
    first_run: tuple[Checkout, object], tmp_path: Path
) -> None:
    checkout = first_run[0].copy(tmp_path / "checkout")
    run = next(path.parent for path in checkout.find("runs/digits/lenet5/standard/*/seed0/run.json"))
    (checkout.folder / "nets").mkdir()
    file = checkout.folder / "nets" / "theirs.onnx"
    export = [sys.executable, "-m", "bakeoff", "export", str(run), "--out", str(tmp_path / "export")]
    subprocess.run(export, cwd=checkout.folder, check=True, capture_output=True, timeout=120)
    file.write_bytes((tmp_path / "export" / "model.onnx").read_bytes())

    study = checkout.study(models=[*TINY["models"], {"name": "theirs", "builder": "onnx/nets/theirs.onnx"}], seeds=[0])
    outcome = checkout.snakemake(study)
    assert outcome.status == 0, outcome.text
    only_theirs = Counter({"train theirs 0": 1, "profile theirs": 1, "evaluate theirs 0": 1})
    assert outcome.jobs == only_theirs + Counter({"compare": 1, "report": 1})

    (table,) = checkout.find("tiny/comparison.csv")
    with table.open(newline="") as lines:
        rows = {row["candidate"]: row for row in csv.DictReader(lines) if row["metric"] == "accuracy"}
    assert rows["theirs"]["mean"] == rows["lenet5"]["mean"]
    assert rows["theirs"]["macs"] == rows["lenet5"]["macs"]
    assert float(rows["theirs"]["latency_ms_p50"]) > 0
    assert rows["theirs"]["train_seconds"] == ""
    record = json.loads(checkout.find("runs/digits/theirs/*/*/seed0/run.json")[0].read_text())
    assert (record["device"], record["weights"]["file"]) == ("cpu", "nets/theirs.onnx")
    assert not checkout.snakemake(study).jobs

    network = onnx.load(file)
    network.doc_string = "edited"
    onnx.save(network, file)
    assert set(checkout.snakemake(study, "--dry-run").jobs) >= set(only_theirs)
    assert not {job for job in checkout.snakemake(study, "--dry-run").jobs if "lenet5" in job}
