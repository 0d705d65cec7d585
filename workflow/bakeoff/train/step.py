"""The step `train`: one run, from prepared arrays to weights, history, predictions and their record."""

from __future__ import annotations

import csv
import gc
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.device import gpu_name
from bakeoff.models import registry
from bakeoff.provenance import Json, content_digest, environment, whole, write_record
from bakeoff.train import arithmetic, tuning
from bakeoff.train.control import run_control
from bakeoff.train.epochs import EpochWeights, save_weights
from bakeoff.train.job import Execution, Job, Trained, fit, fit_together, follow, keeper, ready
from bakeoff.train.loop import Epoch, Outcome
from bakeoff.train.memory import is_out_of_memory
from bakeoff.train.parallel import crew
from bakeoff.train.progress import Progress
from bakeoff.train.spec import Recipe

Logits = NDArray[np.float32]
PACKAGES = ("torch", "torchvision", "timm", "albumentations", "numpy", "safetensors")


def run(
    spec: Json,
    names: Json,
    data: Path,
    out: Path,
    code: str,
    tuned: Path | None = None,
    execution: Execution | None = None,
) -> Path:
    """Train one run and write its four files into the folder `out`; returns the path of run.json.

    `spec` holds dataset, model, augmentation, recipe (their settings), device and threads; `names` the run's own
    dataset, model, augmentation, recipe and seed; `data` is the folder that `prepare` wrote, `tuned` the file that
    `tune` wrote when the recipe has a tuning budget.
    """
    names = dict(names)
    return run_seeds(spec, names, data, {names.pop("seed"): out}, code, tuned, execution)[0]


def run_seeds(
    spec: Json,
    names: Json,
    data: Path,
    folders: Mapping[int, Path],
    code: str,
    tuned: Path | None = None,
    execution: Execution | None = None,
) -> list[Path]:
    """As `run`, for several seeds of one cell, each into its folder: at once on a GPU, one after another on a CPU,
    where that is faster, and on a GPU whose memory does not suffice for all.
    """
    execution = execution or Execution()
    job = ready(spec, names["dataset"], names["model"], data, execution)
    if registry.is_control(spec["model"]["builder"]):
        return [_write_control(job, {**names, "seed": seed}, out, code) for seed, out in folders.items()]
    choice = tuning.read(tuned, job, code) if job.recipe.tuning else None
    recipe = choice.applied(job.recipe) if choice else job.recipe
    if _at_once(job, recipe, folders):
        made = _run_together(job, recipe, names, folders, code, choice)
        if made is not None:
            return made
        gc.collect()  # what is left of the attempt
    # Of several runs, each keeps its last state until all are done: Snakemake would delete the files of those before.
    keepers, records = [], []
    several = partial(crew, recipe.gpus, job.device, follow, spec, job.dataset, job.model, data, execution)
    for seed, out in folders.items():
        progress = Progress(run_name({**names, "seed": seed}), recipe.total_epochs)
        with keeper(job, recipe, out, code, [seed]) as kept:
            keepers.append(kept)
            epochs = EpochWeights(out, job.every_epoch)
            told = {"report": progress.epoch, "progress": progress.batch, **progress.go_on(kept, epochs)}
            trained = fit(job, recipe, seed, after_epoch=epochs.write, crew=partial(several, seed), **told)
            if len(folders) > 1:
                kept.save_last()
        records.append(write_run(job, {**names, "seed": seed}, out, code, trained, progress, choice, kept.resumed))
    for kept in keepers:
        kept.remove()
    return records


def _at_once(job: Job, recipe: Recipe, folders: Mapping[int, Path]) -> bool:
    return len(folders) > 1 and job.device.type == "cuda" and recipe.gpus == 1


def _run_together(
    job: Job, recipe: Recipe, names: Json, folders: Mapping[int, Path], code: str, choice: tuning.Choice | None
) -> list[Path] | None:
    """Several seeds at once; None, and nothing left of it, where memory does not suffice."""
    progress = Progress(f"{run_name({**names, 'seed': 's'})} {', '.join(map(str, folders))}", recipe.total_epochs)
    seeds = list(folders)
    with keeper(job, recipe, folders[seeds[0]], code, seeds) as kept:
        epochs = [EpochWeights(out, job.every_epoch) for out in folders.values()]
        told = {"report": progress.epoch, "progress": progress.batch, **progress.go_on(kept, *epochs)}
        try:
            trained = fit_together(job, recipe, seeds, after_epoch=[each.write for each in epochs], **told)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            print(f"out of memory: {len(seeds)} seeds follow each other", file=sys.stderr, flush=True)
            kept.remove()
            return None
    records = [
        write_run(job, {**names, "seed": seed}, out, code, each, progress, choice, kept.resumed)
        for (seed, out), each in zip(folders.items(), trained, strict=True)
    ]
    kept.remove()
    return records


def run_name(names: Json) -> str:
    """A run as a person would call it."""
    return f"{names['dataset']} {names['model']} {names['augmentation']} {names['recipe']} seed {names['seed']}"


