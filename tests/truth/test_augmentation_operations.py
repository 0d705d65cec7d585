"""Each change that a policy is made of, against PIL or torchvision on single images."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from bakeoff.train.policies import randaugment, strong, trivialaugment
from bakeoff.train.policies._operations import SIGNED, Operation, apply
from bakeoff.train.policies._pixels import to_bytes, warp

N, SIZE = 6, 20


def photos(channels: int) -> Tensor:
    """Smooth images, images of noise, and images of few levels: [6, C, 20, 20] uint8."""
    rng = np.random.default_rng(channels)
    noise = rng.integers(0, 256, (2, channels, SIZE, SIZE))
    grid = np.linspace(0, 3, SIZE)
    smooth = 120 + 90 * np.sin(grid[:, None] * np.arange(1, 2 * channels + 1)[:, None, None] + grid)
    few = rng.choice([30, 31, 200], (2, channels, SIZE, SIZE))
    return torch.from_numpy(np.concatenate([noise, smooth.reshape(2, channels, SIZE, SIZE), few]).astype(np.uint8))


def by_pil(images: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    changed = []
    for image in images:
        given = image.permute(1, 2, 0).numpy() if len(image) == 3 else image[0].numpy()
        result = np.array(change(Image.fromarray(given)))
        changed.append(torch.from_numpy(result.reshape(SIZE, SIZE, -1)).permute(2, 0, 1))
    return torch.stack(changed)


def ours(images: Tensor, operation: Operation, strength: float) -> Tensor:
    n = len(images)
    return apply(images, torch.full((n,), int(operation)), torch.full((n,), strength))


def difference(one: Tensor, other: Tensor) -> int:
    return int((one.int() - other.int()).abs().max())


PIL_OPERATIONS: dict[Operation, Callable[[float], Callable[[Image.Image], Image.Image]]] = {
    Operation.BRIGHTNESS: lambda s: lambda image: ImageEnhance.Brightness(image).enhance(1 + s),
    Operation.CONTRAST: lambda s: lambda image: ImageEnhance.Contrast(image).enhance(1 + s),
    Operation.COLOR: lambda s: lambda image: ImageEnhance.Color(image).enhance(1 + s),
    Operation.SHARPNESS: lambda s: lambda image: ImageEnhance.Sharpness(image).enhance(1 + s),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strength", [-0.99, -0.4, 0.0, 0.3, 0.9])
@pytest.mark.parametrize("operation", PIL_OPERATIONS)
def test_blends_equal_those_of_pil(operation: Operation, strength: float, channels: int) -> None:
    images = photos(channels)
    expected = by_pil(images, PIL_OPERATIONS[operation](strength))
    assert difference(ours(images, operation, strength), expected) <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [2, 4, 7, 8])
def test_posterize_equals_that_of_pil(bits: int, channels: int) -> None:
    images = photos(channels)
    expected = by_pil(images, lambda image: ImageOps.posterize(image, bits))
    assert torch.equal(ours(images, Operation.POSTERIZE, float(bits)), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [0.0, 128.0, 178.5, 255.0])
def test_solarize_equals_that_of_pil(level: float, channels: int) -> None:
    images = photos(channels)
    expected = by_pil(images, lambda image: ImageOps.solarize(image, level))  # type: ignore[arg-type]
    assert torch.equal(ours(images, Operation.SOLARIZE, level), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_autocontrast_and_equalize_equal_those_of_pil(channels: int) -> None:
    images = photos(channels)
    images[0], images[1, :, :-1] = 77, 5  # one level; nearly one
    assert difference(ours(images, Operation.AUTOCONTRAST, 0.0), by_pil(images, ImageOps.autocontrast)) <= 1
    assert torch.equal(ours(images, Operation.EQUALIZE, 0.0), by_pil(images, ImageOps.equalize))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("operation", "strength", "angle", "translate", "shear", "center"),
    [
        (Operation.SHEAR_X, 0.3, 0.0, (0, 0), (math.degrees(math.atan(0.3)), 0.0), [0, 0]),
        (Operation.SHEAR_Y, 0.9, 0.0, (0, 0), (0.0, math.degrees(math.atan(0.9))), [0, 0]),
        (Operation.TRANSLATE_X, 5.0, 0.0, (5, 0), (0.0, 0.0), None),
        (Operation.TRANSLATE_Y, 5.0, 0.0, (0, 5), (0.0, 0.0), None),
        (Operation.ROTATE, 30.0, 30.0, (0, 0), (0.0, 0.0), None),
        (Operation.ROTATE, 135.0, 135.0, (0, 0), (0.0, 0.0), None),
    ],
)
def test_moves_equal_those_of_torchvision(
    operation: Operation,
    strength: float,
    angle: float,
    translate: tuple[int, int],
    shear: tuple[float, float],
    center: list[float] | None,
    sign: int,
) -> None:
    """Of one sign or the other: both are drawn equally often."""
    images = photos(3)
    expected = [
        tv.affine(
            images.float(),
            direction * angle,
            [direction * step for step in translate],
            1.0,
            [direction * slope for slope in shear],
            InterpolationMode.BILINEAR,
            center=center,
        )
        for direction in (sign, -sign)
    ]
    found = ours(images, operation, sign * strength)
    assert min(difference(found, each.round()) for each in expected) <= 1
    assert difference(found, images) > 10


def test_all_operations_in_one_batch_equal_each_alone() -> None:
    images = photos(3)[:1].expand(len(Operation) * 2, -1, -1, -1)
    operation = torch.arange(len(Operation) * 2) % len(Operation)
    strength = torch.where(operation == Operation.POSTERIZE, 3.0, 0.5)
    together = apply(images, operation, strength)
    for i, kind in enumerate(operation.tolist()):
        assert torch.equal(together[i], ours(images[:1], Operation(kind), float(strength[i]))[0])


def test_strengths_are_those_of_torchvision() -> None:
    """The tables of RandAugment and of TrivialAugment's wide space."""
    from torchvision.transforms import v2

    names = {
        "Identity": Operation.IDENTITY,
        "ShearX": Operation.SHEAR_X,
        "ShearY": Operation.SHEAR_Y,
        "TranslateX": Operation.TRANSLATE_X,
        "TranslateY": Operation.TRANSLATE_Y,
        "Rotate": Operation.ROTATE,
        "Brightness": Operation.BRIGHTNESS,
        "Color": Operation.COLOR,
        "Contrast": Operation.CONTRAST,
        "Sharpness": Operation.SHARPNESS,
        "Posterize": Operation.POSTERIZE,
        "Solarize": Operation.SOLARIZE,
        "AutoContrast": Operation.AUTOCONTRAST,
        "Equalize": Operation.EQUALIZE,
    }
    size, bins = 32, 31
    for theirs, mine in (
        (v2.RandAugment._AUGMENTATION_SPACE, lambda i: randaugment.strengths(i, size)),
        (v2.TrivialAugmentWide._AUGMENTATION_SPACE, lambda i: trivialaugment.strengths(i / (bins - 1), size)),
    ):
        assert theirs.keys() == names.keys()
        for name, (magnitudes, signed) in theirs.items():
            assert signed == (names[name] in SIGNED)
            values = magnitudes(bins, size, size)
            for i in range(bins):
                expected = 0.0 if values is None else float(values[i])
                if name.startswith("Translate"):  # torchvision cuts it to whole pixels, after rounding errors
                    assert mine(i)[names[name]] == int(expected + 1e-4)
                    continue
                if name == "Solarize":
                    expected *= 255
                assert mine(i)[names[name]] == pytest.approx(expected, abs=1e-4), (name, i)


