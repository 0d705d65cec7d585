"""A run on several devices one of which has too little memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny import CODE, DIGITS

# The net is a file, so that each process of the run builds it.
_NET = """
import torch
from torch import distributed, nn


class Needy(nn.Module):
    def __init__(self, layers, rank, most):
        super().__init__()
        self.layers, self.rank, self.most = layers, rank, most

    def forward(self, images):
        here = distributed.get_rank() if distributed.is_initialized() else 0
        if self.training and here == self.rank and len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory: injected")
        return self.layers(images)


def build(channels, size, classes, *, rank: int = 1, most: int = 0):
    return Needy(nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes)), rank, most)
"""


def run_needy(data: Path, folder: Path, patch: Any, options: dict[str, int], device: str = "cpu", **recipe: Any) -> Any:
    """The record of a run by two processes; by `options` one takes `most` images in a step."""
    from bakeoff.provenance import read_record
    from bakeoff.train import step

    patch.chdir(folder)
    (folder / "needy.py").write_text(_NET, encoding="utf-8")
    spec = {
        "dataset": DIGITS,
        "model": {"name": "needy", "builder": "needy.py:build", "options": options},
        "augmentation": {"name": "none", "policy": "none", "options": {}},
        "recipe": {"gpus": 2, "epochs": 1, "train_images": 256, **recipe},
        "device": device,
        "threads": 1,
    }
    names = {"dataset": "digits", "model": "needy", "augmentation": "none", "recipe": "default", "seed": 0}
    step.run(spec, names, data, folder / "run", CODE)
    return read_record(folder / "run" / "run.json", "run")