def write_run(
    job: Job,
    names: Json,
    out: Path,
    code: str,
    trained: Trained,
    progress: Progress,
    choice: tuning.Choice | None = None,
    resumed: int = 0,
) -> Path:
    """Predict with a trained network, and write all files of its run; it was `resumed` so many times."""
    outcome = trained.outcome
    test_logits, val_logits = trained.logits(job, "test"), trained.logits(job, "val")  # the one look at test images
    paths = [
        _save_predictions(out / "predictions.npz", job, test_logits.numpy(), val_logits.numpy()),
        _save_history(out / "history.csv", outcome.history),
        save_weights(out / "model.safetensors", trained.net.state_dict()),
    ]
    epochs = EpochWeights(out, job.every_epoch)
    epochs.cut(len(outcome.history))
    record = out / "run.json"
    body = {
        **names,
        "status": outcome.status,
        "reason": outcome.reason,
        "epochs": job.recipe.total_epochs,
        "epochs_done": len(outcome.history),
        "stopped_early": outcome.stopped_early,
        "resumed": resumed,
        "smaller_batches": trained.smaller_batches(job.recipe),
        "best_epoch": outcome.best.epoch if outcome.best else None,
        "val_accuracy": outcome.best.val_accuracy if outcome.best else None,
        **_data_facts(job),
        **_target_facts(job, outcome),
        "normalisation": {"mean": trained.mean, "std": trained.std},
        "weights": asdict(trained.weights) if trained.weights else {"source": "random"},
        "trained_parameters": sum(p.numel() for p in trained.net.parameters() if p.requires_grad),
        "tuned": choice.record() if choice else None,
        "images_trained": outcome.images,
        "train_seconds": round(outcome.train_seconds, 3),
        "images_per_second": round(outcome.images / max(outcome.train_seconds, 1e-9), 1),
        "arithmetic": arithmetic.describe(job.recipe, job.device),
        "steps_run_as": outcome.steps_run_as,
        "epoch_weights": epochs.record(),
        **_machine_facts(job),
    }
    write_record(record, "run", job.spec, code, body, paths)
    progress.end(_summary(outcome, body))
    return record


def _write_control(job: Job, names: Json, out: Path, code: str) -> Path:
    """The run of a control method, or of an ONNX file: fitted at once, or not at all, so its history has one line."""
    progress = Progress(run_name(names), 1)
    result = run_control(job, names["seed"])
    seconds = result.epoch.seconds if result.images else None  # what others took, nobody knows
    paths = [
        _save_predictions(out / "predictions.npz", job, result.test_logits, result.val_logits),
        _save_history(out / "history.csv", [result.epoch]),
        save_weights(out / "model.safetensors", result.tensors),
    ]
    body = {
        **names,
        "status": "done",
        "reason": None,
        "epochs": 1,
        "epochs_done": 1,
        "best_epoch": 1,
        "val_accuracy": result.epoch.val_accuracy,
        **_data_facts(job),
        "weights": result.weights,
        "images_trained": result.images,
        "train_seconds": round(seconds, 3) if seconds is not None else None,
        "images_per_second": round(result.images / max(seconds, 1e-9), 1) if seconds is not None else None,
        **_machine_facts(job),
        "device": "cpu",  # whatever the study asks for
    }
    record = out / "run.json"
    write_record(record, "run", job.spec, code, body, paths)
    fitted = f"fitted in {seconds:.1f} s" if seconds is not None else "not trained here"
    progress.end(f"{result.epoch.judged}, {fitted}")
    return record


def _data_facts(job: Job) -> Json:
    return {
        "class_names": job.manifest["class_names"],
        "n_train": len(job.parts["train"]),
        "n_val": len(job.parts["val"]),
        "n_test": len(job.parts["test"]),
        "data_digest": content_digest(job.manifest),
    }


def _target_facts(job: Job, outcome: Outcome) -> Json:
    """Of a regression: what was to be predicted, how it was standardised for the net, and the loss that was reached."""
    if job.standard is None:
        return {}
    named = [{"name": each["name"], "unit": each["unit"]} for each in job.targets]
    val_loss = outcome.best.val_loss if outcome.best else None
    return {"targets": named, "standardised": asdict(job.standard), "val_loss": val_loss}


def _machine_facts(job: Job) -> Json:
    return {
        "device": job.device.type,
        "gpus": job.gpus,
        "threads": job.spec["threads"],
        "environment": {**environment(PACKAGES), "gpu": gpu_name(job.device)},
    }


def _save_predictions(path: Path, job: Job, test_logits: Logits, val_logits: Logits) -> Path:
    test, val = job.splits["test"], job.splits["val"]
    truth, answers = ("y_true", "logits") if job.standard is None else ("targets", "outputs")
    found: dict[str, Any] = {
        "example_id": test.ids,
        truth: test.labels,
        answers: test_logits,
        "val_example_id": val.ids,
        f"val_{truth}": val.labels,
        f"val_{answers}": val_logits,
    }
    with whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **found)
    return path


def _save_history(path: Path, history: list[Epoch]) -> Path:
    with whole(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, [field.name for field in fields(Epoch)])
        lines.writeheader()
        for epoch in history:
            lines.writerow({key: _cell(value) for key, value in asdict(epoch).items()})
    return path


def _cell(value: object) -> object:
    """A number as JSON would have it; what is not finite leaves the cell empty."""
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return value


def _summary(outcome: Outcome, body: Json) -> str:
    if outcome.reason:
        return f"{outcome.status}: {outcome.reason}"
    judged = outcome.best.judged if outcome.best else ""
    return (
        f"{judged} at epoch {body['best_epoch']} of {body['epochs']}, "
        f"{body['images_per_second']:,.0f} images/s, {body['train_seconds']:.1f} s on {body['device']}"
    )
