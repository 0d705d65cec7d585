"""Corruptions: stronger with each severity, the same however they are made, and what the paper defines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor

from bakeoff.errors import UserError
from bakeoff.probe import corruptions
from bakeoff.probe.corruptions import SEVERITIES, corrupt

every_corruption = pytest.mark.parametrize("name", corruptions.names())


def photographs(size: int, channels: int = 3, n: int = 6) -> Tensor:
    """Pieces [n, C, S, S] of a real photograph, half of its width each, brought to this size."""
    photograph = torch.from_numpy(load_sample_image("china.jpg").copy()).permute(2, 0, 1)[None].float()
    places = [(i * 30, i * 55) for i in range(n)]
    pieces = torch.cat([photograph[:, :, y : y + 260, x : x + 260] for y, x in places])
    small = torch.nn.functional.interpolate(pieces, size=(size, size), mode="bilinear", antialias=True).round().byte()
    return small[:, :1] if channels == 1 else small[:, [i % 3 for i in range(channels)]]


def distance(one: Tensor, other: Tensor) -> float:
    """Mean absolute difference, of grey levels."""
    return float((one.float() - other.float()).abs().mean())


@every_corruption
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (12, 1), (16, 3), (28, 1), (32, 3), (64, 3), (96, 1), (224, 3)])
def test_each_severity_is_further_away(name: str, size: int, channels: int) -> None:
    images = photographs(size, channels)
    kept = images.clone()
    distances = []
    for severity in SEVERITIES:
        changed = corrupt(images, name, severity, seed=0)
        assert changed.shape == images.shape
        assert changed.dtype == torch.uint8
        distances.append(distance(changed, images))
    assert torch.equal(images, kept), "the images that were given are left alone"
    assert distances[0] > 0.1
    assert all(near < far for near, far in pairwise(distances)), distances


@every_corruption
def test_an_image_is_corrupted_the_same_in_any_company(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = photographs(32)
    whole = corrupt(images, name, 3, seed=5)
    pieces = [corrupt(images[i : i + 2], name, 3, seed=5, first=i) for i in range(0, len(images), 2)]
    assert torch.equal(torch.cat(pieces), whole)
    monkeypatch.setattr(corruptions, "_CHUNK", 3 * 32 * 32 * 4)  # pieces of four images
    assert torch.equal(corrupt(images, name, 3, seed=5), whole)


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise"])
def test_noise_differs_by_seed_image_and_severity(name: str) -> None:
    images = torch.full((2, 1, 16, 16), 128, dtype=torch.uint8)
    one = corrupt(images, name, 3, seed=0)
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one, corrupt(images, name, 3, seed=1))
    assert not torch.equal(one, corrupt(images, name, 4, seed=0))


@every_corruption
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels_will_do(name: str, channels: int) -> None:
    images = photographs(16, channels, n=2)
    assert corrupt(images, name, 5, seed=0).shape == images.shape
    assert corrupt(images[:0], name, 5, seed=0).shape == (0, channels, 16, 16)


def test_noise_has_the_strength_of_the_paper() -> None:
    grey = torch.full((4, 3, 32, 32), 128, dtype=torch.uint8)
    for severity, wanted in zip(SEVERITIES, (0.04, 0.06, 0.08, 0.09, 0.10), strict=True):
        noise = corrupt(grey, "gaussian_noise", severity, seed=0).double() / 255
        assert float(noise.std()) == pytest.approx(wanted, rel=0.03)
        assert float(noise.mean()) == pytest.approx(128 / 255, abs=0.005)
    for severity, photons in zip(SEVERITIES, (500, 250, 100, 75, 50), strict=True):
        shots = corrupt(grey, "shot_noise", severity, seed=0).double() / 255
        assert float(shots.std()) == pytest.approx((128 / 255 / photons) ** 0.5, rel=0.03)


def test_brightness_keeps_hue_and_saturation() -> None:
    import colorsys

    images = photographs(32)
    brighter = corrupt(images, "brightness", 2, seed=0)
    for before, after in zip(images[0].flatten(1).T.tolist()[:200], brighter[0].flatten(1).T.tolist(), strict=False):
        hue, saturation, value = colorsys.rgb_to_hsv(*(v / 255 for v in before))
        wanted = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + 0.10))
        assert after == pytest.approx([255 * v for v in wanted], abs=0.51)
    black = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    assert corrupt(black, "brightness", 2, seed=0).unique().tolist() == [round(0.10 * 255)]


def test_contrast_is_about_each_channels_mean() -> None:
    images = photographs(32).double()
    means = images.mean((2, 3), keepdim=True)
    wanted = means + 0.4 * (images - means)
    assert distance(corrupt(images.byte(), "contrast", 3, seed=0), wanted) < 0.3


def test_blurs_keep_what_is_uniform_and_the_sum_of_light() -> None:
    point = torch.zeros(1, 1, 33, 33, dtype=torch.uint8)
    point[0, 0, 16, 16] = 255
    for name in ("gaussian_blur", "defocus_blur"):
        for severity in SEVERITIES:
            flat = torch.full((1, 3, 33, 33), 77, dtype=torch.uint8)
            assert torch.equal(corrupt(flat, name, severity, seed=0), flat)
            spread = corrupt(point, name, severity, seed=0)
            assert int(spread.sum()) == pytest.approx(255, abs=8)
            assert torch.equal(spread, spread.flip(-1))
            assert torch.equal(spread, spread.transpose(-1, -2))


def test_defocus_is_opencvs_with_the_papers_kernel() -> None:
    cv2 = pytest.importorskip("cv2")
    images = photographs(224, n=1)
    places = np.arange(-10, 11)
    disk = ((places[:, None] ** 2 + places**2) <= 100).astype(np.float32)
    disk = cv2.GaussianBlur(np.pad(disk / disk.sum(), 4), ksize=(5, 5), sigmaX=0.5)
    wanted = cv2.filter2D(images[0].permute(1, 2, 0).numpy().astype(np.float32), -1, disk)
    assert distance(corrupt(images, "defocus_blur", 5, seed=0)[0].permute(1, 2, 0), torch.from_numpy(wanted)) < 0.3


@pytest.mark.parametrize(("size", "sides"), [(32, (30, 28, 27, 24, 20)), (224, (134, 112, 89, 67, 56))])
def test_pixelate_is_pillows_with_the_papers_sizes(size: int, sides: tuple[int, ...]) -> None:
    images = photographs(size, n=1)
    box = Image.Resampling.BOX
    for severity, side in zip(SEVERITIES, sides, strict=True):
        small = Image.fromarray(images[0].permute(1, 2, 0).numpy()).resize((side, side), box)
        wanted = torch.from_numpy(np.array(small.resize((size, size), box))).permute(2, 0, 1)
        assert int((corrupt(images, "pixelate", severity, seed=0)[0].int() - wanted.int()).abs().max()) <= 1


@pytest.mark.parametrize("size", range(8, 49))
def test_pixelate_is_further_away_with_each_severity_at_any_size(size: int) -> None:
    images = photographs(size)
    distances = [distance(corrupt(images, "pixelate", severity, seed=0), images) for severity in SEVERITIES]
    assert all(near < far for near, far in pairwise(distances)), distances


@pytest.mark.parametrize(
    ("name", "severity", "words"), [("fog", 1, "no such corruption"), ("jpeg", 6, "must be 1 to 5")]
)
def test_what_there_is_not_is_the_users_mistake(name: str, severity: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        corrupt(photographs(8, n=1), name, severity, seed=0)
