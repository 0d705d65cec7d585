"""Out of memory: how to tell, and what may be done about it that leaves the experiment the same."""

from __future__ import annotations

import torch
from torch import nn

from bakeoff.train.spec import Recipe

# What allocators say that have no exception of their own.
_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's or the machine's memory did not suffice."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


def has_batch_norm(net: nn.Module) -> bool:
    """Whether a batch's images see each other, so that another batch size would be another experiment."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules())


def smaller(recipe: Recipe, images: int) -> Recipe | None:
    """The recipe with the same step made of smaller batches; None where they would be of less than two images, or not
    be dealt out evenly to the recipe's GPUs.

    `images` is the number trained on. The mean gradient of a step is the same but for rounding; under `class_weights`
    and augmentations that mix images, means and partners are of each smaller batch.
    """
    batch = min(recipe.batch_size, images // recipe.accumulate)
    parts = next((k for k in range(2, batch // 2 + 1) if batch % (k * recipe.gpus) == 0), None)
    if parts is None:
        return None
    return recipe.model_copy(update={"batch_size": batch // parts, "accumulate": recipe.accumulate * parts})


def advice(error: BaseException, net_has_batch_norm: bool) -> str:
    """What run.json and the tables' readers are told."""
    what = str(error).partition("\n")[0] or type(error).__name__
    why = (
        "the model has batch norm, so a smaller batch would be another experiment"
        if net_has_batch_norm
        else "even batches of a few images do not fit"
    )
    return f"out of memory ({what}): {why}; lower batch_size or image_size for all models, or use a larger device"
