"""What a study's open jobs would take, from what earlier ones took: records of runs, and the times in logs/.

A run's time is that of the most similar earlier runs, an image: with the same settings of what decides speed; else of
the same model on the same images; else of the same model on images of another size, scaled by their area; among these,
several GPUs are taken for as many times as fast. A job of any other step takes what the same step took for the model,
or for any. Where nothing like it was ever made here, there is no estimate.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from bakeoff import device, layout
from bakeoff.cells import Cell, Combined, Elsewhere
from bakeoff.grid import Grid
from bakeoff.plan import Item

LOGS = Path("logs")
SPEED = ("batch_size", "precision", "acceleration", "optimizer", "trained", "accumulate", "channels_last", "phases")
"""Settings of a recipe that a run's pace depends on."""
_BASES = ("like it", "same model and images", "same model, other image size")


@dataclass(frozen=True)
class Estimate:
    """Seconds of one job, None where no earlier one tells; `basis` names what it goes by. It works on so many `devices`
    at once: GPUs, or shares of the cores.
    """

    seconds: float | None
    basis: str
    devices: int = 1


@dataclass(frozen=True)
class Past:
    """What one earlier run tells: its pace, and its start and end around training."""

    seconds_per_image: float
    overhead: float | None


@dataclass(frozen=True)
class _Pace:
    """Where a pace holds, from the most exact to the least; and what an image takes otherwise: its area, a device."""

    keys: tuple[tuple[Any, ...], ...]
    work: float


def _pace(spec: Mapping[str, Any], on: str, share: int) -> _Pace:
    """Of a run's settings, the kind of device that it runs on, and how many runs may be on one."""
    model, data, recipe = spec["model"], spec["dataset"], spec["recipe"]
    net = (on, model["builder"], json.dumps(model["options"], sort_keys=True))
    size = data["settings"]["image_size"]
    images = (*net, data["source"], size)
    gpus = recipe.get("gpus", 1)
    execution = (spec["threads"], spec.get("seeds_together"), *(json.dumps(recipe.get(key)) for key in SPEED))
    like_it = (*images, spec["augmentation"]["policy"], gpus, share, *execution)
    return _Pace((like_it, images, net), size * size / gpus)


