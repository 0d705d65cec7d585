"""Writes a run whose predictions are made from other runs': the same files, so that all that follows is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.combine import methods
from bakeoff.combine.spec import CombineSpec, Member
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import Json, check_files, environment, read_record, validated, whole, write_record

_COLUMNS = "epoch,phase,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n"
_PARTS = ("", "val_")
_GIVEN = "onnx"
"""Where the weights of a network are from that others trained."""
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Run:
    """A member: its folder, its record, its predictions, and how many passes they took."""

    folder: Path
    record: Json
    arrays: Arrays
    passes: int


def run(spec: Mapping[str, Any], names: Json, members: Sequence[Path], out: Path, code: str) -> Path:
    """Combine the runs in the folders `members`, in the order of the spec, into the run folder `out`; returns run.json.

    `names` are dataset, model (the combined run's name), augmentation, recipe and seed. A member that diverged makes
    the combined run "diverged" too. Raises Refused for members that are other runs than the spec names, were edited, or
    saw other images.
    """
    job = validated(CombineSpec, spec)
    if len(members) != len(job.members):
        raise UserError(
            f"combine: {len(members)} folders of runs are given for the {len(job.members)} members of --spec"
        )
    runs = [_read(folder, member, names["seed"], job) for folder, member in zip(members, job.members, strict=True)]
    _check_same_images(runs)
    arrays, weights = _combined(runs, job)
    first = runs[0].record
    seconds = [run.record["train_seconds"] for run in runs]  # None of a network that others trained
    reasons = {run.folder: run.record["reason"] for run in runs if run.record["status"] != "done"}
    predictions = out / "predictions.npz"
    with whole(predictions) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    history = out / "history.csv"
    with whole(history) as unfinished:
        unfinished.write_text(_COLUMNS)
    body = {
        **names,
        "status": "diverged" if reasons else "done",
        "reason": "; ".join(f"{folder}: {reason}" for folder, reason in reasons.items()) or None,
        "epochs": None,
        "epochs_done": None,
        "best_epoch": None,
        "val_accuracy": None,
        "method": job.method,
        "members": [{"folder": str(run.folder), "record_digest": run.record["record_digest"]} for run in runs],
        "member_weights": weights,
        "passes": sum(run.passes for run in runs),
        **{key: first[key] for key in ("class_names", "n_train", "n_val", "n_test", "data_digest")},
        "images_trained": sum(run.record["images_trained"] for run in runs),
        # Of networks that all are as others trained them; any other run varies with the seed, or its profile tells.
        "weights": {"source": _GIVEN} if all(_source(run) == _GIVEN for run in runs) else None,
        "train_seconds": None if None in seconds else round(sum(seconds), 3),
        **{key: first[key] for key in ("device", "threads")},
        "environment": {**environment(("numpy", "scipy")), "gpu": first["environment"].get("gpu")},
    }
    record = out / "run.json"
    write_record(record, "run", spec, code, body, [predictions, history])
    return record


def _source(run: _Run) -> object:
    return (run.record.get("weights") or {}).get("source")


def _read(folder: Path, member: Member, seed: int, job: CombineSpec) -> _Run:
    path = folder / "run.json"
    record = read_record(path, "run", spec=member.spec)
    for name, wanted in (("model", member.model), ("seed", seed if member.seed is None else member.seed)):
        if record[name] != wanted:
            raise Refused(f"{path}: is of {name} {record[name]!r}, not {wanted!r}")
    if record.get("targets"):
        raise UserError(f"{folder}: is of a regression, and only runs with classes are combined")
    check_files(path, record, "predictions.npz")
    arrays = _load(folder / "predictions.npz")
    if job.probe is None:
        return _Run(folder, record, arrays, int(record.get("passes", 1)))
    probed = folder / f"probe-{job.probe}" / "probe.json"
    probe = read_record(probed, "probe", spec=job.probe)
    if probe["run_digest"] != record["record_digest"]:
        raise Refused(f"{probed}: was made from another run.json than the one beside it; delete it to remake")
    check_files(probed, probe, "tta.npz")
    return _Run(folder, record, arrays | _load(probed.parent / "tta.npz"), int(probe["tta"]["passes"]))


def _load(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _check_same_images(runs: Sequence[_Run]) -> None:
    first = runs[0]
    for other in runs[1:]:
        for name in (f"{part}{array}" for part in _PARTS for array in ("example_id", "y_true")):
            if not np.array_equal(first.arrays[name], other.arrays[name]):
                raise Refused(f"{other.folder}: has other images than {first.folder} ({name}), so they do not combine")


def _combined(runs: Sequence[_Run], job: CombineSpec) -> tuple[Arrays, list[float] | None]:
    """The arrays of predictions.npz, and the members' weights where these were fitted."""
    arrays = {
        name: runs[0].arrays[name]
        for name in (f"{part}{array}" for part in _PARTS for array in ("example_id", "y_true"))
    }
    by_part = {part: np.stack([methods.log_proba(run.arrays[f"{part}logits"]) for run in runs]) for part in _PARTS}
    weights = None
    if job.method == "weighted":
        weights = methods.fitted_weights(by_part["val_"], arrays["val_y_true"])
    for part, members in by_part.items():
        pooled = methods.vote(members) if job.method == "vote" else methods.mean(members, weights)
        arrays[f"{part}logits"] = pooled.astype(np.float32)
    return arrays, None if weights is None else weights.tolist()
