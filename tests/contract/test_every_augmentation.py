"""What every augmentation policy promises; a new one is tested here without a new test."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bakeoff import plugins
from bakeoff.stages import POLICIES
from bakeoff.train import augment
from bakeoff.train.augment import Policy

SIZE = 8
BELOW_ONE = 1 - 2**-24  # the largest number that torch.rand gives in float32
CPU = torch.device("cpu")
GPU = pytest.param(
    torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"), id="cuda"
)

every_policy = pytest.mark.parametrize("name", plugins.names(POLICIES))


def build(name: str, size: int = SIZE, flip: bool = True) -> Policy:
    defaults = {option.name: option.default for option in plugins.options(POLICIES, name).values()}
    return augment.build({"policy": name, "options": defaults}, size=size, flip=flip)


def images_of(n: int = 16, channels: int = 3, size: int = SIZE) -> Tensor:
    return torch.randint(0, 256, (n, channels, size, size), generator=seeded(1), dtype=torch.uint8)


def uniforms_for(policy: Policy, n: int = 16, seed: int = 2) -> Tensor:
    return torch.rand(n, policy.draws, generator=seeded(seed))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@every_policy
@pytest.mark.parametrize("device", [pytest.param(CPU, id="cpu"), GPU])
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 28), (3, 33)])
def test_shape_type_and_device_are_kept(name: str, device: torch.device, channels: int, size: int) -> None:
    policy = build(name, size)
    images = images_of(channels=channels, size=size).to(device)
    changed = policy(images, uniforms_for(policy).to(device))
    assert (changed.shape, changed.dtype, changed.device) == (images.shape, images.dtype, images.device)


@every_policy
def test_the_images_given_are_not_written_to(name: str) -> None:
    policy, images = build(name), images_of()
    policy(images, uniforms_for(policy))
    assert torch.equal(images, images_of())


@every_policy
def test_all_randomness_comes_from_the_uniforms(name: str) -> None:
    policy, images = build(name), images_of()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = policy(images, uniforms_for(policy))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert torch.equal(policy(images, uniforms_for(policy)), one)
    if policy.draws:
        assert not torch.equal(policy(images, uniforms_for(policy, seed=5)), one)


@every_policy
def test_each_image_is_changed_by_draws_of_its_own(name: str) -> None:
    policy = build(name)
    if not policy.draws:
        pytest.skip("draws nothing")
    same = images_of(1).expand(64, -1, -1, -1)
    changed = policy(same, uniforms_for(policy, 64))
    assert len({image.numpy().tobytes() for image in changed}) > 8


@every_policy
def test_an_image_does_not_depend_on_its_batch(name: str) -> None:
    policy, images = build(name), images_of()
    uniforms = uniforms_for(policy)
    whole = policy(images, uniforms)
    order = torch.randperm(len(images), generator=seeded(6))
    assert torch.equal(policy(images[order], uniforms[order]), whole[order])
    for i in (0, 7, 15):
        assert torch.equal(policy(images[i : i + 1], uniforms[i : i + 1])[0], whole[i])


@every_policy
@pytest.mark.parametrize("size", [4, 8, 12, 28, 33, 224])
@pytest.mark.parametrize("uniform", [0.0, BELOW_ONE])
def test_the_ends_of_the_draws_are_valid(name: str, size: int, uniform: float) -> None:
    policy, images = build(name, size), images_of(2, size=size)
    changed = policy(images, torch.full((2, policy.draws), uniform))
    assert changed.shape == images.shape


@every_policy
def test_images_are_mirrored_only_where_that_is_allowed(name: str) -> None:
    policy = build(name, flip=False)
    # Each pixel holds its column: in a mirror image the columns fall.
    images = torch.arange(1, SIZE + 1, dtype=torch.uint8).expand(64, 1, SIZE, SIZE)
    changed = policy(images, uniforms_for(policy, 64)).long()
    steps = changed[..., 1:] - changed[..., :-1]
    inside = (changed[..., 1:] > 0) & (changed[..., :-1] > 0)
    assert inside.any()
    assert (steps[inside] > 0).all()


@every_policy
def test_flipping_moves_no_other_draw(name: str) -> None:
    """A data set that may be mirrored and one that may not get the same crops."""
    with_flip, without = build(name, flip=True), build(name, flip=False)
    assert with_flip.draws == without.draws
    uniforms, images = uniforms_for(with_flip, 64), images_of(64)
    one, other = with_flip(images, uniforms), without(images, uniforms)
    assert torch.all((one == other).flatten(1).all(1) | (one.flip(3) == other).flatten(1).all(1))
