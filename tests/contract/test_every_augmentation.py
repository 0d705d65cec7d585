"""What every augmentation policy promises; a new one is tested here without a new test."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from bakeoff import plugins
from bakeoff.errors import UserError
from bakeoff.stages import POLICIES
from bakeoff.train import augment
from bakeoff.train.augment import Mix, Policy

SIZE = 12
BELOW_ONE = 1 - 2**-24  # the largest number that torch.rand gives in float32
CPU = torch.device("cpu")
GPU = pytest.param(
    torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"), id="cuda"
)
PIPELINE = [{"Affine": {"rotate": [-30, 30], "p": 1.0}}, {"PixelDropout": {"dropout_prob": 0.1, "p": 1.0}}]
# What a policy needs to be built, where its defaults do not suffice.
OPTIONS: dict[str, dict[str, Any]] = {"albumentations": {"pipeline": PIPELINE}}
ALL = augment.names()
MIXING = ["mixup", "cutmix", "mixup_cutmix", "per_image/mixup", "per_image/cutmix", "per_image/mixup_cutmix"]

every_policy = pytest.mark.parametrize("name", ALL)
every_mix = pytest.mark.parametrize("name", MIXING)


def build(name: str, size: int = SIZE, flip: bool = True, channels: int = 3, **options: Any) -> Policy:
    given = {"policy": name, "options": OPTIONS.get(name, {}) | options}
    return augment.build(given, size=size, flip=flip, channels=channels)


def mix_of(name: str, **options: Any) -> Mix:
    mix = build(name, base="none", **options).mix
    assert mix is not None
    return mix


def images_of(n: int = 16, channels: int = 3, size: int = SIZE) -> Tensor:
    return torch.randint(0, 256, (n, channels, size, size), generator=seeded(1), dtype=torch.uint8)


def uniforms_for(policy: Policy | Mix, n: int = 16, seed: int = 2) -> Tensor:
    return torch.rand(n, policy.draws, generator=seeded(seed))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_policy_that_mixes_is_tested_as_such() -> None:
    assert [name for name in ALL if build(name).mix is not None] == sorted(MIXING, key=ALL.index)


@every_policy
def test_a_policy_says_how_it_works(name: str) -> None:
    policy = build(name)
    assert isinstance(policy.draws, int)
    assert 0 <= policy.draws <= 30
    assert policy.host == (name == "albumentations" or name.startswith("per_image/"))
    assert plugins.about(POLICIES, name)


@every_policy
@pytest.mark.parametrize("device", [pytest.param(CPU, id="cpu"), GPU])
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 28), (3, 33)])
def test_shape_type_and_device_are_kept(name: str, device: torch.device, channels: int, size: int) -> None:
    policy = build(name, size, channels=channels)
    images = images_of(channels=channels, size=size).to(device)
    changed = policy(images, uniforms_for(policy).to(device))
    assert (changed.shape, changed.dtype, changed.device) == (images.shape, images.dtype, images.device)
    assert changed.is_contiguous()


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
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("uniform", [0.0, BELOW_ONE])
def test_the_ends_of_the_draws_are_valid(name: str, size: int, channels: int, uniform: float) -> None:
    policy, images = build(name, size, channels=channels), images_of(2, channels, size)
    changed = policy(images, torch.full((2, policy.draws), uniform))
    assert changed.shape == images.shape


@pytest.mark.parametrize("name", ["none", "standard", *MIXING, "per_image/standard"])
def test_images_are_mirrored_only_where_that_is_allowed(name: str) -> None:
    policy = build(name, flip=False, channels=1)
    # Each pixel holds its column: in a mirror image the columns fall.
    images = torch.arange(1, SIZE + 1, dtype=torch.uint8).expand(64, 1, SIZE, SIZE)
    changed = policy(images, uniforms_for(policy, 64)).long()
    steps = changed[..., 1:] - changed[..., :-1]
    inside = (changed[..., 1:] > 0) & (changed[..., :-1] > 0)
    assert inside.any()
    assert (steps[inside] > 0).all()


@pytest.mark.parametrize("name", [name for name in ALL if name != "albumentations"])
def test_half_of_the_images_are_mirrored_and_the_others_are_as_without(name: str) -> None:
    """A data set that may be mirrored and one that may not get the same changes otherwise."""
    with_flip, without = build(name, flip=True), build(name, flip=False)
    assert with_flip.draws == without.draws
    uniforms, images = uniforms_for(with_flip, 256), images_of(256)
    same = (with_flip(images, uniforms) == without(images, uniforms)).flatten(1).all(1).float().mean()
    assert same == 1 if name == "none" else 0.4 < same < 0.6 or "per_image" in name


@every_policy
def test_a_policy_can_be_sent_to_a_worker(name: str) -> None:
    policy, images = build(name), images_of()
    uniforms = uniforms_for(policy)
    sent: Policy = pickle.loads(pickle.dumps(policy))
    assert torch.equal(sent(images, uniforms), policy(images, uniforms))


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith("per_image/")])
def test_both_forms_have_the_same_options(name: str) -> None:
    batched = name.removeprefix("per_image/")
    assert plugins.options(POLICIES, name) == plugins.options(POLICIES, batched)
    assert (build(name).mix is None) == (build(batched).mix is None)


def test_every_policy_that_draws_has_a_form_image_by_image() -> None:
    batched = {name for name in ALL if "/" not in name} - {"none", "albumentations"}
    assert {f"per_image/{name}" for name in batched} == {name for name in ALL if "/" in name}


@every_policy
def test_the_ends_of_every_option_are_valid_and_beyond_is_refused(name: str) -> None:
    for option in plugins.options(POLICIES, name).values():
        for value in option.choices:
            policy = build(name, **{option.name: value})
            policy(images_of(), uniforms_for(policy))
        if option.range is None:
            continue
        for value in (option.range.low, option.range.high):
            policy = build(name, **{option.name: option.read(value)})
            policy(images_of(), uniforms_for(policy))
        for beyond in (option.range.low - 1, option.range.high + 1):
            with pytest.raises(UserError, match=rf"augmentation {name}: {option.name}: .* must be from "):
                build(name, **{option.name: beyond})


@every_policy
def test_numbers_among_the_options_have_a_range(name: str) -> None:
    for option in plugins.options(POLICIES, name).values():
        assert option.range or isinstance(option.default, bool | str | tuple), option.name


@every_mix
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [4, 12, 33])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_mix_is_made_of_each_image_and_the_one_before(
    name: str, size: int, channels: int, layout: torch.memory_format
) -> None:
    mix = mix_of(name)
    # Each image is of one level: what a pixel holds of the two is in its value.
    n = 64
    levels = torch.arange(1.0, n + 1)
    images = levels[:, None, None, None].expand(n, channels, size, size).clone().to(memory_format=layout)
    given = images.clone()
    mixed, share = mix(images, uniforms_for(mix, n))
    assert torch.equal(images, given)
    assert (mixed.shape, mixed.dtype) == (images.shape, images.dtype)
    assert mixed.is_contiguous(memory_format=layout)
    assert (share.shape, share.dtype) == ((n,), torch.float32)
    assert ((share >= 0) & (share <= 1)).all()
    expected = share * levels + (1 - share) * levels.roll(1)
    assert torch.allclose(mixed.mean((1, 2, 3)), expected, atol=1e-3)
    assert len(share.unique()) > 2


@every_mix
def test_a_mix_depends_on_its_uniforms_alone(name: str) -> None:
    mix, images = mix_of(name), images_of().float()
    before = torch.get_rng_state()
    (one, share), (again, share_again) = (mix(images, uniforms_for(mix)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, again)
    assert torch.equal(share, share_again)
    # The pair makes the image: a batch of the second half gives the same, but for its first partner.
    half, half_share = mix(images[7:], uniforms_for(mix)[7:])
    assert torch.equal(half[1:], one[8:])
    assert torch.equal(half_share, share[7:])


@every_mix
@pytest.mark.parametrize("uniform", [0.0, BELOW_ONE])
def test_the_ends_of_the_draws_of_a_mix_are_valid(name: str, uniform: float) -> None:
    for size in (4, 28, 224):
        mix = mix_of(name, size=size)
        mixed, share = mix(images_of(2, size=size).float(), torch.full((2, mix.draws), uniform))
        assert mixed.isfinite().all()
        assert ((share >= 0) & (share <= 1)).all()


@every_mix
def test_a_mix_of_no_image_changes_none(name: str) -> None:
    mix, images = mix_of(name, p=0.0), images_of().float()
    mixed, share = mix(images, uniforms_for(mix))
    assert torch.equal(mixed, images)
    assert (share == 1).all()


def test_policies_take_size_flip_and_channels() -> None:
    import importlib

    for name in ALL:
        build_function = importlib.import_module(plugins.module(POLICIES, name)).build
        assert list(inspect.signature(build_function).parameters)[:3] == ["size", "flip", "channels"]
