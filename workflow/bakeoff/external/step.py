"""Writes a run from a file of predictions made elsewhere: the same files as training, so that all that follows is the
same. What nobody knows of it (its training, its validation images) is absent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.compare.csvfile import contents
from bakeoff.data import arrays
from bakeoff.external import answers
from bakeoff.external.answers import Images
from bakeoff.external.spec import ExternalSpec
from bakeoff.provenance import Json, check_files, environment, read_record, spec_digest, validated, whole, write_record

_COLUMNS = "epoch,phase,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n"
_UNKNOWN = (
    "epochs", "epochs_done", "best_epoch", "val_accuracy", "n_train", "n_val", "images_trained", "train_seconds",
    "device", "threads",
)  # fmt: skip


def run(spec: Mapping[str, Any], names: Json, predictions: Path, data: Path, out: Path, code: str) -> Path:
    """Make the run folder `out` of the file `predictions`, for the test images of the data set in `data`.

    `names` are dataset, model, augmentation, recipe and seed. Returns run.json. Raises UserError, naming file and row,
    for predictions that are not of these images, once each, with all that an answer takes.
    """
    job = validated(ExternalSpec, spec)
    manifest = read_record(data / "manifest.json", "data", spec=spec_digest(job.dataset))
    _, truth, ids = arrays.files(data, "test")
    check_files(data / "manifest.json", manifest, truth.name, ids.name)
    loaded = [np.load(file, allow_pickle=False) for file in (ids, truth)]
    given = contents(predictions)
    if targets := manifest.get("targets"):
        said = answers.of_targets(given, str(predictions), Images(names["dataset"], *loaded), targets)
    else:
        said = answers.of_classes(given, str(predictions), Images(names["dataset"], *loaded), manifest["class_names"])

    made = out / "predictions.npz"
    with whole(made) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, example_id=loaded[0], **said.arrays)
    history = out / "history.csv"
    with whole(history) as unfinished:
        unfinished.write_text(_COLUMNS)
    body = {
        **names,
        "status": "done",
        "reason": None,
        "external": {
            "file": predictions.as_posix(),
            "sha256": hashlib.sha256(given).hexdigest(),
            "data_digest": manifest["record_digest"],
        },
        **said.facts,
        "n_test": len(loaded[0]),
        **dict.fromkeys(_UNKNOWN),
        # Where this record was made; of what made the predictions nothing is known.
        "environment": {key: value for key, value in environment(()).items() if key != "packages"},
    }
    record = out / "run.json"
    write_record(record, "run", spec, code, body, [made, history])
    return record
