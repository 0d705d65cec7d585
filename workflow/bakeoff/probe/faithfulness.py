"""Whether a network's answer comes from where a map says: deletion and insertion (Petsiuk et al. 2018, "RISE").

Deletion blots out an image's pixels in the order of its map and follows the probability of the class: the sooner it
falls, the more the map had found. Insertion starts from a blurred image and uncovers pixels in that order. Of either
curve the area is taken, over the share of pixels from 0 to 1; insertion minus deletion is the one figure.

By itself the figure says little: both areas depend on how sure the net is and on how it takes images with holes. So the
same is measured for random maps, as coarse as those that are judged, and only the gain over them is evidence; and for
a map that says "the middle" of every image, which is where most data sets have their objects.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

# Images [B, C, S, S] uint8 to logits [B, classes].
Net: TypeAlias = Callable[[Tensor], Tensor]
Fill = Literal["mean", "blur"]

STEPS = 25
"""Pieces in which pixels go: 4 % at a time."""
_BLUR = 0.1


@dataclass(frozen=True)
class Curves:
    """Of each image the areas under both curves [N] float64, in 0..1."""

    insertion: Tensor
    deletion: Tensor

    @property
    def difference(self) -> Tensor:
        """Insertion minus deletion [N], in -1..1: higher is more faithful."""
        return self.insertion - self.deletion


@dataclass(frozen=True)
class Faithfulness:
    """Means over `n` images, and the same of `draws` sets of random maps: areas of probability over share of pixels."""

    n: int
    insertion: float
    deletion: float
    difference: float
    draws: int
    random_insertion: float
    random_deletion: float
    random_mean: float
    """Difference of the random maps, over all draws."""
    random_sd: float
    """Standard deviation between draws of their mean difference (n - 1): what chance does to such a figure."""
    centre: float
    """Difference of the map that is highest in the middle and falls with the distance from it."""
    gain: float
    """Difference less that of the random maps. Above 0 the maps have found something."""
    gain_se: float
    """Standard error of the gain over images, each paired with its own random maps; 0 for a single image."""

    @property
    def above_random(self) -> bool:
        """Whether the gain is at least two standard errors, and two deviations of the draws, above 0."""
        return self.gain > 2 * max(self.gain_se, self.random_sd)


def faithfulness(
    net: Net,
    images: Tensor,
    maps: Tensor,
    classes: Tensor,
    *,
    side: int,
    draws: int = 5,
    seed: int = 0,
    batch_size: int = 256,
    steps: int = STEPS,
    deleted: Fill = "mean",
    inserted: Fill = "blur",
) -> Faithfulness:
    """Judge maps [N, S, S] of images [N, C, S, S] uint8 for `classes` [N] int64, beside random ones of `side`.

    `side` is that of the layer the maps were made of (`Layer.side`). It takes 2 * (steps + 1) * (2 + draws) forward
    passes an image. `deleted` and `inserted` say what deletion leaves and insertion starts from, as in RISE.
    """
    if not len(images) or draws < 2:
        raise ValueError("needs an image, and two draws of random maps")

    def areas(of: Tensor, number: int) -> Curves:
        places = order(of, seed=seed + number)
        return curves(net, images, places, classes, steps, batch_size, deleted=deleted, inserted=inserted)

    own = areas(maps, 0)
    size = images.shape[-1]
    random = [areas(random_maps(len(images), size, side, seed=seed + i), i) for i in range(1, draws + 1)]
    differences = torch.stack([each.difference for each in random])  # [draws, N]
    gains = own.difference - differences.mean(0)
    return Faithfulness(
        n=len(images),
        insertion=float(own.insertion.mean()),
        deletion=float(own.deletion.mean()),
        difference=float(own.difference.mean()),
        draws=draws,
        random_insertion=float(torch.stack([each.insertion for each in random]).mean()),
        random_deletion=float(torch.stack([each.deletion for each in random]).mean()),
        random_mean=float(differences.mean()),
        random_sd=float(differences.mean(1).std()),
        centre=float(areas(_centred(len(images), size), 0).difference.mean()),
        gain=float(gains.mean()),
        gain_se=float(gains.std() / math.sqrt(len(gains))) if len(gains) > 1 else 0.0,
    )


def random_maps(n: int, size: int, side: int, seed: int) -> Tensor:
    """Maps [n, size, size] float32 that know nothing: uniform values on `side` x `side` places, enlarged as those of a
    layer are. Single pixels at random would be another test: they spoil every shape at once.
    """
    values = torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(seed))
    enlarged = torch.nn.functional.interpolate(values, size=(size, size), mode="bilinear", align_corners=False)
    return enlarged[:, 0]


def _centred(n: int, size: int) -> Tensor:
    """Maps [n, size, size] of how near the middle a pixel is."""
    places = torch.arange(size) - (size - 1) / 2
    return -(places[:, None] ** 2 + places**2).expand(n, -1, -1)


def order(maps: Tensor, seed: int) -> Tensor:
    """Place in the order of its map [N, S * S] int64 of each pixel, 0 the highest. Equal values come in random order:
    much of a map is 0, and the order of memory would begin with the upper left corner.
    """
    values = maps.flatten(1)
    shuffled = torch.rand(values.shape, generator=torch.Generator().manual_seed(seed)).argsort(dim=1)
    by_value = values.gather(1, shuffled).argsort(dim=1, descending=True, stable=True)
    return shuffled.gather(1, by_value).argsort(dim=1)


def curves(
    net: Net,
    images: Tensor,
    places: Tensor,
    classes: Tensor,
    steps: int = STEPS,
    batch_size: int = 256,
    *,
    deleted: Fill = "mean",
    inserted: Fill = "blur",
) -> Curves:
    """Areas under both curves, for pixels that go and come by their `places` [N, S * S] (see `order`)."""
    pixels = images.shape[-1] ** 2
    taken = [round(pixels * step / steps) for step in range(steps + 1)]
    # Probabilities [steps + 1, N] with so many pixels changed.
    down = [_probability(net, images, _filled(images, deleted), places < n, classes, batch_size) for n in taken]
    up = [_probability(net, _filled(images, inserted), images, places < n, classes, batch_size) for n in taken]
    shares = torch.tensor(taken, dtype=torch.float64) / pixels
    insertion, deletion = (torch.trapezoid(torch.stack(curve), shares, dim=0) for curve in (up, down))
    return Curves(insertion, deletion)


def _filled(images: Tensor, fill: Fill) -> Tensor:
    """The images [N, C, S, S] uint8 without what tells their class.

    The mean is each channel's, over all images, as 0 is in RISE, whose images are normalised. The blur has a deviation
    of a tenth of the side: RISE's, 11 pixels wide at 224, would leave an image of 28 as it is.
    """
    if fill == "mean":
        return images.float().mean((0, 2, 3), keepdim=True).round().byte().expand_as(images)
    sigma = _BLUR * images.shape[-1]
    radius = min(math.ceil(3 * sigma), images.shape[-1] - 1)
    blurred: Tensor = gaussian_blur(images.float(), kernel_size=[2 * radius + 1] * 2, sigma=[sigma] * 2)
    return blurred.round().clamp(0, 255).byte()


def _probability(net: Net, images: Tensor, others: Tensor, chosen: Tensor, classes: Tensor, batch_size: int) -> Tensor:
    """Of each image's class [N] float64, where the pixels `chosen` [N, S * S] are taken from `others`."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            mask = chosen[part].view(-1, 1, *images.shape[2:]).to(images.device)
            logits = net(torch.where(mask, others[part], images[part]))
            found.append(logits.double().softmax(1).cpu().gather(1, classes[part, None].cpu())[:, 0])
    return torch.cat(found)
