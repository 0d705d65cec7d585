"""Training, as the method section of a paper would tell it. What varies is handed in; nothing here branches on it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bakeoff.train.accelerate import Choice, choose
from bakeoff.train.arithmetic import in_order, precise
from bakeoff.train.augment import Policy
from bakeoff.train.average import Average
from bakeoff.train.feed import Feed, Normalise, Part, Streams
from bakeoff.train.optimizer import Optimizer
from bakeoff.train.parameters import blocks_of, freeze, parameter_groups
from bakeoff.train.sampling import class_weights
from bakeoff.train.schedule import Schedule, make_schedule
from bakeoff.train.spec import Phase, Recipe
from bakeoff.train.update import Learner, Loss


@dataclass(frozen=True)
class Epoch:
    """One line of the history. Accuracies are fractions; seconds are of training alone."""

    epoch: int
    phase: str
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


@dataclass
class Outcome:
    """What training led to: the network holds the weights of the best epoch. `images` counts those trained on."""

    history: list[Epoch] = field(default_factory=list)
    images: int = 0
    best: Epoch | None = None
    diverged: str | None = None
    stopped_early: bool = False
    steps_run_as: list[dict[str, object]] = field(default_factory=list)
    """Of each phase, how its steps were run (see accelerate)."""

    @property
    def train_seconds(self) -> float:
        """Seconds of all epochs, validation not counted."""
        return sum(epoch.seconds for epoch in self.history)

    def add(self, line: Epoch, images: int, patience: int | None) -> bool:
        """Take in an epoch; returns whether it is the best so far.

        That has the highest validation accuracy; among equals the lowest validation loss. A loss that is not finite
        ends the run: it has diverged, which is a result. So does early stopping.
        """
        self.history.append(line)
        self.images += images
        if not math.isfinite(line.train_loss) or not math.isfinite(line.val_loss):
            which = "validation" if math.isfinite(line.train_loss) else "training"
            self.diverged = f"the {which} loss of epoch {line.epoch} is not finite"
            return False
        if self.best is None or (line.val_accuracy, -line.val_loss) > (self.best.val_accuracy, -self.best.val_loss):
            self.best = line
            return True
        self.stopped_early = patience is not None and line.epoch - self.best.epoch >= patience
        return False

    @property
    def ended(self) -> bool:
        """Whether training is over before its last epoch."""
        return self.stopped_early or self.diverged is not None


def train(
    net: nn.Module,
    training: Part,
    validation: Part,
    *,
    recipe: Recipe,
    classes: int,
    make_policy: Callable[[int], Policy],
    normalise: Normalise,
    streams: Streams,
    report: Callable[[Epoch], None],
    progress: Callable[[int, int], None],
    workers: int = 0,
) -> Outcome:
    """Train `net` and leave it with the weights of its best epoch on the validation images.

    `make_policy` gives the augmentation for an image size. `report` gets each epoch, `progress` the number of images
    seen so far in this epoch and of the epoch: before its first batch and after each. `workers` read and augment what
    does not lie on the device.
    """
    device = training.labels.device
    net = in_order(net, recipe)
    frozen = freeze(net, recipe.trained)
    optimizer = Optimizer(parameter_groups(net, recipe, blocks_of(net)), recipe)
    average = Average(net, recipe.ema) if recipe.ema is not None else None
    weights = class_weights(training.labels, classes) if recipe.class_weights == "balanced" else None
    learner = Learner(net, optimizer, Loss(recipe.label_smoothing, weights), recipe, average, device)
    candidate = average.network if average else net  # what is validated and kept
    outcome = Outcome()
    best_weights = copy.deepcopy(candidate.state_dict())
    first_epoch = 1
    for number, phase in enumerate(phases(recipe, training.size), 1):
        policy = make_policy(phase.size)
        feed = Feed(training, recipe, policy, normalise, streams, size=phase.size, workers=workers)
        schedule = make_schedule(recipe, feed.steps_per_epoch, phase.epochs, phase.lr or recipe.lr)
        net.train()
        frozen.to_eval()
        steps = phase.epochs * feed.batches_per_epoch
        choice = _choose(learner, feed, first_epoch, steps)
        outcome.steps_run_as.append(choice.record())
        for epoch in range(first_epoch, first_epoch + phase.epochs):
            started = time.perf_counter()
            net.train()
            frozen.to_eval()
            learner.sums.clear()
            step = (epoch - first_epoch) * feed.steps_per_epoch
            lr = _run_epoch(choice, feed, epoch, schedule, step, recipe.accumulate, progress)
            seen = feed.images_per_epoch
            loss, accuracy = float(learner.sums.loss) / seen, float(learner.sums.correct) / seen
            seconds = time.perf_counter() - started  # after the sums were read, so the device has finished
            val_loss, val_accuracy = assess(predict(candidate, validation, normalise, recipe), validation.labels)
            schedule.epoch_end(val_loss)
            name = f"{number}: {phase.size} px" if recipe.phases else "train"
            line = Epoch(epoch, name, lr, loss, accuracy, val_loss, val_accuracy, seconds)
            if outcome.add(line, seen, recipe.early_stopping):
                best_weights = copy.deepcopy(candidate.state_dict())
            report(line)
            if outcome.ended:
                break
        if outcome.ended:
            break
        first_epoch += phase.epochs
    net.load_state_dict(best_weights)
    return outcome


def phases(recipe: Recipe, size: int) -> list[Phase]:
    """The recipe's phases, or the one that it means when it names none: all epochs at the data's size."""
    return recipe.phases or [Phase(size=size, epochs=recipe.epochs)]


def _choose(learner: Learner, feed: Feed, epoch: int, steps: int) -> Choice:
    batches = feed.epoch(epoch)
    try:
        return choose(learner, lambda: next(batches), steps)
    finally:
        batches.close()


def _run_epoch(
    choice: Choice,
    feed: Feed,
    epoch: int,
    schedule: Schedule,
    step: int,
    accumulate: int,
    progress: Callable[[int, int], None],
) -> float:
    """One pass; returns the last learning rate. Nothing in it waits for the device."""
    seen = 0
    lr = 0.0
    progress(seen, feed.images_per_epoch)
    for i, (images, labels, share) in enumerate(feed.epoch(epoch), 1):
        whole = i % accumulate == 0
        if whole:
            lr = schedule.lr_at(step)
            step += 1
        choice.update(images, labels, share, lr if whole else None)
        seen += len(labels)
        progress(seen, feed.images_per_epoch)
    return lr


@torch.inference_mode()
def predict(net: nn.Module, part: Part, normalise: Normalise, recipe: Recipe, batch_size: int = 256) -> Tensor:
    """Logits [N, classes] float32, on the device, in the order of the images; the network ends in evaluation mode."""
    net.eval()
    device = part.labels.device
    with precise(recipe, device):
        logits = [net(normalise(pixels.to(device))).float() for pixels in torch.split(part.pixels, batch_size)]
    return torch.cat(logits)


def assess(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Cross-entropy (nats) and accuracy (fraction)."""
    return float(F.cross_entropy(logits, labels)), int((logits.argmax(dim=1) == labels).sum()) / len(labels)
