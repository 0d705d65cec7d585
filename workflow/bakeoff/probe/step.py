"""Asks a trained network what the study wants to know beyond its predictions, and writes one record of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bakeoff.data import arrays
from bakeoff.errors import UserError
from bakeoff.probe import corruptions, embeddings, explain, faithfulness, tta
from bakeoff.probe.restore import Restored, restore
from bakeoff.probe.spec import ProbeSettings
from bakeoff.provenance import Json, environment, read_record, validated, whole, write_record

_BATCH = 256
_NAMES = ("dataset", "model", "augmentation", "recipe", "seed")
_PARTS: tuple[arrays.Part, ...] = ("test", "val")
# Corruptions are drawn alike for all models and seeds, so that they meet the same images.
_SEED = 0
# A handful of images to look at is too few to judge by.
_JUDGED = 32


def run(spec: Mapping[str, Any], run_dir: Path, data: Path, out: Path, code: str) -> Path:
    """Write the record of a run's probe, and what it describes, into the folder `out`; returns the record's path.

    `spec` holds the fields of ProbeSettings. What was not asked for is null in the record, and so is everything of a
    run that diverged. Raises Refused for a run or data that are not what their records describe.
    """
    settings = validated(ProbeSettings, spec)
    record = read_record(run_dir / "run.json", "run")
    if record["status"] == "done":
        net = restore(run_dir, data)
        found, files = _answers(net, settings, out)
    else:
        found, files = _nothing(), []
    path = out / "probe.json"
    body = {
        **{name: record[name] for name in _NAMES},
        "status": record["status"],
        "reason": record["reason"],
        "run_digest": record["record_digest"],
        **found,
        "environment": environment(("torch", "numpy", "scipy", "pillow", "grad-cam")),
    }
    write_record(path, "probe", spec, code, body, files)
    return path


def _nothing() -> Json:
    return {"tta": None, "corruptions": None, "explain": None, "embeddings": None}


def _answers(net: Restored, settings: ProbeSettings, out: Path) -> tuple[Json, list[Path]]:
    """What the record says, and the files beside it."""
    found, files = _nothing(), []
    if settings.tta:
        found["tta"], path = _averaged(net, out / "tta.npz")
        files.append(path)
    if settings.corruptions:
        found["corruptions"] = _corrupted(net)
    if settings.explain:
        found["explain"], drawn = _explained(net, settings.explain, out / "explain.npz")
        files += [drawn] if drawn else []
    if settings.embeddings:
        found["embeddings"], written = _embedded(net, out / "embeddings.npz")
        files += [written] if written else []
    return found, files


def _averaged(net: Restored, path: Path) -> tuple[Json, Path]:
    """Predictions with test-time augmentation, named as those of the run are."""
    views = tta.views(None, net.flip)
    by_part = {part: tta.predict(net, net.pixels(part), views, _BATCH).log_probabilities.numpy() for part in _PARTS}
    _save(path, {"logits": by_part["test"], "val_logits": by_part["val"]})
    return {"passes": len(views), "views": [view.name for view in views]}, path


def _corrupted(net: Restored) -> Json:
    """Accuracy on test images under each corruption, at severities 1 to 5, and the mean over all."""
    pixels, labels = net.pixels("test"), torch.from_numpy(net.splits["test"].labels)
    found = {
        name: [_accuracy(net, corruptions.corrupt(pixels, name, severity, _SEED), labels) for severity in range(1, 6)]
        for name in corruptions.names()
    }
    return {
        "clean": _accuracy(net, pixels, labels),
        "by_severity": found,
        "mean": float(np.mean(list(found.values()))),
    }


def _accuracy(net: Restored, pixels: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.inference_mode():
        answers = torch.cat([net(batch).argmax(dim=1).cpu() for batch in torch.split(pixels, _BATCH)])
    return int((answers == labels).sum()) / len(labels)


def _explained(net: Restored, n: int, path: Path) -> tuple[Json, Path | None]:
    """Where the network looks in `n` test images for the class it answers, and over at least _JUDGED of them whether
    that is where its answer comes from; or why no layer of it knows places.
    """
    pixels = net.pixels("test")
    try:
        layer = explain.layer_of(net.net, pixels.shape[1], pixels.shape[-1])
    except UserError as error:
        return {"reason": str(error)}, None
    test = net.splits["test"]
    rows = in_turn(test.labels, max(n, _JUDGED))
    images = pixels[torch.from_numpy(rows)]
    with torch.inference_mode():
        answers = net(images).argmax(dim=1).cpu()
    maps = explain.grad_cam(net.net, net.normalise, images, answers, layer)
    judged = faithfulness.faithfulness(net, images, maps, answers, side=layer.side)
    content = {
        "example_id": test.ids[rows[:n]],
        "y_true": test.labels[rows[:n]],
        "predicted": answers[:n].numpy(),
        "pixels": images[:n].numpy(),
        "maps": (255 * maps[:n]).round().byte().numpy(),
    }
    _save(path, content)
    return {"reason": None, "layer": layer.name, "side": layer.side, **asdict(judged)}, path


def in_turn(labels: np.ndarray[Any, np.dtype[np.int64]], n: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of up to `n` images: the first of each class, then the second of each, ...; the same for all models."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.lexsort((labels, rank))[:n]


def _embedded(net: Restored, path: Path) -> tuple[Json, Path | None]:
    """Features of the test images, or why the network has none."""
    try:
        features = embeddings.embed(net.net, net.normalise, net.pixels("test"), _BATCH)
    except UserError as error:
        return {"dimensions": None, "reason": str(error)}, None
    test = net.splits["test"]
    _save(path, {"example_id": test.ids, "y_true": test.labels, "embeddings": features.numpy()})
    return {"dimensions": features.shape[1], "reason": None}, path


def _save(path: Path, content: Mapping[str, np.ndarray[Any, Any]]) -> None:
    with whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **content)  # type: ignore[arg-type]
