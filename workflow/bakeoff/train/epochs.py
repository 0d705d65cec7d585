"""Weights after each epoch (`train.keep: all`): files in the run's folder that no rule knows of, so that nothing waits
for them, asking for them or not makes no run stale, and Snakemake leaves them where a run is to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors.torch import save_file
from torch import Tensor

from bakeoff.layout import epoch_weights
from bakeoff.provenance import sha256, whole

AfterEpoch: TypeAlias = Callable[[int, Mapping[str, Tensor]], None]
"""Told at the end of each epoch its number and the weights that were validated."""


class EpochWeights:
    """Those of one run; they are `wanted` or not, and what an earlier run left is removed in both cases."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        self.folder, self.wanted = folder, wanted

    def write(self, epoch: int, tensors: Mapping[str, Tensor]) -> None:
        """Keep the weights after an epoch, before a checkpoint says that it is over."""
        if self.wanted:
            save_weights(self.folder / f"epoch{epoch}.safetensors", tensors)

    def reach(self, epoch: int) -> bool:
        """Whether those of all epochs up to this one are there, as training that goes on after it needs."""
        return not self.wanted or epoch_weights(self.folder).keys() >= set(range(1, epoch + 1))

    def cut(self, epoch: int) -> None:
        """Remove what is of later epochs: of an earlier run, or of an attempt that memory did not suffice for."""
        for number, path in epoch_weights(self.folder).items():
            if number > (epoch if self.wanted else 0):
                path.unlink()

    def record(self) -> dict[str, str] | None:
        """For run.json: sha256 by name, in the order of the epochs; None where they are not kept."""
        files = epoch_weights(self.folder)
        return {files[epoch].name: sha256(files[epoch]) for epoch in sorted(files)} if self.wanted else None


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> Path:
    """Write tensors as safetensors, whole or not at all."""
    # Copies, since a net may hold one tensor under two names, which the format refuses.
    layout = torch.contiguous_format
    weights = {name: tensor.detach().cpu().clone(memory_format=layout) for name, tensor in tensors.items()}
    with whole(path) as unfinished:
        save_file(weights, unfinished)
    return path
