"""One step of learning: forward, loss, backward, optimizer. Sums stay on the device, so nothing waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bakeoff.train.arithmetic import precise
from bakeoff.train.average import Average
from bakeoff.train.optimizer import Optimizer
from bakeoff.train.sampling import class_weights
from bakeoff.train.spec import Recipe
from bakeoff.train.targets import TargetLoss


@dataclass(frozen=True)
class Loss:
    """Cross-entropy with label smoothing (Szegedy et al. 2016), weights of classes, and mixed labels."""

    smoothing: float = 0.0
    class_weights: Tensor | None = None

    def __call__(self, logits: Tensor, labels: Tensor, share: Tensor | None = None) -> Tensor:
        """The mean loss in nats, in float32. `share` [B] is of each image's label, the rest of the one before it."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        weights = None if self.class_weights is None else self.class_weights.to(logits.dtype)
        if share is None:
            return F.cross_entropy(logits, labels, weights, label_smoothing=self.smoothing)
        own, partner = (
            F.cross_entropy(logits, of, weights, label_smoothing=self.smoothing, reduction="none")
            for of in (labels, labels.roll(1))
        )
        return torch.lerp(partner, own, share.to(logits.dtype)).mean()

    @staticmethod
    def right(logits: Tensor, labels: Tensor) -> Tensor:
        """Number of right answers [...], of logits [..., B, C]."""
        return (logits.argmax(dim=-1) == labels).sum(dim=-1)

    @staticmethod
    def assess(logits: Tensor, labels: Tensor) -> tuple[float, float | None]:
        """Cross-entropy (nats) and accuracy (fraction)."""
        return float(F.cross_entropy(logits, labels)), int((logits.argmax(dim=1) == labels).sum()) / len(labels)


def loss_of(recipe: Recipe, truth: Tensor, classes: int) -> Loss | TargetLoss:
    """The loss that the recipe means for labels [N] int64, or for targets [N, d] float32."""
    if truth.is_floating_point():
        return TargetLoss(recipe.loss)
    weights = class_weights(truth, classes) if recipe.class_weights == "balanced" else None
    return Loss(recipe.label_smoothing, weights)


@dataclass
class Sums:
    """Of an epoch so far, on the device: the losses and the right answers of all images seen."""

    loss: Tensor
    correct: Tensor

    @classmethod
    def on(cls, device: torch.device) -> Sums:
        """Zeros."""
        return cls(torch.zeros((), device=device), torch.zeros((), device=device))

    def clear(self) -> None:
        """Back to zero, in place."""
        self.loss.zero_()
        self.correct.zero_()


class Update(Protocol):
    """A way to run one step: images, labels, share of labels, learning rate (None: gradients are only gathered)."""

    def __call__(self, images: Tensor, labels: Tensor, share: Tensor | None, lr: float | None) -> None:
        """Learn from a batch."""


class Learner:
    """What a step works on, and the step as torch runs it, operation by operation."""

    def __init__(
        self,
        net: nn.Module,
        optimizer: Optimizer,
        loss: Loss | TargetLoss,
        recipe: Recipe,
        average: Average | None,
        device: torch.device,
    ) -> None:
        self.net, self.optimizer, self.loss, self.recipe = net, optimizer, loss, recipe
        self.average = average
        self.sums = Sums.on(device)
        self.forward: Callable[[Tensor], Tensor] = net
        self._context = precise(recipe, device)
        self._learning = [p for p in net.parameters() if p.requires_grad]

    def tensors(self) -> list[Tensor]:
        """All that a step changes, but the sums."""
        averages = self.average.tensors() if self.average else []
        return [*self.net.parameters(), *self.net.buffers(), *self.optimizer.tensors(), *averages]

    def __call__(self, images: Tensor, labels: Tensor, share: Tensor | None, lr: float | Tensor | None) -> None:
        """Learn from a batch [B, C, S, S]; with `lr` None gradients are gathered for a later call."""
        with self._context:
            logits = self.forward(images)
        loss = self.loss(logits, labels, share)
        (loss / self.recipe.accumulate if self.recipe.accumulate > 1 else loss).backward()  # type: ignore[no-untyped-call]
        if lr is not None:
            if self.recipe.clip_grad_norm is not None:
                nn.utils.clip_grad_norm_(self._learning, self.recipe.clip_grad_norm)
            self.optimizer.step(lr)
            self.optimizer.zero_grad()
            if self.average is not None:
                self.average.update()
        self._count(loss.detach(), self.loss.right(logits.detach(), labels), len(labels))

    def _count(self, loss: Tensor, correct: Tensor, images: int) -> None:
        self.sums.loss.add_(loss, alpha=images)
        self.sums.correct.add_(correct)
