"""Test-time augmentation: a network asked about several views of an image, and the mean of its answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from bakeoff.errors import UserError

# Images [B, C, S, S] uint8 to logits [B, classes].
Net: TypeAlias = Callable[[Tensor], Tensor]

DEGREES = 7.5
"""Of a rotation, to either side."""


@dataclass(frozen=True)
class View:
    """A change of images [B, C, S, S] uint8 to others of the same shape and type, with no randomness in it."""

    name: str
    change: Callable[[Tensor], Tensor]

    def __call__(self, images: Tensor) -> Tensor:
        """The images as this view shows them."""
        return self.change(images)


@dataclass(frozen=True)
class Averaged:
    """Answers to all views, averaged: log-probabilities [N, classes] float32 on the CPU, after `passes` forward passes
    an image. That is also what it costs: `passes` times the latency of one.
    """

    log_probabilities: Tensor
    passes: int


def groups() -> tuple[str, ...]:
    """What a study may ask for, each standing for one view or more."""
    return tuple(_GROUPS)


def views(names: Sequence[str] | None, flip: bool) -> list[View]:
    """The image itself, then the views of the groups in `names`; of all groups for None.

    `flip` is the data set's: whether the mirror image of an example is an example of its class. Where it is not, the
    group `flip` has no view. Raises UserError for a name that there is not.
    """
    wanted = groups() if names is None else names
    if unknown := [name for name in wanted if name not in _GROUPS]:
        raise UserError(f"test-time augmentation: {unknown[0]!r}: no such view (there are {', '.join(_GROUPS)})")
    chosen = [view for name in dict.fromkeys(wanted) if flip or name != "flip" for view in _GROUPS[name]]
    return [View("identity", lambda images: images), *chosen]


def predict(net: Net, images: Tensor, views: Sequence[View], batch_size: int = 256) -> Averaged:
    """Ask `net` about every view of images [N, C, S, S] uint8, which lie where it wants them.

    Probabilities are averaged, each view with the same weight, not logits: the mean of probabilities is the answer of a
    mixture, and one view with large logits does not outvote the others. It is given as logarithms, so that argmax and
    softmax of it are those of the mean.
    """
    if not views:
        raise ValueError("no views")
    with torch.inference_mode():
        means = [_mean(net, batch, views) for batch in torch.split(images, batch_size)]
    return Averaged(torch.cat(means), len(views))


def _mean(net: Net, batch: Tensor, views: Sequence[View]) -> Tensor:
    logs = torch.stack([F.log_softmax(net(view(batch)).float(), dim=1) for view in views])
    return (logs.logsumexp(0) - math.log(len(views))).cpu()


# --- the views. What comes from outside an image is the nearest of its pixels, the colour of its border.


def _shift(images: Tensor, down: int, right: int) -> Tensor:
    """Moved by one pixel for each 28 of the side, one at least: the shift that training with `standard` knows."""
    size = images.shape[-1]
    step = max(1, size // 28)
    places = torch.arange(size, device=images.device)
    rows, columns = ((places - way * step).clamp(0, size - 1) for way in (down, right))
    return images.index_select(2, rows).index_select(3, columns)


def _rotate(images: Tensor, degrees: float) -> Tensor:
    """Turned anticlockwise about the middle. Cubic interpolation, as the linear one would also blur."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[[cos, -sin, 0], [sin, cos, 0]]], device=images.device)
    grid = F.affine_grid(turn, [1, *images.shape[1:]], align_corners=False).expand(len(images), -1, -1, -1)
    turned = F.grid_sample(images.float(), grid, mode="bicubic", padding_mode="border", align_corners=False)
    return turned.round_().clamp_(0, 255).to(torch.uint8)


_GROUPS: dict[str, tuple[View, ...]] = {
    "flip": (View("flip", lambda images: images.flip(-1)),),
    "shifts": tuple(
        View(name, partial(_shift, down=down, right=right))
        for name, down, right in (("up", -1, 0), ("down", 1, 0), ("left", 0, -1), ("right", 0, 1))
    ),
    "rotations": (
        View("rotated left", partial(_rotate, degrees=DEGREES)),
        View("rotated right", partial(_rotate, degrees=-DEGREES)),
    ),
}
