"""The policy `standard` against albumentations, pixel by pixel, and against the distribution that it claims."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from scipy import stats

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for a newer version

from albumentations import Compose, Crop, HorizontalFlip, PadIfNeeded

from bakeoff.errors import UserError
from bakeoff.train.policies.standard import build


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_offset_equals_albumentations(channels: int, mirrored: bool) -> None:
    size, padding = 8, 2
    offsets = [(row, column) for row in range(2 * padding + 1) for column in range(2 * padding + 1)]
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (len(offsets), channels, size, size), dtype=np.uint8)
    # The middle of each of the 2p+1 equal intervals, and of the halves for the mirror.
    uniforms = [[(r + 0.5) / 5, (c + 0.5) / 5, 0.25 if mirrored else 0.75] for r, c in offsets]
    ours = build(size, flip=True, padding=0.25)(torch.from_numpy(images), torch.tensor(uniforms)).numpy()
    for image, changed, (row, column) in zip(images, ours, offsets, strict=True):
        oracle = Compose(
            [
                PadIfNeeded(size + 2 * padding, size + 2 * padding, border_mode=0, fill=0, p=1),
                Crop(column, row, column + size, row + size, p=1),
                HorizontalFlip(p=float(mirrored)),
            ]
        )
        expected = oracle(image=image.transpose(1, 2, 0))["image"].transpose(2, 0, 1)
        assert np.array_equal(changed, expected), (row, column)


def test_offsets_are_uniform_and_half_of_the_images_are_mirrored() -> None:
    n, size = 40_000, 9
    # With p = 4 the pixel in the middle of the result is that at row, column of the offset, mirrored or not; its
    # neighbour tells whether it is.
    places = torch.arange(1, size * size + 1).view(1, 1, size, size)
    uniforms = torch.rand(n, 3, generator=torch.Generator().manual_seed(0))
    changed = build(size, flip=True, padding=4 / 9)(places.expand(n, -1, -1, -1), uniforms)
    counts = torch.bincount(changed[:, 0, 4, 4] - 1, minlength=size * size)
    assert len(counts) == 81
    assert stats.chisquare(counts.numpy()).pvalue > 0.01
    inside = (changed[:, 0, 4, 4] - 1) % size < size - 1  # the neighbour is no padding
    neighbours = changed[inside][:, 0, 4, 3:6]
    mirrored = int((neighbours[:, 0] == neighbours[:, 1] + 1).sum())
    assert stats.binomtest(mirrored, len(neighbours)).pvalue > 0.01


def test_the_padding_is_an_eighth_of_the_side() -> None:
    assert build(32, flip=True).padding == 4  # as He et al. (2016), section 4.2, for 32 pixels
    assert build(28, flip=True).padding == 4
    assert build(224, flip=True).padding == 28


@pytest.mark.parametrize("padding", [-0.1, 1.1, float("nan")])
def test_a_padding_that_is_no_fraction_is_the_users_mistake(padding: float) -> None:
    with pytest.raises(UserError, match=r"augmentation standard: padding: .* is not a fraction"):
        build(8, flip=True, padding=padding)
