"""Training, as the method section of a paper would tell it. What varies is handed in; nothing here branches on it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bakeoff.train.augment import Policy
from bakeoff.train.optimizer import Optimizer, make_schedule
from bakeoff.train.spec import Recipe


@dataclass(frozen=True)
class Part:
    """Images resident on the device: pixels [N, C, S, S] uint8 and labels [N] int64."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Normalise:
    """Bytes to floats of mean 0 and standard deviation 1 a channel, by the training images' figures in [0, 1]."""

    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, mean: list[float], std: list[float], device: torch.device) -> Normalise:
        """From the manifest's figures."""
        std_, mean_ = (torch.tensor(v, dtype=torch.float32, device=device).view(1, -1, 1, 1) for v in (std, mean))
        return cls(scale=1 / (255 * std_), shift=mean_ / std_)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pixels [B, C, S, S] uint8 to float32."""
        return pixels.float() * self.scale - self.shift


@dataclass(frozen=True)
class Streams:
    """Seeds of the two random streams of training; neither knows the model."""

    order: int
    augment: int


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

    @property
    def train_seconds(self) -> float:
        """Seconds of all epochs, validation not counted."""
        return sum(epoch.seconds for epoch in self.history)


def train(
    net: nn.Module,
    training: Part,
    validation: Part,
    *,
    recipe: Recipe,
    policy: Policy,
    normalise: Normalise,
    streams: Streams,
    report: Callable[[Epoch], None],
    progress: Callable[[int, int], None],
) -> Outcome:
    """Train `net` and leave it with the weights of its best epoch on the validation images.

    The best epoch has the highest validation accuracy; among equals the lowest validation loss. A loss that is not
    finite ends the run: it has diverged, which is a result. `report` gets each epoch, `progress` the number of images
    seen so far in this epoch and of the epoch: before its first batch and after each.
    """
    batch_size = min(recipe.batch_size, len(training))
    batches_per_epoch = len(training) // batch_size
    images_per_epoch = batches_per_epoch * batch_size
    optimizer = Optimizer(net, recipe)
    lr_at = make_schedule(recipe, batches_per_epoch)
    outcome = Outcome()
    best_weights = copy.deepcopy(net.state_dict())
    step = 0
    for epoch in range(1, recipe.epochs + 1):
        started = time.perf_counter()
        net.train()
        loss_sum = torch.zeros((), device=training.labels.device)
        correct = torch.zeros((), device=training.labels.device)
        seen = 0
        progress(seen, images_per_epoch)
        for images, labels in batches(training, batch_size, policy, streams, epoch):
            logits = net(normalise(images))
            loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if recipe.clip_grad_norm is not None:
                nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_grad_norm)
            optimizer.step(lr_at(step))
            # Sums stay on the device: reading them would stop it at every step.
            loss_sum += loss.detach() * len(labels)
            correct += (logits.detach().argmax(dim=1) == labels).sum()
            seen += len(labels)
            step += 1
            progress(seen, images_per_epoch)
        train_loss, train_accuracy = float(loss_sum) / seen, float(correct) / seen
        seconds = time.perf_counter() - started  # after the sums were read, so the device has finished
        val_loss, val_accuracy = assess(predict(net, validation, normalise), validation.labels)
        line = Epoch(epoch, "train", lr_at(step - 1), train_loss, train_accuracy, val_loss, val_accuracy, seconds)
        outcome.history.append(line)
        outcome.images += seen
        report(line)
        if not math.isfinite(train_loss) or not math.isfinite(val_loss):
            which = "validation" if math.isfinite(train_loss) else "training"
            outcome.diverged = f"the {which} loss of epoch {epoch} is not finite"
            break
        if outcome.best is None or (val_accuracy, -val_loss) > (outcome.best.val_accuracy, -outcome.best.val_loss):
            outcome.best = line
            best_weights = copy.deepcopy(net.state_dict())
    net.load_state_dict(best_weights)
    return outcome


def batches(
    part: Part, batch_size: int, policy: Policy, streams: Streams, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The augmented batches of an epoch, in an order of its own; no image comes twice. A last, smaller batch is left
    out: batch norm and the mean loss would weigh its images more.

    Order and draws depend on the seed, the epoch and the image's place alone, and are drawn on the CPU, so that all
    models and devices see the same.
    """
    device = part.labels.device
    order = torch.randperm(len(part), generator=_generator(streams.order, epoch)).to(device)
    uniforms = torch.rand(len(part), policy.draws, generator=_generator(streams.augment, epoch)).to(device)
    for start in range(0, len(part) - batch_size + 1, batch_size):
        chosen = order[start : start + batch_size]
        yield policy(part.pixels[chosen], uniforms[chosen]), part.labels[chosen]


def _generator(seed: int, epoch: int) -> torch.Generator:
    # An odd multiplier keeps the epochs of one seed apart from those of its neighbours.
    return torch.Generator().manual_seed((seed + epoch * 0x9E3779B97F4A7C15) % 2**63)


@torch.inference_mode()
def predict(net: nn.Module, part: Part, normalise: Normalise, batch_size: int = 256) -> Tensor:
    """Logits [N, classes] float32, on the device, in the order of the images; the network ends in evaluation mode."""
    net.eval()
    return torch.cat([net(normalise(pixels)).float() for pixels in torch.split(part.pixels, batch_size)])


def assess(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Cross-entropy (nats) and accuracy (fraction)."""
    return float(F.cross_entropy(logits, labels)), int((logits.argmax(dim=1) == labels).sum()) / len(labels)