# --- strong ---


def one_of_strong(**settings: float) -> strong.Strong:
    still = dict.fromkeys(("padding", "degrees", "scale", "shift", "shear", "jitter", "erase"), 0.0)
    return strong.build(SIZE, True, 3, **(still | settings))


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_map_of_strong_equals_that_of_torchvision(mirrored: bool) -> None:
    """Flip, then shear, scale and rotation about the middle, then a shift, in one sampling."""
    policy = one_of_strong(padding=0.125, degrees=30.0, scale=0.2, shear=12.0, shift=0.1)
    images = photos(3)
    uniforms = torch.tensor([0.9, 0.1, 0.2 if mirrored else 0.8, 0.75, 0.9, 0.1, 0.7, 0.2])
    found = to_bytes(warp(images.float(), policy.maps(uniforms.expand(N, -1))))
    pixels = round(0.125 * SIZE)
    right = pixels - math.floor(0.1 * (2 * pixels + 1)) + (2 * 0.7 - 1) * 0.1 * SIZE
    down = pixels - math.floor(0.9 * (2 * pixels + 1)) + (2 * 0.2 - 1) * 0.1 * SIZE
    angle, scale, slope = 30 * 0.5, 1 + 0.2 * 0.8, math.tan(math.radians(12 * -0.8))
    given = images.flip(3) if mirrored else images
    expected = by_pil(given, lambda image: moved(image, angle, scale, slope, right, down))
    assert difference(found, expected) <= 1


