"""Reads a run's record and test predictions, and writes its metrics beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bakeoff.errors import Refused
from bakeoff.evaluate.details import details, nothing
from bakeoff.evaluate.load import RunFacts, load, load_outputs
from bakeoff.evaluate.metrics import METRICS
from bakeoff.evaluate.registry import Metric
from bakeoff.evaluate.regression import OF_TARGETS, in_units
from bakeoff.evaluate.spec import EvaluateSettings
from bakeoff.provenance import Json, check_files, read_record, validated, write_record

PREDICTIONS, HISTORY = "predictions.npz", "history.csv"


def run(spec: Mapping[str, Any], run_dir: Path, code: str) -> Path:
    """Write `metrics.json` of the run in `run_dir`, and return its path.

    `spec` holds the fields of EvaluateSettings, `code` is the digest of this stage's code. A run that did not end well
    has null metrics. Raises Refused, naming the file, when the run's record or its predictions cannot be trusted.
    """
    settings = validated(EvaluateSettings, spec)
    record_path = run_dir / "run.json"
    record = read_record(record_path, "run")
    facts = validated(RunFacts, record, source=str(record_path), fault=Refused)
    has_history = HISTORY in record["files"]
    check_files(record_path, record, PREDICTIONS, *([HISTORY] if has_history else []))
    path = run_dir / "metrics.json"
    body = {
        **facts.names,
        "n": facts.n_test,
        "run_digest": record["record_digest"],
        "predictions_sha256": record["files"][PREDICTIONS],
        **(_results(run_dir, facts, settings, has_history) if facts.status == "done" else _nulls(facts, settings)),
    }
    write_record(path, "metrics", spec, code, body)
    return path


def _results(run_dir: Path, facts: RunFacts, settings: EvaluateSettings, has_history: bool) -> Json:
    if facts.targets:
        outputs = load_outputs(run_dir / PREDICTIONS, facts)
        found = {name: each.measure(outputs) for name, each in _asked(settings, OF_TARGETS).items()}
        metrics = {name: asdict(in_units(each, outputs.units)) for name, each in found.items()}
        return {"metrics": metrics, **nothing("a regression has no classes")}
    example_id, predictions = load(run_dir / PREDICTIONS, facts, run_dir / HISTORY if has_history else None)
    return {
        "metrics": {name: asdict(each.measure(predictions)) for name, each in _asked(settings, METRICS).items()},
        **details(predictions, example_id, facts.class_names, settings),
    }


def _nulls(facts: RunFacts, settings: EvaluateSettings) -> Json:
    known = OF_TARGETS if facts.targets else METRICS
    nulls = {name: each.null(facts.status) for name, each in _asked(settings, known).items()}
    units = [target.unit for target in facts.targets]
    return {
        "metrics": {name: asdict(in_units(null, units)) for name, null in nulls.items()},
        **nothing(facts.status),
    }


def _asked(settings: EvaluateSettings, known: Mapping[str, Metric]) -> Mapping[str, Metric]:
    """The metrics of the run's task that are named, or all of them where none is."""
    return {name: known[name] for name in settings.metrics if name in known} or known
