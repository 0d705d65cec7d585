"""What a run says of itself: all that one needs to use its network, or to judge it. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from bakeoff.data.decode import Fit
from bakeoff.errors import Refused, UserError
from bakeoff.layout import RUN
from bakeoff.provenance import Json, content_digest, read_record, spec_digest

_OF_TRAINING = ("epochs_done", "best_epoch", "weights", "train_seconds", "device", "threads", "environment")
_BELOW_RESULTS = len(Path(RUN).parts) - 1


def data_of(run_dir: Path, data: Path | None = None) -> Path:
    """The folder of the prepared images that a run was trained on: `data`, or that of the same results/."""
    if data is not None:
        return data
    spec = _record(run_dir)["spec"]["dataset"]
    place = run_dir.resolve()
    if len(place.parents) < _BELOW_RESULTS:
        raise UserError(f"{run_dir}: stands in no results/; name the folder of its prepared images with --data")
    return place.parents[_BELOW_RESULTS - 1] / "data" / f"{spec['name']}-{spec_digest(spec)}"


def _record(run_dir: Path) -> Json:
    """The record of a run. Raises UserError for one that is not done, or has no network of its own."""
    path = run_dir / "run.json"
    record = read_record(path, "run")
    if record["status"] != "done":
        raise UserError(f"{path}: this run is {record['status']}: {record['reason']}")
    if "model" not in record["spec"] or not record.get("normalisation"):
        raise UserError(
            f"{path}: {record['model']} is no network that was trained here (a combination of runs, a control, "
            "an ONNX file); take a run of one of its models"
        )
    return record


def read(run_dir: Path, data: Path | None = None) -> Json:
    """The facts: name, labels, size, channels, fit, temperature, normalisation, metrics, dataset, model, provenance.

    Raises UserError, or Refused, for a run that is not done, not evaluated, or has no network of its own.
    """
    record = _record(run_dir)
    if record.get("targets"):
        raise UserError(f"{run_dir}: is of a regression; what answers with classes cannot answer with its targets")
    spec = record["spec"]
    metrics = _metrics(run_dir, record)
    manifest = _manifest(data_of(run_dir, data), record)
    temperature = metrics["calibration"]["temperature"]
    axes = {key: record[key] for key in ("dataset", "model", "augmentation", "recipe", "seed")}
    return {
        "name": "{dataset} {model} {augmentation} {recipe} seed {seed}".format(**axes),
        **axes,
        "labels": record["class_names"],
        "size": manifest["size"],
        "channels": manifest["channels"],
        "fit": fit_of(spec["dataset"]),
        "reduces_jpegs": reduces_jpegs(spec["dataset"]),
        "normalisation": record["normalisation"],
        "temperature": temperature or 1.0,
        "not_calibrated": metrics["calibration"]["why_null"],
        "metrics": metrics["metrics"],
        "weakest": _weakest(metrics["per_class"]),
        "n_test": record["n_test"],
        "data": {
            "title": manifest["title"],
            "origin": manifest["origin"],
            "counts": manifest["counts"],
            "settings": spec["dataset"],
        },
        "settings": {key: spec[key] for key in ("model", "augmentation", "recipe")},
        "training": {
            "asked_device": spec["device"],
            "seeds_together": spec.get("seeds_together", 1),
            **{key: record[key] for key in _OF_TRAINING},
        },
        "provenance": {
            "bakeoff": record["bakeoff"],
            "run_digest": record["record_digest"],
            "spec_digest": record["spec_digest"],
            "code_digest": record["code_digest"],
            "data_digest": record["data_digest"],
            "weights_sha256": record["files"]["model.safetensors"],
            "commit": record["environment"]["commit"],
            "uncommitted_changes": record["environment"]["uncommitted_changes"],
        },
    }


def fit_of(dataset: Json) -> Fit:
    """How the images of a data set were made squares; of published sets, whose images are squares, nothing was cut."""
    fit: Fit = dataset.get("options", {}).get("fit", "crop")
    return fit


def reduces_jpegs(dataset: Json) -> bool:
    """Whether large JPEGs were decoded at a fraction of their size: those in one's own folders were. Of published sets
    torchvision decodes some, in full; the others came as pixels, so that the faster way is as true.
    """
    return "content" in dataset or "fit" not in dataset.get("options", {})


def _metrics(run_dir: Path, record: Json) -> Json:
    path = run_dir / "metrics.json"
    if not path.is_file():
        raise UserError(f"{path}: is missing; evaluate the run first, as snakemake or bakeoff run do")
    metrics = read_record(path, "metrics")
    if metrics["run_digest"] != record["record_digest"]:
        raise Refused(f"{path}: is of another run than run.json beside it; delete it to have it made anew")
    return metrics


def _weakest(per_class: list[Json], most: int = 3) -> list[Json]:
    """The classes whose images are found least often, the least first."""
    known = [each for each in per_class if each["recall"] is not None]
    return [
        {key: each[key] for key in ("class", "recall", "support")}
        for each in sorted(known, key=lambda each: each["recall"])[:most]
    ]


def _manifest(data: Path, record: Json) -> Json:
    path = data / "manifest.json"
    if not path.is_file():
        raise UserError(f"{path}: is missing; name the folder of the run's prepared images with --data")
    manifest = read_record(path, "data")
    if content_digest(manifest) != record["data_digest"]:
        raise Refused(f"{path}: is of other images than the run was trained on")
    return manifest
