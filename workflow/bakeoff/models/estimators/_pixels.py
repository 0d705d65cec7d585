"""What the estimators share: pixels as numbers, and probabilities for all classes of the data set."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from bakeoff.models.control import Labels, Pixels, shared_vote

Arrays = Mapping[str, ArrayLike]


def as_numbers(pixels: Pixels) -> NDArray[np.float32]:
    """Images [N, C, S, S] as rows of pixels [N, C * S * S] between 0 and 1."""
    return np.asarray(pixels).reshape(len(pixels), -1).astype(np.float32) / np.float32(255)


class OnPixels:
    """An estimator of scikit-learn on pixels / 255.

    `votes` is by how many votes its probabilities were decided (see `shared_vote`); None: by the training images.
    `learned` gives the arrays that say what was fitted.
    """

    def __init__(
        self, estimator: Any, classes: int, learned: Callable[[Any], Arrays], votes: int | None = None
    ) -> None:
        self.estimator, self.classes, self.learned, self.votes = estimator, classes, learned, votes

    def fit(self, pixels: Pixels, labels: Labels) -> None:
        """Fit to images [N, C, S, S] and labels [N]."""
        with warnings.catch_warnings():
            # Not to have converged is no fault of a control method: its tensors hold the number of iterations.
            warnings.filterwarnings("ignore", message=".*failed to converge.*")
            self.estimator.fit(as_numbers(pixels), labels)
        self.votes = self.votes or len(labels)

    def log_probabilities(self, pixels: Pixels) -> NDArray[np.float32]:
        """Logarithms of probabilities [N, classes]; classes without training images have the least of all."""
        found = np.zeros((len(pixels), self.classes))
        step = 2048  # rows of pixels as floats take four times the images
        for start in range(0, len(pixels), step):
            rows = self.estimator.predict_proba(as_numbers(pixels[start : start + step]))
            found[start : start + step, self.estimator.classes_] = rows
        return shared_vote(found, self.votes or 1)

    def tensors(self) -> dict[str, Tensor]:
        """The arrays that say what was fitted; numbers in double precision become single, whole ones int64."""
        return {name: _tensor(np.asarray(values)) for name, values in self.learned(self.estimator).items()}


def _tensor(values: NDArray[Any]) -> Tensor:
    kind = np.float32 if values.dtype.kind == "f" else np.int64
    return torch.from_numpy(np.ascontiguousarray(values, dtype=kind))
