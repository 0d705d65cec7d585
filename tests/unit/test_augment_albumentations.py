"""Pipelines of albumentations: written in a study, drawn for each image alone, refused by the name of what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from study_fixture import study
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.study import load
from bakeoff.train import augment
from bakeoff.train.augment import Policy
from bakeoff.train.policies import _pipeline

BOTH_FLIPS = [{"HorizontalFlip": {"p": 0.5}}, {"VerticalFlip": {"p": 0.5}}]
ROTATE = [{"Affine": {"rotate": [-90, 90], "p": 1.0}}]


def build(pipeline: Any, size: int = 8, channels: int = 3) -> Policy:
    given = {"policy": "albumentations", "options": {"pipeline": pipeline}}
    return augment.build(given, size=size, flip=True, channels=channels)


def uniforms(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed))


def gradient(n: int, channels: int = 3, size: int = 8) -> Tensor:
    image = torch.arange(channels * size * size, dtype=torch.uint8).view(1, channels, size, size)
    return image.repeat(n, 1, 1, 1)


class Batches(Dataset[Tensor]):
    """Batches augmented by whoever reads them."""

    def __init__(self, policy: Policy, size: int) -> None:
        self.policy, self.size = policy, size

    def __len__(self) -> int:
        return 64 // self.size

    def __getitem__(self, i: int) -> Tensor:
        rows = slice(i * self.size, (i + 1) * self.size)
        return self.policy(gradient(self.size), uniforms(64)[rows])


@pytest.mark.parametrize(("workers", "size"), [(0, 16), (2, 16), (2, 8), (1, 32)])
def test_workers_do_not_repeat_each_other(workers: int, size: int) -> None:
    """albumentations 2.0.8 seeds itself: two workers gave the same images, every epoch again."""
    policy = build(ROTATE)
    alone = policy(gradient(64), uniforms(64))
    loader = DataLoader(Batches(policy, size), batch_size=None, num_workers=workers)
    for _ in range(2):
        assert torch.equal(torch.cat(list(loader)), alone)
    assert len({image.numpy().tobytes() for image in alone}) == 64


def test_transforms_of_a_pipeline_draw_apart_from_each_other() -> None:
    """By set_random_seed() all would get the same draws: two flips came together or not at all."""
    images = gradient(400)
    changed = build(BOTH_FLIPS)(images, uniforms(400))
    kinds = [images[0], images[0].flip(2), images[0].flip(1), images[0].flip(1, 2)]
    counts = [sum(torch.equal(image, kind) for image in changed) for kind in kinds]
    assert sum(counts) == 400
    assert min(counts) > 60


def test_groups_of_transforms_choose_for_each_image() -> None:
    pipeline = [{"OneOf": {"transforms": [{"HorizontalFlip": {"p": 1.0}}, {"VerticalFlip": {"p": 1}}], "p": 1.0}}]
    images = gradient(64)
    changed = build(pipeline)(images, uniforms(64))
    mirrored = [torch.equal(image, images[0].flip(2)) for image in changed]
    assert 16 < sum(mirrored) < 48
    assert all(one or torch.equal(image, images[0].flip(1)) for one, image in zip(mirrored, changed, strict=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_albumentations(channels: int) -> None:
    import albumentations

    image = gradient(1, channels, 12)
    changed = build([{"Rotate": {"limit": [40, 40], "p": 1.0}}], 12, channels)(image, uniforms(1))
    expected = albumentations.Rotate(limit=(40, 40), p=1.0)(image=image[0].permute(1, 2, 0).numpy())["image"]
    assert np.array_equal(changed[0].permute(1, 2, 0).numpy(), expected.reshape(12, 12, channels))


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ([], "is empty; list transforms, as in [HorizontalFlip: {p: 0.5}]"),
        (
            [{"HorizontalFlop": {}}],
            "[0]: HorizontalFlop is no transform of albumentations; did you mean HorizontalFlip",
        ),
        ([{"HorizontalFlip": {"q": 1}}], "[0]: HorizontalFlip: q is no argument of it; it has p"),
        (
            [{"Blur": {}}, {"Blur": {"blur_limits": 3}}],
            "[1]: Blur: blur_limits is no argument of it; did you mean blur_limit",
        ),
        ([{"Lambda": {"image": "print"}}], "[0]: Lambda cannot be used on images alone"),
        ([{"ToTensorV2": {}}], "[0]: ToTensorV2 cannot be used on images alone"),
        ([{"Compose": {"transforms": []}}], "[0]: Compose is no transform of albumentations"),
        ([{"os": {}}], "[0]: os is no transform of albumentations"),
        ([{"__import__": {}}], "[0]: __import__ is no transform of albumentations"),
        ([{"check_for_updates": {}}], "[0]: check_for_updates is no transform of albumentations"),
        ([{"OneOf": {"transforms": [{"Bluur": {}}]}}], "[0].OneOf.transforms[0]: Bluur is no transform"),
        ([{"OneOf": {"p": 1.0}}], "[0].OneOf.transforms must be a list of transforms"),
        ([{"Blur": {}, "Rotate": {}}], "[0] must be one transform and its arguments, as in"),
        (["Blur"], "[0] must be one transform and its arguments, as in"),
        ([{"Blur": 3}], "[0] must be one transform and its arguments, as in"),
    ],
)
def test_a_pipeline_that_cannot_be_read_is_named_before_anything_is_imported(pipeline: Any, said: str) -> None:
    assert (_pipeline.problem(pipeline) or "").startswith(said)
    with pytest.raises(UserError) as refused:
        study(augmentations=[{"name": "mine", "policy": "albumentations", "pipeline": pipeline}])
    assert f"augmentations[0].pipeline: {said}" in str(refused.value)
    with pytest.raises(UserError):
        build(pipeline)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            {"HorizontalFlip": {"p": "often"}},
            "pipeline[1]: HorizontalFlip: cannot be used: p: Input should be a valid number",
        ),
        ({"GaussNoise": {"std_range": [-1, 2]}}, "pipeline[1]: GaussNoise: cannot be used: "),
        ({"RandomCrop": {"height": 64, "width": 64}}, "pipeline[1]: RandomCrop: cannot be used: "),
    ],
)
def test_an_argument_that_does_not_fit_is_named(step: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        build([{"HorizontalFlip": {}}, step])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_images_of_another_size_are_refused() -> None:
    policy = build([{"RandomCrop": {"height": 4, "width": 4, "p": 1.0}}])
    with pytest.raises(
        UserError, match=r"augmentation albumentations: makes uint8 \[4, 4, 3\] of an image \[8, 8, 3\]"
    ):
        policy(gradient(2), uniforms(2))
    whole = build([{"RandomCrop": {"height": 4, "width": 4, "p": 1.0}}, {"Resize": {"height": 8, "width": 8}}])
    assert whole(gradient(2), uniforms(2)).shape == (2, 3, 8, 8)


def test_what_needs_colour_is_refused_for_grey_images() -> None:
    with pytest.raises(UserError, match=r"pipeline\[0\]: ISONoise: cannot be used"):
        build([{"ISONoise": {"p": 0.1}}], channels=1)


def test_every_name_offered_is_an_exported_transform() -> None:
    import albumentations

    names = _pipeline.names()
    assert len(names) > 80
    for name in names:
        found = getattr(albumentations, name)
        assert issubclass(found, albumentations.BasicTransform | albumentations.BaseCompose)
        assert "p" in _pipeline.arguments(name), name


def test_a_study_holds_its_pipeline_in_the_spec(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        "study: tiny\ndatasets: [digits]\nmodels: [lenet5]\naugmentations:\n"
        "- name: mine\n  policy: albumentations\n  pipeline:\n"
        "  - HorizontalFlip: {p: 0.5}\n  - OneOf: {transforms: [{Blur: {}}, {MedianBlur: {blur_limit: 5}}], p: 0.2}\n"
    )
    (cell,) = Grid(load(file)).cells
    (entry,) = load(file).augmentations
    assert cell.augmentation == "mine"
    assert entry.options["pipeline"][0] == {"HorizontalFlip": {"p": 0.5}}
    policy = build(entry.options["pipeline"], channels=1)
    assert policy(gradient(4, 1), uniforms(4)).shape == (4, 1, 8, 8)