def moved(image: Image.Image, angle: float, scale: float, slope: float, right: float, down: float) -> Image.Image:
    """By the matrix product as one writes it down, and PIL; the frame is what PIL interpolates the border with."""
    cos, sin, middle, frame = math.cos(math.radians(angle)), math.sin(math.radians(angle)), SIZE / 2, 2
    shift = np.array([[1, 0, middle + right], [0, 1, middle + down], [0, 0, 1]])
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    slant = np.array([[1, slope, 0], [0, 1, 0], [0, 0, 1]])
    centre = np.array([[1, 0, -middle], [0, 1, -middle], [0, 0, 1]])
    back = np.linalg.inv(shift @ np.diag([scale, scale, 1]) @ turn @ slant @ centre)
    back[:2, 2] += frame
    framed = ImageOps.expand(image, border=frame)
    matrix = tuple(back[:2].ravel())
    return framed.transform((SIZE, SIZE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_colours_of_strong_equal_those_of_pil(channels: int) -> None:
    images = photos(channels)
    uniforms = torch.tensor([0.9, 0.2, 0.7])
    found = images.float()
    one_of_strong(jitter=0.5).colour_(found, uniforms.expand(N, -1))
    brightness, contrast, saturation = (1 + 0.5 * (2 * uniforms - 1)).tolist()

    def change(image: Image.Image) -> Image.Image:
        image = ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(brightness)).enhance(contrast)
        return ImageEnhance.Color(image).enhance(saturation) if image.mode == "RGB" else image

    # PIL cuts fractions off after each of the three, and the contrast makes more of the first.
    assert difference(to_bytes(found), by_pil(images, change)) <= 3


def test_nothing_is_left_of_strong_when_all_its_ranges_are_zero() -> None:
    images = photos(3)
    uniforms = torch.rand(N, 17, generator=torch.Generator().manual_seed(0))
    changed = one_of_strong()(images, uniforms)
    mirrored = (uniforms[:, 2] < 0.5)[:, None, None, None]
    assert torch.equal(changed, torch.where(mirrored, images.flip(3), images))


def test_erased_boxes_have_the_areas_and_ratios_of_the_paper() -> None:
    n, size = 4000, 100
    policy = strong.build(size, False, 1, erase=0.4)
    erased, level = policy.box(torch.rand(n, 6, generator=torch.Generator().manual_seed(0)))
    boxes = erased[:, 0]
    chosen = boxes.flatten(1).any(1)
    assert abs(float(chosen.float().mean()) - 0.4) < 0.03
    heights, widths = boxes[chosen].amax(2).sum(1), boxes[chosen].amax(1).sum(1)
    assert torch.equal(boxes[chosen].sum((1, 2)), heights * widths)  # a box, and whole
    areas, ratios = heights * widths / size**2, heights / widths
    assert 0.015 < float(areas.min()) < 0.03
    assert 0.3 < float(areas.max()) < 0.34
    assert abs(float(areas.mean()) - 0.175) < 0.01
    assert 0.27 < float(ratios.min()) < 0.33
    assert abs(float(ratios.log().mean())) < 0.05
    assert 0 <= float(level.min()) < 2
    assert 253 < float(level.max()) <= 255
