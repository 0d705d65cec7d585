"""Common corruptions of images at five severities, made when they are wanted.

Definitions and strengths are those of Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations": their ImageNet-C is made at 224 pixels, Tiny-ImageNet-C at 64, CIFAR-10-C at 32, each
with strengths of its own, for what a large image survives leaves nothing of a small one. An image takes the strengths
of the set whose size is nearest (by ratio). Four things differ from their code:

- values are rounded to the nearest grey level, not cut;
- `pixelate` takes at least one pixel a side more from one severity to the next, which their fractions do not at 8 to 20
  pixels (0.95 and 0.90 of 8 are both 7);
- grey images have one channel, and are JPEGs of one component; images of other than 1 or 3 channels go channel by
  channel;
- `pixelate` goes by areas below 64 pixels, but for the 32 of CIFAR (see _pixelation).

These are eight of their nineteen: a mean over them is not their mCE, which also divides by the errors of AlexNet.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from bakeoff.errors import UserError

SEVERITIES = (1, 2, 3, 4, 5)

Bytes: TypeAlias = NDArray[np.uint8]
# Images [n, C, S, S] in [0, 1].
Floats: TypeAlias = NDArray[np.float32]

# Values a piece, so that its floats stay in the cache.
_CHUNK = 1 << 18


def names() -> tuple[str, ...]:
    """Every corruption."""
    return tuple(_CORRUPTIONS)


def corrupt(images: Tensor, name: str, severity: int, seed: int, *, first: int = 0) -> Tensor:
    """Images [N, C, S, S] uint8 on the CPU, corrupted; a new tensor of the same shape and type.

    What happens to an image depends on the image, its index, `name`, `severity` and `seed` alone: the index is its
    place here plus `first`, so a data set may be corrupted piece by piece. Raises UserError for a name or a severity
    that there is not.
    """
    if name not in _CORRUPTIONS:
        raise UserError(f"corruption {name!r}: no such corruption (there are {', '.join(_CORRUPTIONS)})")
    if severity not in SEVERITIES:
        raise UserError(f"corruption {name}: severity: {severity!r} must be 1 to 5")
    strengths, change = _CORRUPTIONS[name]
    level = strengths[_scale(images.shape[-1])][severity - 1]
    key = (seed, zlib.crc32(name.encode()), severity)
    step = max(1, _CHUNK // max(1, images[:1].numel()))
    done = torch.empty_like(images)
    for start in range(0, len(images), step):
        piece = images[start : start + step].numpy()
        changed = change(piece, level, severity, partial(_random, key, first + start))
        done[start : start + step] = torch.from_numpy(changed)
    return done


# Gives the random numbers of an image, by its place in the piece.
_Randoms: TypeAlias = Callable[[int], np.random.Generator]
# From images and the strength, a number or two, to images.
_Change: TypeAlias = Callable[[Bytes, Any, int, _Randoms], Bytes]
_Strengths: TypeAlias = tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]


def _random(key: Sequence[int], first: int, place: int) -> np.random.Generator:
    return np.random.default_rng([*(k % 2**64 for k in key), first + place])


def _scale(size: int) -> int:
    """Which strengths fit: 0 those for 32 pixels, 1 for 64, 2 for 224."""
    return 0 if size < 45 else 1 if size < 120 else 2  # geometric means: sqrt(32 * 64), sqrt(64 * 224)


def _floats(images: Bytes) -> Floats:
    return images.astype(np.float32) / np.float32(255)


def _bytes(values: Floats) -> Bytes:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


# --- what changes an image


def _gaussian_noise(images: Bytes, level: float, severity: int, randoms: _Randoms) -> Bytes:
    """Sensor noise in low light; `level` is its standard deviation."""
    noise = (randoms(i).standard_normal(images.shape[1:], dtype=np.float32) for i in range(len(images)))
    return np.stack([_bytes(_floats(image) + level * each) for image, each in zip(images, noise, strict=True)])


def _shot_noise(images: Bytes, level: float, severity: int, randoms: _Randoms) -> Bytes:
    """Noise of counted photons, `level` of them in a white pixel."""
    counts = (randoms(i).poisson(_floats(image) * level) for i, image in enumerate(images))
    return np.stack([_bytes((each / level).astype(np.float32)) for each in counts])


def _gaussian_blur(images: Bytes, level: float, severity: int, randoms: _Randoms) -> Bytes:
    """`level` is the standard deviation in pixels."""
    return _bytes(ndimage.gaussian_filter(_floats(images), (0, 0, level, level), mode="nearest"))


def _defocus_blur(images: Bytes, level: tuple[float, float], severity: int, randoms: _Randoms) -> Bytes:
    """A lens out of focus: a point becomes a disk; `level` is its radius and the blur of its edge, in pixels."""
    kernel = _disk(*level)
    reach, size = len(kernel) // 2, images.shape[-1]
    framed = np.pad(_floats(images), ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
    total = np.zeros(images.shape, np.float32)
    for y, x in np.argwhere(kernel):  # added one by one: convolutions of libraries depend on the number of images
        total += kernel[y, x] * framed[:, :, y : y + size, x : x + size]
    return _bytes(total)


def _disk(radius: float, blur: float) -> Floats:
    """A disk of whole pixels, its edge smoothed over 3x3 pixels, or 5x5 when it is large; of sum 1."""
    smooth = 1 if radius <= 8 else 2
    reach = int(radius) + smooth
    places = np.arange(-reach, reach + 1)
    inside = (places[:, None] ** 2 + places**2 <= radius**2).astype(np.float32)
    kernel: Floats = ndimage.gaussian_filter(inside / inside.sum(), blur, radius=smooth, mode="constant")
    kernel /= kernel.sum()
    return kernel


def _contrast(images: Bytes, level: float, severity: int, randoms: _Randoms) -> Bytes:
    """Each channel drawn together to `level` of its distance from its mean."""
    values = _floats(images)
    means = values.mean((2, 3), keepdims=True)
    return _bytes((values - means) * np.float32(level) + means)


def _brightness(images: Bytes, level: float, severity: int, randoms: _Randoms) -> Bytes:
    """`level` added to the value, the V of HSV, with hue and saturation kept: all channels grow by one factor."""
    values = _floats(images)
    value = values.max(1, keepdims=True)
    brighter = np.minimum(value + np.float32(level), 1)
    factor = np.divide(brighter, value, out=np.zeros_like(value), where=value > 0)
    return _bytes(np.where(value > 0, values * factor, brighter))


def _pixelate(images: Bytes, level: float, severity: int, randoms: _Randoms) -> Bytes:
    """Shown on a screen of fewer pixels, `level` of them a side."""
    size = images.shape[-1]
    small = max(1, min(int(size * level), size - severity))
    if size == 32 or size >= 64:
        box = Image.Resampling.BOX
        return _by_picture(images, lambda picture: picture.resize((small, small), box).resize((size, size), box))
    matrix = _pixelation(size, small)
    pixels: Floats = np.matmul(matrix, _floats(images), dtype=np.float32) @ matrix.T
    return _bytes(pixels)


def _pixelation(size: int, small: int) -> Floats:
    """What becomes of a line [size] shown in `small` pixels: a matrix [size, size]. By areas, there and back.

    Pillow's box filter gives a pixel to the one small pixel that its middle lies in. That moves parts of the picture
    by up to half a pixel, by others at each severity, so that of 12 pixels 8 would be further from the image than 7.
    """
    edges = np.arange(small + 1) * size / small
    pixels = np.arange(size)
    covered = (np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)).clip(min=0)
    matrix: Floats = (covered.T @ covered * small / size).astype(np.float32)
    return matrix


def _jpeg(images: Bytes, level: int, severity: int, randoms: _Randoms) -> Bytes:
    """Compressed with this quality, of 100."""

    def change(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=level)
        return Image.open(file)

    return _by_picture(images, change)


def _by_picture(images: Bytes, change: Callable[[Image.Image], Image.Image]) -> Bytes:
    """Each image through Pillow: in colour where it has three channels, else channel by channel."""
    if images.shape[1] == 3:
        pixels = [np.asarray(change(Image.fromarray(image))) for image in images.transpose(0, 2, 3, 1)]
        return np.stack(pixels).transpose(0, 3, 1, 2)
    planes = images.reshape(-1, *images.shape[2:])
    return np.stack([np.asarray(change(Image.fromarray(plane))) for plane in planes]).reshape(images.shape)


# For each corruption the strengths at 32, 64 and 224 pixels: of severity 1 to 5.
_CORRUPTIONS: dict[str, tuple[_Strengths, _Change]] = {
    "gaussian_noise": (
        ((0.04, 0.06, 0.08, 0.09, 0.10), (0.04, 0.08, 0.12, 0.15, 0.18), (0.08, 0.12, 0.18, 0.26, 0.38)),
        _gaussian_noise,
    ),
    "shot_noise": (((500, 250, 100, 75, 50), (250, 100, 50, 30, 15), (60, 25, 12, 5, 3)), _shot_noise),
    "defocus_blur": (
        (
            ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
            ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
            ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        ),
        _defocus_blur,
    ),
    "gaussian_blur": (((0.4, 0.6, 0.7, 0.8, 1), (0.5, 0.75, 1, 1.25, 1.5), (1, 2, 3, 4, 6)), _gaussian_blur),
    "brightness": (
        ((0.05, 0.10, 0.15, 0.20, 0.30), (0.1, 0.2, 0.3, 0.4, 0.5), (0.1, 0.2, 0.3, 0.4, 0.5)),
        _brightness,
    ),
    "contrast": (
        ((0.75, 0.50, 0.40, 0.30, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05), (0.4, 0.3, 0.2, 0.1, 0.05)),
        _contrast,
    ),
    "pixelate": (
        ((0.95, 0.90, 0.85, 0.75, 0.65), (0.9, 0.8, 0.7, 0.6, 0.5), (0.6, 0.5, 0.4, 0.3, 0.25)),
        _pixelate,
    ),
    "jpeg": (((80, 65, 58, 50, 40), (65, 58, 50, 40, 25), (25, 18, 15, 10, 7)), _jpeg),
}
