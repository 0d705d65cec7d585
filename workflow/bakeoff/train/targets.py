"""The targets of a regression as a net learns them, of mean 0 and standard deviation 1, and the loss of its outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Standard:
    """Mean and standard deviation of each of d targets, in their own units; that of a target that never varies is 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, targets: NDArray[np.float32]) -> Standard:
        """From those of the training images [N, d]."""
        values = targets.astype(np.float64)
        std = values.std(axis=0)
        return cls(tuple(values.mean(axis=0).tolist()), tuple(np.where(std > 0, std, 1.0).tolist()))

    def forth(self, targets: NDArray[np.float32]) -> NDArray[np.float32]:
        """Targets [N, d] in standard deviations from the mean."""
        standard: NDArray[np.float32] = ((targets - np.array(self.mean)) / np.array(self.std)).astype(np.float32)
        return standard

    def back(self, outputs: Tensor) -> Tensor:
        """Outputs [N, d] of a net, on the CPU, in the targets' own units, float32."""
        std, mean = (torch.tensor(values, dtype=torch.float64) for values in (self.std, self.mean))
        return (outputs.double() * std + mean).float()


_OF_TARGETS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,  # squared up to one standard deviation of the target, linear beyond
}


@dataclass(frozen=True)
class TargetLoss:
    """The mean loss over images and targets of a regression, targets in standard deviations of the training images'."""

    kind: str = "mse"

    def __call__(self, outputs: Tensor, targets: Tensor, share: Tensor | None = None) -> Tensor:
        """Of outputs and targets [B, d], in float32; nothing mixes targets, so there is no `share`."""
        return _OF_TARGETS[self.kind](outputs.to(torch.promote_types(outputs.dtype, torch.float32)), targets)

    @staticmethod
    def right(outputs: Tensor, targets: Tensor) -> Tensor:
        """Zeros [...], of outputs [..., B, d]: no number is the right one."""
        return outputs.new_zeros(outputs.shape[:-2])

    def assess(self, outputs: Tensor, targets: Tensor) -> tuple[float, float | None]:
        """The loss; there is no accuracy."""
        return float(self(outputs, targets)), None
