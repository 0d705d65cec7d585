"""Any pipeline of albumentations, as written in the study; on the CPU, image by image."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bakeoff.errors import UserError
from bakeoff.train.policies import _pipeline
from bakeoff.train.policies._each import Each, Pixels


class Pipeline:
    """A composition that draws from the seed of each image."""

    def __init__(self, pipeline: Sequence[Mapping[str, Any]], size: int, channels: int) -> None:
        if problem := _pipeline.problem(pipeline):
            raise UserError(f"augmentation albumentations: pipeline: {problem}")
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks the network for a newer version
        import albumentations
        import cv2

        cv2.setNumThreads(0)  # the cores are for the runs beside this one
        self.library = albumentations
        self.probe = np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)
        self.compose = albumentations.Compose(self._steps(pipeline, "pipeline"))

    def __getstate__(self) -> dict[str, Any]:
        return {"compose": self.compose}  # for workers

    def __call__(self, image: Pixels, seed: int) -> Pixels:
        """An image [S, S, C] changed."""
        # Not set_random_seed(): that gives the same seed to every transform, so that two flips of p 0.5 always come
        # together. Without either, workers repeat each other's draws (both true of albumentations 2.0.8).
        self.compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        try:
            changed: Pixels = self.compose(image=image)["image"]
        except Exception as error:
            raise UserError(f"augmentation albumentations: {_first_line(error)}") from error
        return changed

    def _steps(self, steps: Sequence[Mapping[str, Any]], place: str) -> list[Any]:
        return [self._step(*next(iter(step.items())), f"{place}[{i}]") for i, step in enumerate(steps)]

    def _step(self, name: str, given: Mapping[str, Any] | None, place: str) -> Any:
        """One transform, tried on an image. Raises UserError that names it."""
        given = dict(given or {})
        if name in _pipeline.GROUPS:
            given["transforms"] = self._steps(given["transforms"], f"{place}.{name}.transforms")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.filterwarnings("error", message=".*not valid for transform.*")
                step = getattr(self.library, name)(**given)
                if name not in _pipeline.GROUPS:
                    self._try(step)
        except Exception as error:
            where = f"augmentation albumentations: {place}: {name}"
            raise UserError(f"{where}: cannot be used: {_first_line(error)}") from error
        return step

    def _try(self, step: Any) -> None:
        p, step.p = step.p, 1.0
        always = self.library.Compose([step])
        always.set_random_state(np.random.default_rng(0), random.Random(0))
        always(image=self.probe)
        step.p = p


def _first_line(error: Exception) -> str:
    """What a library says was wrong, without pydantic's heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 2 and "validation error" in lines[0]:
        lines = [f"{lines[1]}: {lines[2].partition(' [type=')[0]}"]
    return lines[0] if lines else type(error).__name__


def build(size: int, flip: bool, channels: int = 1, *, pipeline: Sequence[Mapping[str, Any]] = ()) -> Each:
    """The policy. Mirroring is as the pipeline says: `flip` is not looked at.

    Raises UserError that names the transform of the pipeline which is unknown or cannot be used as it is written.
    """
    policy = Each(Pipeline(pipeline, size, channels), "albumentations")
    return policy
