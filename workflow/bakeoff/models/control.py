"""Control methods: the floor of every table. They are fitted at once, without gradients, epochs or augmentation.

`control/majority` looks at no image; the `sklearn/...` see an image as the list of its pixels, divided by 255. Of the
recipe they use the number of training images alone. An ONNX file of others is asked as they are, and learns nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import UserError
from bakeoff.models import onnx_file, registry

if TYPE_CHECKING:
    from torch import Tensor

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Control(Protocol):
    """A method that is fitted to images and gives probabilities."""

    def fit(self, pixels: Pixels, labels: Labels) -> None:
        """Learn from images [N, C, S, S] and their labels [N]."""

    def log_probabilities(self, pixels: Pixels) -> NDArray[np.float32]:
        """Logarithms of probabilities [N, classes], all finite."""

    def tensors(self) -> dict[str, Tensor]:
        """What was learned, as far as arrays say it."""


class _Checked:
    """A control method whose failures are told as mistakes of the study."""

    def __init__(self, builder: str, method: Control, classes: int, shape: tuple[int, int, int]) -> None:
        self.builder, self.method, self.classes, self.shape = builder, method, classes, shape

    def fit(self, pixels: Pixels, labels: Labels) -> None:
        if tuple(pixels.shape[1:]) != self.shape:
            raise ValueError(f"images are {pixels.shape[1:]}, not {self.shape}")
        try:
            self.method.fit(pixels, np.asarray(labels))
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"{self.builder}: cannot be fitted to {len(labels)} images: {reason}") from error

    def log_probabilities(self, pixels: Pixels) -> NDArray[np.float32]:
        return self.method.log_probabilities(pixels)

    def tensors(self) -> dict[str, Tensor]:
        return self.method.tensors()


def build(model: Mapping[str, Any], *, channels: int, size: int, classes: int, seed: int, threads: int = 1) -> Control:
    """The control method of a study's model (`builder` and `options`) for images [N, channels, size, size].

    Raises UserError for what is none, and, when it is fitted, for images that it cannot be fitted to. An ONNX file runs
    on so many `threads`, and is refused where it does not take such images or give so many classes.
    """
    builder = model["builder"]
    if not registry.is_control(builder):
        raise UserError(f"{builder}: is no control method; there are {', '.join(registry.control_names())}")
    module = importlib.import_module(registry.module_of(builder))
    if onnx_file.is_file(builder):
        path = onnx_file.path_of(builder)
        network: Control = module.build(path, channels, size, classes, threads, **model["options"])
        return network
    method: Control = module.build(classes, seed % 2**32, **model["options"])  # all that sklearn takes of a seed
    return _Checked(builder, method, classes, (channels, size, size))


def shared_vote(probabilities: NDArray[Any], votes: int) -> NDArray[np.float32]:
    """Logarithms of probabilities [N, classes] in which one more vote, besides `votes`, is spread over all classes.

    What was never seen is not impossible: a class that no training image, tree or neighbour voted for would have
    log-probability minus infinity. The order of the classes stays as it was.
    """
    spread = (probabilities * votes + 1 / probabilities.shape[1]) / (votes + 1)
    logarithms: NDArray[np.float32] = np.log(spread).astype(np.float32)
    return logarithms
