"""A fair search: every model gets the same number of trials, drawn alike, judged on validation images alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.device import gpu_name
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import Json, check_files, content_digest, environment, read_record, spec_digest, write_record
from bakeoff.train.checkpoint import Keeper
from bakeoff.train.job import Execution, Job, fit, keeper, ready
from bakeoff.train.progress import Progress
from bakeoff.train.spec import Recipe, Tuning

PACKAGES = ("torch", "torchvision", "timm", "numpy")


@dataclass(frozen=True)
class Trial:
    """One trial: its settings, and what they led to on the validation images."""

    lr: float
    weight_decay: float
    val_accuracy: float | None
    val_loss: float | None
    images: int
    seconds: float
    diverged: str | None

    @property
    def rank(self) -> tuple[float, float]:
        """The higher the better; a diverged trial is below all others."""
        if self.val_loss is None:
            return (-1.0, -math.inf)
        return (0.0 if self.val_accuracy is None else self.val_accuracy, -self.val_loss)


@dataclass(frozen=True)
class Choice:
    """What a search led to, and what it cost."""

    lr: float
    weight_decay: float
    trials: int
    images: int
    seconds: float
    digest: str

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with the settings found. Phases with a rate of their own keep its ratio to the recipe's."""
        factor = self.lr / recipe.lr
        phases = [
            phase if phase.lr is None else phase.model_copy(update={"lr": phase.lr * factor}) for phase in recipe.phases
        ]
        changes = {"lr": self.lr, "weight_decay": self.weight_decay, "phases": phases, "tuning": None}
        return recipe.model_copy(update=changes)

    def record(self) -> Json:
        """For the ledger in run.json."""
        return asdict(self)


def candidates(recipe: Recipe, tuning: Tuning) -> Iterator[tuple[float, float]]:
    """Learning rates and weight decays, the recipe's own first; the rest log-uniform, the same for every model.

    Random search, not a grid (Bergstra and Bengio 2012): with two settings of unequal weight it sees more of each.
    """
    yield recipe.lr, recipe.weight_decay
    rng = np.random.default_rng(tuning.seed)
    low_lr, high_lr = tuning.lr or [recipe.lr / 10, recipe.lr * 10]
    decay = tuning.weight_decay or (
        [recipe.weight_decay / 10, recipe.weight_decay * 10] if recipe.weight_decay else None
    )
    for _ in range(tuning.trials - 1):
        u, v = rng.random(2)
        lr = low_lr * (high_lr / low_lr) ** u
        yield float(lr), float(decay[0] * (decay[1] / decay[0]) ** v) if decay else 0.0


def run(spec: Json, names: Json, data: Path, out: Path, code: str, execution: Execution | None = None) -> Path:
    """Search for one cell and write `tuning.json` into the folder `out`; returns its path.

    Trials train with random streams of their own, which no run of the study has.
    """
    job = ready(spec, names["dataset"], names["model"], data, execution or Execution())
    tuning = job.recipe.tuning
    if tuning is None:
        raise UserError(f"tune: recipe {names['recipe']} has no tuning: budget")
    place = f"{names['dataset']} {names['model']} {names['augmentation']} {names['recipe']}"
    with keeper(job, job.recipe, out, code, [-1 - tuning.seed]) as kept:
        trials = [Trial(**trial) for trial in kept.before]
        for number, (lr, weight_decay) in enumerate(candidates(job.recipe, tuning), 1):
            if number > len(trials):
                variant = _variant(job.recipe, tuning, lr, weight_decay)
                trials.append(_try(job, variant, tuning, f"{place} trial {number}", kept))
                kept.before.append(asdict(trials[-1]))
    best = max(trials, key=lambda trial: trial.rank)
    body = {
        **names,
        "status": "diverged" if best.val_loss is None else "done",
        "resumed": kept.resumed,
        "lr": best.lr,
        "weight_decay": best.weight_decay,
        "trials": [asdict(trial) for trial in trials],
        "images_trained": sum(trial.images for trial in trials),
        "train_seconds": round(sum(trial.seconds for trial in trials), 3),
        "data_digest": content_digest(job.manifest),
        "device": job.device.type,
        "threads": spec["threads"],
        "environment": {**environment(PACKAGES), "gpu": gpu_name(job.device)},
    }
    path = out / "tuning.json"
    write_record(path, "tuning", spec, code, body)
    kept.remove()
    return path


def _variant(recipe: Recipe, tuning: Tuning, lr: float, weight_decay: float) -> Recipe:
    changes: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay, "tuning": None}
    if tuning.epochs is not None:
        changes |= {"epochs": tuning.epochs, "phases": []}
    return recipe.model_copy(update=changes)


def _try(job: Job, recipe: Recipe, tuning: Tuning, name: str, kept: Keeper) -> Trial:
    progress = Progress(name, recipe.total_epochs)
    # Seeds of a study are not negative, so none of its runs has these streams.
    seed = -1 - tuning.seed
    outcome = fit(job, recipe, seed, report=progress.epoch, progress=progress.batch, **progress.go_on(kept)).outcome
    best = outcome.best
    progress.end(
        f"lr {recipe.lr:.3g}, weight decay {recipe.weight_decay:.3g}: "
        + (best.judged if best else f"{outcome.status}: {outcome.reason}")
    )
    return Trial(
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        val_accuracy=best.val_accuracy if best else None,
        val_loss=best.val_loss if best else None,
        images=outcome.images,
        seconds=round(outcome.train_seconds, 3),
        diverged=outcome.reason,
    )


def read(path: Path | None, job: Job, code: str) -> Choice:
    """The choice that `tune` recorded for this very cell. Raises UserError or Refused when there is none."""
    if path is None:
        raise UserError("train: the recipe has a tuning: budget, so --tuned must name the tuning.json of its search")
    record = read_record(path, "tuning", spec=spec_digest(job.spec), code=code)
    check_files(path, record)
    if record["data_digest"] != content_digest(job.manifest):
        raise Refused(f"{path}: was made with other data; delete it to have it made anew")
    return Choice(
        lr=record["lr"],
        weight_decay=record["weight_decay"],
        trials=len(record["trials"]),
        images=record["images_trained"],
        seconds=record["train_seconds"],
        digest=record["record_digest"],
    )