class Earlier:
    """The jobs that were done here before, by what they were."""

    def __init__(self, results: Path = layout.RESULTS, logs: Path = LOGS) -> None:
        self.logs = logs
        self._paces: dict[tuple[Any, ...], list[tuple[Past, float]]] = defaultdict(list)
        self._train_images: dict[str, int] = {}
        self._bytes: dict[str, list[tuple[int, int]]] = defaultdict(list)
        """Of a model, for each run the bytes of its files and of its weights, those after each epoch not among them."""
        self._walls: dict[str, list[tuple[str, float]]] = {}
        for path in results.glob("runs/*/*/*/*/seed*/run.json"):
            self._learn(path)
        self.overhead = median([p.overhead for ps in self._paces.values() for p, _ in ps if p.overhead] or [0.0])

    def _learn(self, path: Path) -> None:
        record = _facts(path, path.stat().st_mtime_ns)
        if record is None:
            return
        spec, seconds, images = record["spec"], record["train_seconds"], record["images_trained"]
        wall = _wall(self.logs / "train" / Path(*path.parts[-6:-2]) / f"{path.parts[-2]}.tsv")
        past = Past(seconds / images, max(wall - seconds, 0.0) if wall else None)
        pace = _pace(spec, record["device"], record["share"])
        for key in pace.keys:
            self._paces[key].append((past, pace.work))
        sizes = {file.name: file.stat().st_size for file in path.parent.iterdir() if file.is_file()}
        others = sum(size for name, size in sizes.items() if not layout.EPOCH_WEIGHTS.fullmatch(name))
        self._bytes[spec["model"]["builder"]].append((others, sizes.get("model.safetensors", 0)))
        if spec["recipe"].get("train_images", "all") == "all":
            self._train_images[json.dumps(spec["dataset"], sort_keys=True)] = record["n_train"]

    def run(self, grid: Grid, cell: Cell, on: str, epochs: int | None = None) -> Estimate:
        """Seconds of one run of a cell, its start included."""
        spec = grid.train_spec(cell)
        images = self._images(grid, cell)
        if images is None:
            return Estimate(None, f"{cell.dataset} is not prepared, so its size is not known")
        recipe = grid.study.recipes[cell.recipe]
        epochs = epochs or (recipe.total_epochs if grid.is_net(cell.model) else 1)
        pace = _pace(spec, on, grid.study.train.gpu_share if on == "cuda" and recipe.gpus == 1 else 1)
        for key, basis in zip(pace.keys, _BASES, strict=True):
            if found := self._paces.get(key):
                rate = median(past.seconds_per_image * pace.work / work for past, work in found)
                return Estimate(rate * images * epochs + self.overhead, basis)
        return Estimate(None, "no earlier run to go by")

    def _images(self, grid: Grid, cell: Cell) -> int | None:
        """Training images of an epoch."""
        if (wanted := grid.study.recipes[cell.recipe].train_images) != "all":
            return int(wanted)
        if manifest := grid.prepared(cell.dataset):
            return int(manifest["counts"]["train"])
        return self._train_images.get(json.dumps(grid.data_spec(cell.dataset), sort_keys=True))

    def size(self, grid: Grid, cell: Cell) -> int | None:
        """Bytes of the files of one run of a cell."""
        found = self._bytes.get(grid.train_spec(cell)["model"]["builder"])
        every = grid.study.train.keep == "all" and grid.is_net(cell.model)
        epochs = grid.study.recipes[cell.recipe].total_epochs if every else 0
        return round(median(others + epochs * weights for others, weights in found)) if found else None

    def step(self, step: str, model: str) -> Estimate:
        """Seconds of one job of another step."""
        if step not in self._walls:
            paths = self.logs.joinpath(step).rglob("*.tsv")
            self._walls[step] = [(str(path), wall) for path in paths if (wall := _wall(path)) is not None]
        same = [wall for path, wall in self._walls[step] if f"/{model}/" in path or f"/{model}-" in path]
        found = same or [wall for _, wall in self._walls[step]]
        if not found:
            return Estimate(None, f"no earlier {step} to go by")
        return Estimate(median(found), "same model" if same else f"any {step}")


def of(grid: Grid, items: Iterable[Item], earlier: Earlier) -> Iterator[tuple[Item, Estimate]]:
    """The estimate of each of these jobs."""
    on = run_device(grid)
    for item in items:
        if item.step == "train" and item.cell:
            yield item, replace(earlier.run(grid, item.cell, on), devices=grid.study.recipes[item.cell.recipe].gpus)
        elif item.step == "tune" and item.cell and (tuning := grid.study.recipes[item.cell.recipe].tuning):
            one = earlier.run(grid, item.cell, on, tuning.epochs)
            yield item, Estimate(one.seconds and one.seconds * tuning.trials, one.basis)
        else:
            step = item.step
            if step == "profile" and isinstance(item.cell, Combined | Elsewhere):  # nothing is measured
                step = "combine" if isinstance(item.cell, Combined) else "external"
            yield item, earlier.step(step, item.cell.model if item.cell else item.name)


def run_device(grid: Grid) -> str:
    """The kind of device that the study's runs use: cpu or cuda."""
    asked = grid.study.device
    return ("cuda" if device.machine_has_gpu() else "cpu") if asked == "auto" else asked


@lru_cache(maxsize=100_000)
def _facts(path: Path, modified: int) -> dict[str, Any] | None:
    """What an earlier run's record tells of its pace, None where nothing. Not checked: no result rests on it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        facts = {key: record[key] for key in ("spec", "train_seconds", "images_trained", "n_train", "device")}
        facts["share"] = (record.get("gpus") or {}).get("share", 1)
        _pace(facts["spec"], facts["device"], facts["share"])
        fit = record["status"] == "done" and facts["images_trained"] > 0 and facts["train_seconds"] >= 0
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        return None
    return facts if fit else None


def _wall(path: Path) -> float | None:
    """Seconds that Snakemake's benchmark file has for a job."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return float(next(csv.DictReader(file, delimiter="\t"))["s"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
