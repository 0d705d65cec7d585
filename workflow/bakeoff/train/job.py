"""What the runs of a cell have in common, and the training of one: from a spec and prepared arrays to a network."""

from __future__ import annotations

import gc
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bakeoff.data import arrays
from bakeoff.device import prepare_device
from bakeoff.errors import UserError
from bakeoff.models import initial, registry, weights
from bakeoff.provenance import Json, check_files, read_record, spec_digest, validated
from bakeoff.seeding import stream_seed
from bakeoff.train import arithmetic, augment
from bakeoff.train.augment import Policy
from bakeoff.train.checkpoint import NAME, Keep, Keeper, State
from bakeoff.train.epochs import AfterEpoch
from bakeoff.train.feed import Normalise, Part, Streams
from bakeoff.train.loop import Epoch, Outcome, phases, predict, train
from bakeoff.train.memory import advice, has_batch_norm, is_out_of_memory, smaller
from bakeoff.train.parallel import ALONE, Ranks
from bakeoff.train.spec import Recipe
from bakeoff.train.targets import Standard


@dataclass(frozen=True)
class Execution:
    """Where the work is done; no result depends on it."""

    resident_gb: float | None = None
    """Data sets up to this size lie on the device; default: a quarter of the memory."""
    workers: int | None = None
    """Processes that read and augment what does not; default: 4 beside a GPU, else none."""
    weights: Path | None = None
    """The file of initial weights, where the recipe names one: it knows the file by its sha256."""
    checkpoint_seconds: float | None = None
    """Seconds of work that may be lost; default: 60."""
    every_epoch: bool = False
    """Whether the weights after each epoch are kept."""
    gpus: Json | None = None
    """The GPUs leased for it (see bakeoff.leases), for the record."""


@dataclass(frozen=True)
class Job:
    """A cell, ready to be trained: settings, data, device."""

    spec: Json
    dataset: str
    model: str
    recipe: Recipe
    manifest: Json
    splits: dict[arrays.Part, arrays.Split]
    parts: dict[arrays.Part, Part]
    device: torch.device
    workers: int
    checkpoint_seconds: float | None = None
    every_epoch: bool = False
    gpus: Json | None = None
    standard: Standard | None = None
    """How the targets of a regression are standardised; None where there are classes."""

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return int(self.manifest["size"])

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return int(self.manifest["channels"])

    @property
    def targets(self) -> list[Json]:
        """The targets of a regression, with name and unit; [] where there are classes."""
        return list(self.manifest.get("targets", []))

    @property
    def classes(self) -> int:
        """Numbers that the net gives for an image: one a class, or one a target."""
        return len(self.targets or self.manifest["class_names"])

    def policy(self, size: int) -> Policy:
        """The augmentation for images of this size."""
        flip = self.manifest["flip"]
        return augment.build(self.spec["augmentation"], size=size, flip=flip, channels=self.channels)

    def streams(self, seed: int) -> Streams:
        """The random streams of a seed; no model in them."""
        return Streams(*(stream_seed(seed, stream, self.dataset) for stream in ("order", "augment")))


def keeper(job: Job, recipe: Recipe, out: Path, code: str, seeds: Sequence[int]) -> Keeper:
    """Of the checkpoint in the folder `out`, for work that the same settings, code, data, seeds and versions began."""
    key = {
        "spec": job.spec,
        "recipe": recipe.model_dump(mode="json"),
        "code": code,
        "seeds": list(seeds),
        "data": job.manifest["record_digest"],
        "device": job.device.type,
        # Those of packages are part of the code's digest, but for the accelerator that torch was built for.
        "versions": [platform.python_version(), torch.__version__],
    }
    return Keeper(out / NAME, key, job.checkpoint_seconds)


@dataclass(frozen=True)
class Trained:
    """A trained network, and all that one needs to use it as it was trained."""

    net: nn.Module
    outcome: Outcome
    normalise: Normalise
    mean: list[float]
    std: list[float]
    weights: weights.Loaded | None
    recipe: Recipe
    """As it was trained by: the batches may be smaller than asked for (see `fit`)."""

    def logits(self, job: Job, part: arrays.Part) -> Tensor:
        """Logits [N, classes] float32 for a part, or predicted targets [N, d] in their own units, on the CPU; where
        memory did not suffice, no numbers.
        """
        if self.outcome.out_of_memory:
            return torch.full((len(job.parts[part]), job.classes), torch.nan)
        outputs = predict(self.net, job.parts[part], self.normalise, job.recipe).cpu()
        return outputs if job.standard is None else job.standard.back(outputs)

    def smaller_batches(self, asked: Recipe) -> dict[str, int] | None:
        """The batches that a step was made of, where memory did not suffice for those `asked` for."""
        if self.recipe.accumulate == asked.accumulate:
            return None
        return {"batch_size": self.recipe.batch_size, "accumulate": self.recipe.accumulate}


