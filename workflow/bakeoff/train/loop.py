"""Training, as the method section of a paper would tell it. What varies is handed in; nothing here branches on it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from bakeoff.train.accelerate import Choice, choose
from bakeoff.train.arithmetic import in_order, precise
from bakeoff.train.augment import Policy
from bakeoff.train.average import Average
from bakeoff.train.checkpoint import Keep, State, capture, put_back
from bakeoff.train.epochs import AfterEpoch
from bakeoff.train.feed import Feed, Normalise, Part, Streams
from bakeoff.train.optimizer import Optimizer
from bakeoff.train.parallel import ALONE, Ranks
from bakeoff.train.parameters import blocks_of, freeze, parameter_groups
from bakeoff.train.schedule import Schedule, make_schedule
from bakeoff.train.spec import Phase, Recipe
from bakeoff.train.update import Learner, loss_of


@dataclass(frozen=True)
class Epoch:
    """One line of the history. Accuracies are fractions, None of a regression; seconds are of training alone."""

    epoch: int
    phase: str
    lr: float
    train_loss: float
    train_accuracy: float | None
    val_loss: float
    val_accuracy: float | None
    seconds: float

    @property
    def rank(self) -> tuple[float, float]:
        """The higher the better: by validation accuracy; among equals, and where there is none, by validation loss."""
        return (0.0 if self.val_accuracy is None else self.val_accuracy, -self.val_loss)

    @property
    def judged(self) -> str:
        """What it is judged by, as in "val accuracy 0.9123"."""
        return f"val loss {self.val_loss:.4f}" if self.val_accuracy is None else f"val accuracy {self.val_accuracy:.4f}"


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
    out_of_memory: str | None = None

    @classmethod
    def of(cls, state: State) -> Outcome:
        """As it was when `asdict` made `state` of it."""
        best = state["best"]
        lines = [Epoch(**line) for line in state["history"]]
        return cls(**{**state, "history": lines, "best": None if best is None else Epoch(**best)})

    @property
    def status(self) -> str:
        """The word for it in records."""
        return "oom" if self.out_of_memory else "diverged" if self.diverged else "done"

    @property
    def reason(self) -> str | None:
        """Why it did not end well."""
        return self.out_of_memory or self.diverged

    @property
    def train_seconds(self) -> float:
        """Seconds of all epochs, validation not counted."""
        return sum(epoch.seconds for epoch in self.history)

    def add(self, line: Epoch, images: int, patience: int | None) -> bool:
        """Take in an epoch; returns whether it is the best so far.

        That is the one of the highest `rank`. A loss that is not finite ends the run: it has diverged, which is a
        result. So does early stopping.
        """
        self.history.append(line)
        self.images += images
        if not math.isfinite(line.train_loss) or not math.isfinite(line.val_loss):
            which = "validation" if math.isfinite(line.train_loss) else "training"
            self.diverged = f"the {which} loss of epoch {line.epoch} is not finite"
            return False
        if self.best is None or line.rank > self.best.rank:
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
    resume: State | None = None,
    keep: Keep = lambda _: None,
    after_epoch: AfterEpoch = lambda *_: None,
    ranks: Ranks = ALONE,
) -> Outcome:
    """Train `net` and leave it with the weights of its best epoch on the validation images.

    `make_policy` gives the augmentation for an image size. `report` gets each epoch, `progress` the number of images
    seen so far in this epoch and of the epoch: before its first batch and after each. `workers` read and augment what
    does not lie on the device. `keep` is told after each step how to make the state that `resume` takes, `after_epoch`
    the weights that each epoch ended with. Of several processes that train it together, `ranks` says which this is.
    """
    device = training.labels.device
    net = in_order(net, recipe)
    frozen = freeze(net, recipe.trained)
    optimizer = Optimizer(parameter_groups(net, recipe, blocks_of(net)), recipe)
    average = Average(net, recipe.ema) if recipe.ema is not None else None
    loss_function = loss_of(recipe, training.labels, classes)
    learner = ranks.learner(net, optimizer, loss_function, recipe, average, device)
    run = _Run(learner, candidate=average.network if average else net)
    if resume is not None:
        run.begin_from(resume)
    last_epoch = 0
    for number, phase in enumerate(phases(recipe, training.size), 1):
        first_epoch, last_epoch = last_epoch + 1, last_epoch + phase.epochs
        if run.is_past(last_epoch):
            continue
        policy = make_policy(phase.size)
        feed = Feed(training, recipe, policy, normalise, streams, size=phase.size, workers=workers, ranks=ranks)
        schedule = make_schedule(recipe, feed.steps_per_epoch, phase.epochs, phase.lr or recipe.lr)
        net.train()
        frozen.to_eval()
        choice = _choose(run, feed, number, first_epoch, phase.epochs * feed.batches_per_epoch)
        run.restore(schedule, begun=(run.epoch, run.batch) > (first_epoch, 0))
        state = partial(run.state, schedule)
        while not run.is_past(last_epoch):
            net.train()
            frozen.to_eval()
            run.epoch_begins()
            step = (run.epoch - first_epoch) * feed.steps_per_epoch
            _run_epoch(choice, feed, run, schedule, step, progress, partial(keep, state))
            seen = feed.images_per_epoch
            loss = float(learner.sums.loss) / seen
            seconds = run.seconds  # after the sums were read, so the device has finished
            val_loss, val_accuracy = ranks.agreed(
                lambda: loss_function.assess(predict(run.candidate, validation, normalise, recipe), validation.labels)
            )
            schedule.epoch_end(val_loss)
            name = f"{number}: {phase.size} px" if recipe.phases else "train"
            accuracy = None if val_accuracy is None else float(learner.sums.correct) / seen
            line = Epoch(run.epoch, name, run.lr, loss, accuracy, val_loss, val_accuracy, seconds)
            run.epoch_ends(line, seen)
            after_epoch(line.epoch, run.candidate.state_dict())
            report(line)
            keep(state)
    net.load_state_dict(run.best_weights)
    return run.outcome


class _Run:
    """Where training stands: the place in it, what came of it, and all that a step changes."""

    def __init__(self, learner: Learner, candidate: nn.Module) -> None:
        self.learner = learner
        self.candidate = candidate  # what is validated and kept
        self.outcome = Outcome()
        self.best_weights = copy.deepcopy(candidate.state_dict())
        self.epoch, self.batch, self.lr = 1, 0, 0.0
        self._before = 0.0
        """Seconds of this epoch before it was interrupted."""
        self._started = time.perf_counter()
        self._kept: State | None = None

    def is_past(self, epoch: int) -> bool:
        """Whether nothing of this epoch or those before it is left to do."""
        return self.outcome.ended or self.epoch > epoch

    @property
    def seconds(self) -> float:
        """Seconds of this epoch."""
        return self._before + time.perf_counter() - self._started

    def epoch_begins(self) -> None:
        """Start its clock, and its sums unless they go on."""
        self._started = time.perf_counter()
        if self.batch == 0:
            self.learner.sums.clear()

    def epoch_ends(self, line: Epoch, images: int) -> None:
        """Take in an epoch."""
        if self.outcome.add(line, images, self.learner.recipe.early_stopping):
            self.best_weights = copy.deepcopy(self.candidate.state_dict())
        self.epoch, self.batch, self._before = line.epoch + 1, 0, 0.0

    def state(self, schedule: Schedule) -> State:
        """All of it as plain values and tensors on the CPU; to be taken between steps, when no gradients are."""
        return {
            **capture(self._tensors()),
            **{name: getattr(self, name) for name in ("epoch", "batch", "lr")},
            "seconds": self.seconds if self.batch else 0.0,
            "batches": {name: getattr(self.learner.recipe, name) for name in ("batch_size", "accumulate")},
            "schedule": schedule.memory,
            "best_weights": {name: tensor.cpu() for name, tensor in self.best_weights.items()},
            "outcome": asdict(self.outcome),
        }

    def begin_from(self, state: State) -> None:
        """Stand where `state` was made."""
        self._kept = state
        self.outcome = Outcome.of(state["outcome"])
        self.epoch, self.batch, self.lr, self._before = (state[name] for name in ("epoch", "batch", "lr", "seconds"))
        for name, tensor in self.best_weights.items():
            tensor.copy_(state["best_weights"][name])

    def restore(self, schedule: Schedule, begun: bool) -> None:
        """Put back the rest of it, once, after steps were tried; the memory of a schedule whose phase has `begun`."""
        if self._kept is not None:
            put_back(self._kept, self._tensors())
            if begun:
                schedule.memory = self._kept["schedule"]
            self._kept = None

    def _tensors(self) -> list[Tensor]:
        return [*self.learner.tensors(), self.learner.sums.loss, self.learner.sums.correct]


def phases(recipe: Recipe, size: int) -> list[Phase]:
    """The recipe's phases, or the one that it means when it names none: all epochs at the data's size."""
    return recipe.phases or [Phase(size=size, epochs=recipe.epochs)]


def _choose(run: _Run, feed: Feed, phase: int, epoch: int, steps: int) -> Choice:
    """How the steps of a phase are run; of one that was begun before, as they were."""
    known = run.outcome.steps_run_as
    before = str(known[phase - 1]["name"]) if len(known) >= phase else None
    batches = feed.epoch(epoch)
    try:
        choice = choose(run.learner, lambda: next(batches), steps, before)
    finally:
        batches.close()
    if before is None:
        known.append(choice.record())
    return choice


def _run_epoch(
    choice: Choice,
    feed: Feed,
    run: _Run,
    schedule: Schedule,
    step: int,
    progress: Callable[[int, int], None],
    step_done: Callable[[], None],
) -> None:
    """One pass, or the rest of it; `step` is its first. Nothing in it waits for the device."""
    accumulate = run.learner.recipe.accumulate
    progress(run.batch * feed.batch_size, feed.images_per_epoch)
    step += run.batch // accumulate
    for images, labels, share in feed.epoch(run.epoch, run.batch):
        feed.ranks.draw_apart(feed.streams.augment, run.epoch, run.batch)
        run.batch += 1
        whole = run.batch % accumulate == 0
        if whole:
            run.lr = schedule.lr_at(step)
            step += 1
        choice.update(images, labels, share, run.lr if whole else None)
        progress(run.batch * feed.batch_size, feed.images_per_epoch)
        if whole:
            step_done()


@torch.inference_mode()
def predict(net: nn.Module, part: Part, normalise: Normalise, recipe: Recipe, batch_size: int = 256) -> Tensor:
    """Logits [N, classes] float32 (of a regression outputs [N, d], in standard deviations), on the device, in the order
    of the images; the network ends in evaluation mode.
    """
    net.eval()
    device = part.labels.device
    with precise(recipe, device):
        logits = [net(normalise(pixels.to(device))).float() for pixels in torch.split(part.pixels, batch_size)]
    return torch.cat(logits)
