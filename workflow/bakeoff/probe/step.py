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
from bakeoff.probe import corruptions, embeddings, explain, explain_shap, faithfulness, tta
from bakeoff.probe.explain_layer import layer_of
from bakeoff.probe.restore import Restored, restore
from bakeoff.probe.spec import Method, ProbeSettings
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
    if record.get("targets"):
        raise UserError(f"{run_dir}: is of a regression, and probes are for classes")
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
        "environment": environment(("torch", "numpy", "scipy", "pillow", "grad-cam", "shap")),
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
        found["explain"], drawn = _explained(net, settings, out / "explain.npz")
        files += [drawn] if drawn else []
    if settings.embeddings:
        found["embeddings"], written = _embedded(net, out)
        files += written
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


def _explained(net: Restored, settings: ProbeSettings, path: Path) -> tuple[Json, Path | None]:
    """Where the network looks in some test images for the class it answers, and over at least _JUDGED of them whether
    that is where its answer comes from: by method, or why a method has no map of it.
    """
    n, test = settings.explain, net.splits["test"]
    rows = in_turn(test.labels, max(n, _JUDGED))
    images = net.pixels("test")[torch.from_numpy(rows)]
    with torch.inference_mode():
        answers = net(images).argmax(dim=1).cpu()
    found: Json = {}
    maps: dict[str, np.ndarray[Any, Any]] = {}
    for method in settings.explain_methods:
        try:
            heat, layer, side = _maps(net, images, answers, method)
        except UserError as error:
            if method == "shap":  # lacks its package or takes no such images: the study's mistake, not the net's nature
                raise
            found[method] = {"reason": str(error)}
            continue
        judged = faithfulness.faithfulness(net, images, heat, answers, side=side)
        found[method] = {"reason": None, "layer": layer, "side": side, **asdict(judged)}
        maps[f"maps-{method}"] = (255 * _scaled(heat[:n])).round().byte().numpy()
    if not maps:
        return found, None
    content = {
        "example_id": test.ids[rows[:n]],
        "y_true": test.labels[rows[:n]],
        "predicted": answers[:n].numpy(),
        "pixels": images[:n].numpy(),
    }
    _save(path, content | maps)
    return found, path


def _maps(net: Restored, images: torch.Tensor, answers: torch.Tensor, method: Method) -> tuple[torch.Tensor, str, int]:
    """Maps [N, S, S] of images for their answers, the layer they are made at and its places a side."""
    size = images.shape[-1]
    if method == "shap":
        train = net.splits["train"]
        background = net.pixels("train")[torch.from_numpy(in_turn(train.labels, explain_shap.BACKGROUND))]
        return explain_shap.shap_maps(net.net, net.normalise, images, answers, background), "pixels", size
    layer = layer_of(net.net, images.shape[1], size)
    return explain.grad_cam(net.net, net.normalise, images, answers, layer, method), layer.name, layer.side


def _scaled(heat: torch.Tensor) -> torch.Tensor:
    """Maps [N, S, S] in 0..1, each on its own: what speaks for the class, 1 where most does."""
    positive = heat.clamp(min=0)
    return positive / positive.amax((1, 2), keepdim=True).clamp(min=1e-12)


def in_turn(labels: np.ndarray[Any, np.dtype[np.int64]], n: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of up to `n` images: the first of each class, then the second of each, ...; the same for all models."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.lexsort((labels, rank))[:n]


def _embedded(net: Restored, out: Path) -> tuple[Json, list[Path]]:
    """Features of the test images, and of those that a threshold may be chosen on; or why the network has none."""
    files = {"test": out / "embeddings.npz", "val": out / "embeddings_val.npz"}
    width = 0
    for part in _PARTS:
        try:
            features = embeddings.embed(net.net, net.normalise, net.pixels(part), _BATCH)
        except UserError as error:
            return {"dimensions": None, "reason": str(error)}, []
        split, width = net.splits[part], features.shape[1]
        _save(files[part], {"example_id": split.ids, "y_true": split.labels, "embeddings": features.numpy()})
    return {"dimensions": width, "reason": None}, list(files.values())


def _save(path: Path, content: Mapping[str, np.ndarray[Any, Any]]) -> None:
    with whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **content)  # type: ignore[arg-type]
