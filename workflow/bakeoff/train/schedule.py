"""The learning rate over a phase of training: a warm-up, then what the recipe says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from bakeoff.train.spec import Recipe


class Schedule(Protocol):
    """Learning rates of a phase."""

    def lr_at(self, step: int) -> float:
        """The rate of a step, counted from 0."""

    def epoch_end(self, val_loss: float) -> None:
        """Told after each epoch; only `plateau` listens."""

    @property
    def memory(self) -> list[float]:
        """What it has learned from these, to be given back to one that goes on in its place."""

    @memory.setter
    def memory(self, values: list[float]) -> None: ...


class _Planned:
    """A rate that depends on the step alone."""

    def __init__(self, lr_at: Callable[[int], float]) -> None:
        self.lr_at = lr_at

    def epoch_end(self, val_loss: float) -> None:
        """Nothing to learn from it."""

    @property
    def memory(self) -> list[float]:
        """Nothing."""
        return []

    @memory.setter
    def memory(self, values: list[float]) -> None:
        pass


class _Plateau:
    """A rate that drops when the validation loss has not fallen for some epochs (by a relative 1e-4, as in torch)."""

    def __init__(self, recipe: Recipe, peak_lr: float, warmup: int) -> None:
        self._lr, self._gamma, self._patience, self._warmup = peak_lr, recipe.gamma, recipe.patience, warmup
        self._best = math.inf
        self._waiting = 0.0

    def lr_at(self, step: int) -> float:
        """The present rate; before the end of the warm-up a share of it."""
        return self._lr * min(1.0, (step + 1) / self._warmup) if self._warmup else self._lr

    def epoch_end(self, val_loss: float) -> None:
        """Take in a validation loss."""
        if val_loss < self._best * (1 - 1e-4):
            self._best, self._waiting = val_loss, 0
            return
        self._waiting += 1
        if self._waiting > self._patience:
            self._lr, self._waiting = self._lr * self._gamma, 0

    @property
    def memory(self) -> list[float]:
        """The present rate, the best loss, and the epochs since."""
        return [self._lr, self._best, self._waiting]

    @memory.setter
    def memory(self, values: list[float]) -> None:
        self._lr, self._best, self._waiting = values


def make_schedule(recipe: Recipe, steps_per_epoch: int, epochs: int, peak_lr: float) -> Schedule:
    """The schedule of a phase of so many epochs. The warm-up is linear and reaches `peak_lr` at its last step."""
    total = epochs * steps_per_epoch
    if recipe.schedule == "onecycle":
        return _Planned(lambda step: _onecycle(step, total, peak_lr))
    warmup = min(round(min(recipe.warmup_epochs, epochs) * steps_per_epoch), total - 1)
    if recipe.schedule == "plateau":
        return _Plateau(recipe, peak_lr, warmup)
    after = _AFTER_WARM_UP[recipe.schedule]

    def lr_at(step: int) -> float:
        if step < warmup:
            return peak_lr * ((step + 1) / warmup)
        return peak_lr * after(recipe, step, warmup, total, steps_per_epoch)

    return _Planned(lr_at)


def _constant(recipe: Recipe, step: int, warmup: int, total: int, steps_per_epoch: int) -> float:
    return 1.0


def _cosine(recipe: Recipe, step: int, warmup: int, total: int, steps_per_epoch: int) -> float:
    return _half_cosine((step - warmup) / (total - warmup))


def _restarts(recipe: Recipe, step: int, warmup: int, total: int, steps_per_epoch: int) -> float:
    """The restarts stand at multiples of the period, so that training ends low; the warm-up is part of the first."""
    cycle = recipe.restart_epochs * steps_per_epoch
    first_end = (warmup // cycle + 1) * cycle
    return _half_cosine((step - warmup) / (first_end - warmup) if step < first_end else step % cycle / cycle)


def _step(recipe: Recipe, step: int, warmup: int, total: int, steps_per_epoch: int) -> float:
    return float(recipe.gamma ** (step // (recipe.step_epochs * steps_per_epoch)))


def _multistep(recipe: Recipe, step: int, warmup: int, total: int, steps_per_epoch: int) -> float:
    return float(recipe.gamma ** sum(step >= milestone * total for milestone in recipe.milestones))


def _half_cosine(part: float) -> float:
    """From 1 to 0 (Loshchilov and Hutter 2017, equation 5)."""
    return 0.5 * (1 + math.cos(math.pi * part))


def _onecycle(step: int, total: int, peak_lr: float) -> float:
    """Smith and Topin 2018 as torch's OneCycleLR has it: from 1/25 of the peak up in 0.3 of the steps, down to 1e-4 of
    where it began, both by a half cosine.
    """
    start, end = peak_lr / 25, peak_lr / 25 / 1e4
    top = max(0.3 * total - 1, 1e-9)
    if step <= top:
        return peak_lr + (start - peak_lr) * _half_cosine(step / top)
    return end + (peak_lr - end) * _half_cosine((step - top) / max(total - 1 - top, 1e-9))


_AFTER_WARM_UP: dict[str, Callable[[Recipe, int, int, int, int], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "restarts": _restarts,
    "step": _step,
    "multistep": _multistep,
}