def ready(spec: Json, dataset: str, model: str, data: Path, execution: Execution) -> Job:
    """Read what a run is made from. Raises UserError or Refused when settings or data are not what they must be."""
    recipe = validated(Recipe, spec, "recipe")
    recipe = recipe.model_copy(update={"weights": initial.locate(recipe.weights, execution.weights)})
    device = prepare_device(spec["device"], spec["threads"])
    arithmetic.set_up(recipe, device)
    manifest = read_record(data / "manifest.json", "data", spec=spec_digest(spec["dataset"]))
    check_files(data / "manifest.json", manifest)
    splits = {part: arrays.load(data, part) for part in arrays.PARTS}
    resident = _fits(sum(split.pixels.nbytes for split in splits.values()), execution, device)
    n_train = training_images(recipe, len(splits["train"]), dataset)
    standard = Standard.of(splits["train"].labels[:n_train]) if manifest.get("targets") else None
    workers = execution.workers
    if workers is None:
        workers = 4 if device.type == "cuda" and not resident else 0
    return Job(
        spec=spec,
        dataset=dataset,
        model=model,
        recipe=recipe,
        manifest=manifest,
        splits=splits,
        parts={
            # Training images stand in stratified order, so that any first n are a fair choice.
            part: _part(split, device, resident, n_train if part == "train" else None, standard)
            for part, split in splits.items()
        },
        device=device,
        workers=workers,
        checkpoint_seconds=execution.checkpoint_seconds,
        every_epoch=execution.every_epoch,
        gpus=execution.gpus,
        standard=standard,
    )


def training_images(recipe: Recipe, available: int, dataset: str) -> int:
    """How many images the recipe trains on. Raises UserError for more than there are, or less than a step needs."""
    wanted = available if recipe.train_images == "all" else recipe.train_images
    if wanted > available:
        raise UserError(
            f"train_images: {wanted} is more than the {available} training images of {dataset}; "
            f"set a smaller number or all"
        )
    if wanted < 2 * recipe.accumulate:
        raise UserError(f"accumulate: {recipe.accumulate} batches of two images are more than the {wanted} to train on")
    return wanted


def _fits(size: int, execution: Execution, device: torch.device) -> bool:
    """Whether so many bytes may lie on the device."""
    if execution.resident_gb is not None:
        return size <= execution.resident_gb * 1e9
    if device.type == "cuda":
        return bool(size <= torch.cuda.get_device_properties(device).total_memory / 4)
    import psutil

    return bool(size <= psutil.virtual_memory().total / 4)


def _part(split: arrays.Split, device: torch.device, resident: bool, n: int | None, standard: Standard | None) -> Part:
    # On a CPU the mapped file is as good as a copy: runs beside each other share it in the page cache.
    truth = split.labels[:n] if standard is None else standard.forth(split.labels[:n])
    pixels, labels = torch.from_numpy(split.pixels[:n]), torch.from_numpy(truth)
    return Part(pixels.to(device) if resident else pixels, labels.to(device))


def build(job: Job, recipe: Recipe, seed: int) -> tuple[nn.Module, weights.Loaded | None]:
    """The network of a seed with its initial weights, on the device; checked at every image size it will see."""
    torch.manual_seed(stream_seed(seed, "init", job.dataset, job.model))
    shape = {"channels": job.channels, "size": job.size, "classes": job.classes}
    model = job.spec["model"]
    net = registry.build(model, **shape, drop_path=recipe.drop_path)
    loaded = weights.initialise(net, model, recipe.weights, **shape)
    if loaded is not None:
        print(loaded.text(), file=sys.stderr)
    for size in {phase.size for phase in phases(recipe, job.size)} - {job.size}:
        _check_size(net, job, size)
    return net.to(job.device), loaded


def _check_size(net: nn.Module, job: Job, size: int) -> None:
    net.eval()
    try:
        with torch.no_grad():
            net(torch.zeros(2, job.channels, size, size))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"{job.model}: was built for images of {job.size} pixels and cannot take the {size} of the recipe's phases:"
            f" {reason}\n  give it a recipe without phases, or another model"
        ) from error


