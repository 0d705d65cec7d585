"""The step `train`: one run, from prepared arrays to weights, history, predictions and their record."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from bakeoff.data import arrays
from bakeoff.device import gpu_name, prepare_device
from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.provenance import (
    Json,
    check_files,
    environment,
    read_record,
    spec_digest,
    validated,
    whole,
    write_record,
)
from bakeoff.seeding import stream_seed
from bakeoff.train import augment
from bakeoff.train.loop import Epoch, Normalise, Outcome, Part, Streams, predict, train
from bakeoff.train.progress import Progress
from bakeoff.train.spec import Recipe

PACKAGES = ("torch", "torchvision", "timm", "numpy", "safetensors")


def run(spec: Json, names: Json, data: Path, out: Path, code: str) -> Path:
    """Train one run and write its four files into the folder `out`; returns the path of run.json.

    `spec` holds dataset, model, augmentation, recipe (their settings), device and threads; `names` the run's own
    dataset, model, augmentation, recipe and seed; `data` is the folder that `prepare` wrote.
    """
    recipe = validated(Recipe, spec, "recipe")
    seed, dataset, model = names["seed"], names["dataset"], names["model"]
    device = prepare_device(spec["device"], spec["threads"])
    manifest = read_record(data / "manifest.json", "data", spec=spec_digest(spec["dataset"]))
    check_files(data / "manifest.json", manifest)
    parts = {part: arrays.load(data, part) for part in arrays.PARTS}
    n_train = _training_images(recipe, len(parts["train"]), dataset)

    torch.manual_seed(stream_seed(seed, "init", dataset, model))
    size, classes = manifest["size"], len(manifest["class_names"])
    net = registry.build(spec["model"], channels=manifest["channels"], size=size, classes=classes).to(device)
    normalise = Normalise.of(manifest["mean"], manifest["std"], device)
    training, validation = _to_device(parts["train"], device, n_train), _to_device(parts["val"], device)
    progress = Progress(f"{dataset} {model} {names['augmentation']} {names['recipe']} seed {seed}", recipe.epochs)

    outcome = train(
        net,
        training,
        validation,
        recipe=recipe,
        policy=augment.build(spec["augmentation"], size=size, flip=manifest["flip"]),
        normalise=normalise,
        streams=Streams(order=stream_seed(seed, "order", dataset), augment=stream_seed(seed, "augment", dataset)),
        report=progress.epoch,
        progress=progress.batch,
    )

    test_logits = predict(net, _to_device(parts["test"], device), normalise)  # the one time that they are looked at
    val_logits = predict(net, validation, normalise)
    paths = [
        _save_predictions(out / "predictions.npz", parts["test"], test_logits, parts["val"], val_logits),
        _save_history(out / "history.csv", outcome.history),
        _save_weights(out / "model.safetensors", net),
    ]
    record = out / "run.json"
    body = {
        **names,
        "status": "diverged" if outcome.diverged else "done",
        "reason": outcome.diverged,
        "epochs": recipe.epochs,
        "epochs_done": len(outcome.history),
        "best_epoch": outcome.best.epoch if outcome.best else None,
        "val_accuracy": outcome.best.val_accuracy if outcome.best else None,
        "class_names": manifest["class_names"],
        "n_train": n_train,
        "n_val": len(parts["val"]),
        "n_test": len(parts["test"]),
        "train_seconds": round(outcome.train_seconds, 3),
        "images_per_second": round(outcome.images / max(outcome.train_seconds, 1e-9), 1),
        "data_digest": manifest["record_digest"],
        "device": device.type,
        "threads": spec["threads"],
        "environment": {**environment(PACKAGES), "gpu": gpu_name(device)},
    }
    write_record(record, "run", spec, code, body, paths)
    progress.end(_summary(outcome, body))
    return record


def _training_images(recipe: Recipe, available: int, dataset: str) -> int:
    if recipe.train_images == "all":
        return available
    if recipe.train_images > available:
        raise UserError(
            f"train_images: {recipe.train_images} is more than the {available} training images of {dataset}; "
            f"set a smaller number or all"
        )
    return recipe.train_images


def _to_device(split: arrays.Split, device: torch.device, n: int | None = None) -> Part:
    """The first n images (all by default); training images stand in stratified order, so any n is a fair choice."""
    return Part(
        torch.from_numpy(split.pixels[:n]).to(device),
        torch.from_numpy(split.labels[:n]).to(device),
    )


def _save_predictions(
    path: Path, test: arrays.Split, test_logits: Tensor, val: arrays.Split, val_logits: Tensor
) -> Path:
    with whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(
            file,
            example_id=test.ids,
            y_true=test.labels,
            logits=test_logits.cpu().numpy(),
            val_example_id=val.ids,
            val_y_true=val.labels,
            val_logits=val_logits.cpu().numpy(),
        )
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


def _save_weights(path: Path, net: nn.Module) -> Path:
    # Copies, since a net may hold one tensor under two names, which the format refuses.
    layout = torch.contiguous_format
    weights = {name: tensor.cpu().clone(memory_format=layout) for name, tensor in net.state_dict().items()}
    with whole(path) as unfinished:
        save_file(weights, unfinished)
    return path


def _summary(outcome: Outcome, body: Json) -> str:
    if outcome.diverged:
        return f"diverged: {outcome.diverged}"
    return (
        f"val accuracy {body['val_accuracy']:.4f} at epoch {body['best_epoch']} of {body['epochs']}, "
        f"{body['images_per_second']:,.0f} images/s, {body['train_seconds']:.1f} s on {body['device']}"
    )
