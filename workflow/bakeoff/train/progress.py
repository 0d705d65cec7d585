"""What a run tells while it trains: every epoch in the log, now and then a line for the person who waits."""

from __future__ import annotations

import sys
import time
from typing import Any

from bakeoff.train.checkpoint import Keeper, outcomes
from bakeoff.train.epochs import EpochWeights
from bakeoff.train.loop import Epoch

SECONDS_BETWEEN_LINES = 20.0


class Progress:
    """Lines of one run: epochs go to standard error (the log), short news to standard output (the terminal)."""

    def __init__(self, name: str, epochs: int) -> None:
        self.name = name
        self.epochs = epochs
        self.done = 0
        self.before = 0
        """Epochs that were done when this process took the run up."""
        self.images_per_epoch = 0
        self.started = self.last_line = time.monotonic()
        self.last: Epoch | None = None

    def go_on(self, kept: Keeper, *epochs: EpochWeights) -> dict[str, Any]:
        """What training takes to go on from where the keeper's work was left, if it was, and to keep it.

        Work whose `epochs` (one for each run) are asked for and not all there begins anew, to have them.
        """
        resume = kept.take()
        done = [len(each["history"]) for each in outcomes(resume)] if resume and epochs else [0] * len(epochs)
        if resume is not None and not all(each.reach(n) for each, n in zip(epochs, done, strict=True)):
            print("weights after earlier epochs are asked for and not there: begins anew", file=sys.stderr, flush=True)
            resume, done, kept.resumed = None, [0] * len(epochs), 0
        for each, n in zip(epochs, done, strict=True):
            each.cut(n)
        if resume is not None:
            self.done = self.before = resume["epoch"] - 1
        return {"resume": resume, "keep": kept.step}

    def batch(self, seen: int, total: int) -> None:
        """Called before an epoch's first batch and after each with the images seen in this epoch and those of an epoch;
        says something only every few seconds.
        """
        now = time.monotonic()
        if self.done == self.before and seen == 0:  # training begins: how long the start took says nothing of the rest
            self.started = self.last_line = now
        self.images_per_epoch = total
        if now - self.last_line < SECONDS_BETWEEN_LINES:
            return
        self.last_line = now
        epochs_done = self.done + seen / total
        rate = (epochs_done - self.before) * total / (now - self.started)
        news = f"{self.name}: epoch {self.done + 1}/{self.epochs}, {rate:,.0f} images/s, {self._left(epochs_done)} left"
        if self.last:
            news += f", loss {self.last.train_loss:.3f}, {self.last.judged}"
        print(news, flush=True)
        print(news, file=sys.stderr, flush=True)

    def epoch(self, line: Epoch) -> None:
        """Called at the end of each epoch."""
        self.done, self.last = line.epoch, line
        accuracy = "" if line.train_accuracy is None else f"accuracy {line.train_accuracy:.4f}  "
        val_loss = "" if line.val_accuracy is None else f"val loss {line.val_loss:.4f}  "
        print(
            f"epoch {line.epoch}/{self.epochs}  loss {line.train_loss:.4f}  {accuracy}{val_loss}{line.judged}  "
            f"{self.images_per_epoch / max(line.seconds, 1e-9):,.0f} images/s  {self._left(line.epoch)} left",
            file=sys.stderr,
            flush=True,
        )

    def end(self, summary: str) -> None:
        """The last line, for both."""
        print(f"{self.name}: {summary}", flush=True)
        print(summary, file=sys.stderr, flush=True)

    def _left(self, epochs_done: float) -> str:
        """The time left, were the rest as fast as what is done."""
        here = max(epochs_done - self.before, 1e-9)
        return _clock((time.monotonic() - self.started) * (self.epochs - epochs_done) / here)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