def fit(
    job: Job,
    recipe: Recipe,
    seed: int,
    *,
    report: Callable[[Epoch], None],
    progress: Callable[[int, int], None],
    resume: State | None = None,
    keep: Keep = lambda _: None,
    after_epoch: AfterEpoch = lambda *_: None,
    crew: Callable[[], AbstractContextManager[Ranks]] = lambda: nullcontext(ALONE),
) -> Trained:
    """Train the network of one seed by the recipe (the job's own, or a variant of it in tuning).

    Where memory does not suffice, in any of its processes, and the model has no batch norm, training begins anew with
    smaller batches, as many a step as give the same step; else the outcome says so, and the network is as it was
    initialised. Each attempt has a `crew` of its own: processes that take its steps together (see parallel.crew).
    """
    if resume is not None:
        recipe = recipe.model_copy(update=resume["batches"])
    tried: Recipe | None = recipe
    while tried is not None:
        try:
            with crew() as ranks:
                return _fit(job, tried, seed, report, progress, resume, keep, after_epoch, ranks)
        except (RuntimeError, MemoryError) as caught:
            if not is_out_of_memory(caught):
                raise
            error = caught.with_traceback(None)  # its frames hold on to the memory, and those of what came before it
            error.__context__ = None
        gc.collect()
        if job.device.type == "cuda":
            torch.cuda.empty_cache()
        net, loaded = build(replace(job, device=torch.device("cpu")), recipe, seed)
        batch_norm = has_batch_norm(net)
        tried = None if batch_norm else smaller(tried, len(job.parts["train"]))
        if tried is not None:
            resume = None
            print(f"out of memory: goes on with {_steps(tried)}", file=sys.stderr, flush=True)
    mean, std = figures(job, loaded)
    outcome = Outcome(out_of_memory=advice(error, batch_norm))
    return Trained(net, outcome, Normalise.of(mean, std, torch.device("cpu")), mean, std, loaded, recipe)


def _steps(recipe: Recipe) -> str:
    return f"batches of {recipe.batch_size} images, {recipe.accumulate} a step"


def follow(ranks: Ranks, spec: Json, dataset: str, model: str, data: Path, execution: Execution, seed: int) -> None:
    """What the other processes of a run do: train as the first does, and say and write nothing."""
    job = ready(spec, dataset, model, data, execution)
    _fit(job, job.recipe, seed, lambda _: None, lambda *_: None, None, lambda _: None, lambda *_: None, ranks)


def _fit(
    job: Job,
    recipe: Recipe,
    seed: int,
    report: Callable[[Epoch], None],
    progress: Callable[[int, int], None],
    resume: State | None,
    keep: Keep,
    after_epoch: AfterEpoch,
    ranks: Ranks,
) -> Trained:
    recipe, resume = ranks.agreed(lambda: (recipe, resume))
    net, loaded = build(job, recipe, seed)
    mean, std = figures(job, loaded)
    normalise = Normalise.of(mean, std, job.device, recipe.channels_last)
    outcome = train(
        net,
        job.parts["train"],
        job.parts["val"],
        recipe=recipe,
        classes=job.classes,
        make_policy=job.policy,
        normalise=normalise,
        streams=job.streams(seed),
        report=report,
        progress=progress,
        workers=job.workers,
        resume=resume,
        keep=lambda make: keep(lambda: ranks.sound(make())),
        after_epoch=after_epoch,
        ranks=ranks,
    )
    return Trained(net, outcome, normalise, mean, std, loaded, recipe)


def fit_together(
    job: Job,
    recipe: Recipe,
    seeds: Sequence[int],
    *,
    report: Callable[[Epoch], None],
    progress: Callable[[int, int], None],
    resume: State | None = None,
    keep: Keep = lambda _: None,
    after_epoch: Sequence[AfterEpoch] = (),
) -> list[Trained]:
    """Train the networks of several seeds side by side."""
    from bakeoff.train.together import train_together

    built = [build(job, recipe, seed) for seed in seeds]
    mean, std = figures(job, built[0][1])
    normalise = Normalise.of(mean, std, job.device, recipe.channels_last)
    nets = [net for net, _ in built]
    outcomes = train_together(
        nets,
        job.parts["train"],
        job.parts["val"],
        recipe=recipe,
        classes=job.classes,
        make_policy=job.policy,
        normalise=normalise,
        streams=[job.streams(seed) for seed in seeds],
        report=report,
        progress=progress,
        workers=job.workers,
        resume=resume,
        keep=keep,
        after_epoch=after_epoch,
    )
    return [
        Trained(net, outcome, normalise, mean, std, loaded, recipe)
        for (net, loaded), outcome in zip(built, outcomes, strict=True)
    ]


def figures(job: Job, loaded: weights.Loaded | None) -> tuple[list[float], list[float]]:
    """Mean and standard deviation that images are normalised with: those the initial weights were trained with, if
    they have any, else the training images'.
    """
    if loaded is None or loaded.mean is None or loaded.std is None:
        return job.manifest["mean"], job.manifest["std"]
    return _for_channels(loaded.mean, job.channels), _for_channels(loaded.std, job.channels)


def _for_channels(values: Any, channels: int) -> list[float]:
    """Three figures as one for grey images, whose three channels would have been equal."""
    values = [float(value) for value in values]
    return values if len(values) == channels else [sum(values) / len(values)] * channels
