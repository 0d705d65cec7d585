"""Crop and flip against albumentations, pixel by pixel, and against the distribution that they claim; and both forms of
every policy against each other.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for a newer version

from albumentations import Compose, Crop, HorizontalFlip, PadIfNeeded

from bakeoff.errors import UserError
from bakeoff.train import augment
from bakeoff.train.policies._mixing import Beta
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
    with pytest.raises(UserError, match=r"augmentation standard: padding: .* must be"):
        augment.build({"policy": "standard", "options": {"padding": padding}}, size=8, flip=True)


# --- both forms of a policy ---

SIZE, FRAME = 16, 3


def picture(channels: int) -> Tensor:
    """One image without symmetry, smooth, in a black frame [1, C, 16, 16].

    The frame, as PIL does not interpolate towards what lies outside of an image, and smooth, as it cuts off fractions.
    """
    inner = SIZE - 2 * FRAME
    x, y = torch.meshgrid(torch.linspace(0, 1, inner), torch.linspace(0, 1, inner), indexing="xy")
    planes = [40 + 150 * x * y + 40 * y, 220 - 120 * x + 20 * y, 90 + 100 * (x - y).abs()][:channels]
    image = torch.zeros(1, channels, SIZE, SIZE)
    image[0, :, FRAME:-FRAME, FRAME:-FRAME] = torch.stack(planes)
    return image.byte()


def draws_of(name: str, n: int, channels: int, seed: int, **options: Any) -> Tensor:
    """What a policy makes of the picture, [n, C, 16, 16] float."""
    policy = augment.build({"policy": name, "options": options}, size=SIZE, flip=True, channels=channels)
    uniforms = torch.rand(n, policy.draws, generator=torch.Generator().manual_seed(seed))
    return policy(picture(channels).expand(n, -1, -1, -1), uniforms).float()


def far_apart(one: Tensor, other: Tensor, allowed: float) -> float:
    """The largest difference of two means over the first dimension, beyond what is allowed, in standard errors."""
    error = (one.var(0) / len(one) + other.var(0) / len(other)).sqrt()
    gap = ((one.mean(0) - other.mean(0)).abs() - allowed).clamp(min=0)
    return float((gap / error.clamp(min=1e-3)).max())


@pytest.mark.parametrize(
    ("name", "options", "allowed", "channels"),
    [
        ("standard", {}, 0.0, 3),
        # PIL cuts fractions off in each of up to four steps, at half a level each; ours rounds once.
        ("strong", {}, 2.0, 1),
        ("strong", {}, 2.0, 3),
        ("strong", {"jitter": 0.0, "erase": 0.0, "shear": 20.0, "degrees": 40.0, "scale": 0.3}, 1.0, 1),
        ("strong", {"degrees": 0.0, "scale": 0.0, "shift": 0.0, "shear": 0.0, "jitter": 0.0, "erase": 1.0}, 0.0, 3),
        ("randaugment", {}, 2.0, 3),
        ("randaugment", {"crop_flip": False, "num_ops": 1, "magnitude": 20}, 1.5, 1),
        ("trivialaugment", {}, 1.5, 1),
        ("trivialaugment", {}, 1.5, 3),
    ],
)
def test_both_forms_agree_in_distribution(name: str, options: dict[str, Any], allowed: float, channels: int) -> None:
    # Ours are cheap: with many of them only the others' mean is uncertain.
    batched, single = (
        draws_of(name, 20_000, channels, 3, **options),
        draws_of(f"per_image/{name}", 2000, channels, 4, **options),
    )
    # 256 to 768 pixels, many of them alike, of which the largest deviation is looked at.
    assert far_apart(batched, single, allowed) < 4.5
    assert far_apart(batched**2, single**2, allowed * 2 * 255) < 4.5
    # Images as a whole: brightness, spread, and where their brightness is, each with its own distribution.
    for ours, theirs in zip(figures(batched).T, figures(single).T, strict=True):
        noise = 2.5 * float(theirs.std()) * (1 / len(theirs) + 1 / len(ours)) ** 0.5
        assert stats.wasserstein_distance(ours.numpy(), theirs.numpy()) < allowed + noise


def figures(images: Tensor) -> Tensor:
    """Mean, standard deviation, and the mean of the left and of the upper half, of each image: [n, 4]."""
    half = images.shape[-1] // 2
    means = [images.mean((1, 2, 3)), images.flatten(1).std(1)]
    means += [images[..., :half].mean((1, 2, 3)), images[..., :half, :].mean((1, 2, 3))]
    return torch.stack(means, 1)


@pytest.mark.parametrize("name", ["mixup", "cutmix", "mixup_cutmix"])
def test_both_forms_of_a_mix_agree_in_distribution(name: str) -> None:
    n = 4000
    images = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(3)).repeat(n // 2, 1, 1, 1)
    results = []
    for seed, form in enumerate((name, f"per_image/{name}")):
        policy = augment.build({"policy": form, "options": {"base": "none", "p": 0.7}}, size=12, flip=False)
        assert policy.mix is not None
        uniforms = torch.rand(n, policy.mix.draws, generator=torch.Generator().manual_seed(seed))
        results.append(policy.mix(images, uniforms))
    (mixed, share), (mixed_singly, share_singly) = results
    assert stats.ks_2samp(share.numpy(), share_singly.numpy()).statistic < 1.95 * (2 / n) ** 0.5
    for parity in (0, 1):  # the two images of which all others are copies
        assert far_apart(mixed[parity::2], mixed_singly[parity::2], 0.0) < 4.5


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 2.0, 30.0])
def test_shares_are_beta_distributed(alpha: float) -> None:
    shares = Beta(alpha)(torch.rand(20_000, generator=torch.Generator().manual_seed(0))).sort().values
    # Not at the very ends: a share of 1e-9 is as good as one of 0.
    levels = torch.linspace(0.005, 0.995, 199)
    found = torch.searchsorted(shares, levels) / len(shares)
    assert (
        float((found - torch.from_numpy(stats.beta(alpha, alpha).cdf(levels.numpy()))).abs().max()) < 1.63 / 20_000**0.5
    )
