"""Scores made elsewhere, as files, and `bakeoff compare` run on them in this process."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from command_line import Call

SCORES = {"resnet18": (0.941, 0.939, 0.944, 0.940, 0.942), "resnet34": (0.950, 0.949, 0.951, 0.948, 0.953)}


def table(rows: Iterable[Sequence[object]], header: str = "model,seed,metric,value") -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header.split(","), *rows])
    return text.getvalue()


def scores(models: Mapping[str, Sequence[float]] = SCORES, metric: str = "accuracy") -> str:
    return table((model, seed, metric, value) for model, values in models.items() for seed, value in enumerate(values))


def record(call: Call, text: str, *options: str, baseline: str = "resnet18") -> dict[str, Any]:
    """What `--json` prints."""
    Path("scores.csv").write_text(text, encoding="utf-8")
    result = call("scores.csv", "--baseline", baseline, "--resamples", "200", "--json", *options)
    assert result.err == "", result.err
    return dict(json.loads(result.out))


def row(record: Mapping[str, Any], candidate: str = "resnet34") -> dict[str, Any]:
    found = [row for row in record["rows"] if row["candidate"] == candidate]
    assert len(found) == 1
    return dict(found[0])


def refusal(call: Call, text: str | bytes, *options: str) -> str:
    Path("s.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    result = call("s.csv", "--baseline", "resnet18", *options)
    assert result.status == 1
    assert result.out == ""
    assert "Traceback" not in result.err
    return result.err.removeprefix("bakeoff: ").rstrip("\n")
