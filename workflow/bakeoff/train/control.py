"""Control methods: no gradient, no epochs; what a table's networks must beat. And ONNX files of others."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.provenance import Json
from bakeoff.seeding import stream_seed
from bakeoff.train.job import Job
from bakeoff.train.loop import Epoch
from bakeoff.train.update import Loss


@dataclass(frozen=True)
class Fitted:
    """What a control method gave: its one line of history, predictions, what it learned as tensors, and from where."""

    epoch: Epoch
    test_logits: NDArray[np.float32]
    val_logits: NDArray[np.float32]
    tensors: dict[str, Tensor]
    weights: Json
    images: int
    """That it was fitted to."""


def run_control(job: Job, seed: int) -> Fitted:
    """Fit a control method to the training images; of the recipe it uses their number alone."""
    from bakeoff.models import control, onnx_file

    method = control.build(
        job.spec["model"],
        channels=job.channels,
        size=job.size,
        classes=job.classes,
        seed=stream_seed(seed, "init", job.dataset, job.model),
        threads=job.spec["threads"],
    )
    n = len(job.parts["train"])
    training = job.splits["train"]
    started = time.perf_counter()
    method.fit(training.pixels[:n], training.labels[:n])
    seconds = time.perf_counter() - started
    logits = {part: method.log_probabilities(job.splits[part].pixels) for part in ("val", "test")}
    of_training = method.log_probabilities(training.pixels[:n])
    train_loss, train_accuracy = _assess(of_training, training.labels[:n])
    val_loss, val_accuracy = _assess(logits["val"], job.splits["val"].labels)
    epoch = Epoch(1, "fit", 0.0, train_loss, train_accuracy, val_loss, val_accuracy, seconds)
    builder = job.spec["model"]["builder"]
    given = onnx_file.is_file(builder)
    weights = onnx_file.origin(builder) if given else {"source": "fitted"}
    return Fitted(epoch, logits["test"], logits["val"], method.tensors(), weights, 0 if given else n)


def _assess(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[float, float | None]:
    return Loss.assess(torch.from_numpy(logits), torch.from_numpy(labels))
