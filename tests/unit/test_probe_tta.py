"""Test-time augmentation: views that move what they say, and a mean of probabilities."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bakeoff.errors import UserError
from bakeoff.probe import tta


def random_images(n: int = 5, channels: int = 3, size: int = 16) -> Tensor:
    return torch.randint(
        0, 256, (n, channels, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def named(flip: bool = True, names: list[str] | None = None) -> dict[str, tta.View]:
    return {view.name: view for view in tta.views(names, flip)}


def point(size: int, row: int, column: int) -> Tensor:
    images = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    images[0, 0, row, column] = 255
    return images


def test_mirroring_is_for_data_sets_that_allow_it() -> None:
    everything = [view.name for view in tta.views(None, flip=True)]
    assert everything == ["identity", "flip", "up", "down", "left", "right", "rotated left", "rotated right"]
    assert [view.name for view in tta.views(None, flip=False)] == [name for name in everything if name != "flip"]
    assert [view.name for view in tta.views(["flip"], flip=False)] == ["identity"]
    assert [view.name for view in tta.views(["shifts", "shifts"], flip=False)] == ["identity", *everything[2:6]]
    assert [view.name for view in tta.views([], flip=True)] == ["identity"]
    with pytest.raises(UserError, match=r"'crops': no such view \(there are flip, shifts, rotations\)"):
        tta.views(["crops"], flip=True)


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 28), (4, 57)])
def test_every_view_is_an_image_like_the_one_given(channels: int, size: int) -> None:
    images = random_images(channels=channels, size=size)
    kept = images.clone()
    for name, view in named().items():
        shown = view(images)
        assert shown.shape == images.shape
        assert shown.dtype == torch.uint8
        assert torch.equal(shown, images) == (name == "identity")
        assert torch.equal(view(images[2:3])[0], shown[2]), "no image depends on its batch"
    assert torch.equal(images, kept)


@pytest.mark.parametrize(("size", "step"), [(8, 1), (28, 1), (55, 1), (56, 2), (224, 8)])
def test_shifts_go_where_they_say(size: int, step: int) -> None:
    middle = size // 2
    for name, (rows, columns) in {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}.items():
        shown = named()[name](point(size, middle, middle))
        assert shown[0, 0].nonzero().tolist() == [[middle + rows * step, middle + columns * step]]


def test_a_shift_repeats_the_border() -> None:
    images = random_images()
    shown = named()["right"](images)
    assert torch.equal(shown[..., 0], images[..., 0])
    assert torch.equal(shown[..., 1:], images[..., :-1])


def test_rotations_turn_about_the_middle_and_undo_each_other() -> None:
    yy, xx = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    image = (127 + 60 * torch.sin(xx / 6) + 60 * torch.cos(yy / 8)).byte()[None, None]
    left, right = named()["rotated left"], named()["rotated right"]
    inner = (..., slice(10, -10), slice(10, -10))
    assert (right(left(image))[inner].int() - image[inner].int()).abs().max() <= 2
    assert torch.equal(right(image.flip(-1)).flip(-1), left(image))
    shown = left(point(64, 31, 60))[0, 0]  # to the right of the middle; anticlockwise is up from there
    row, _ = divmod(int(shown.argmax()), 64)
    assert row == pytest.approx(31.5 - 29 * 0.1305, abs=1)


def test_rotating_adds_no_dark_corners() -> None:
    white = torch.full((1, 3, 20, 20), 255, dtype=torch.uint8)
    assert torch.equal(named()["rotated left"](white), white)


def brightness_net(images: Tensor) -> Tensor:
    """Logits [B, 3] of some brightness here and there."""
    values = images.float() / 255
    return 8 * torch.stack([values[:, 0, 0, 0], values[:, 0, -1, -1], values.mean((1, 2, 3))], dim=1)


def test_probabilities_are_averaged_and_passes_counted() -> None:
    images = random_images(n=7)
    views = tta.views(None, flip=True)
    averaged = tta.predict(brightness_net, images, views, batch_size=3)
    wanted = torch.stack([brightness_net(view(images)).softmax(1) for view in views]).mean(0)
    assert averaged.passes == 8
    assert averaged.log_probabilities.dtype == torch.float32
    assert averaged.log_probabilities.exp() == pytest.approx(wanted, abs=1e-6)
    assert averaged.log_probabilities.softmax(1) == pytest.approx(wanted, abs=1e-6)


def test_one_view_changes_no_answer() -> None:
    images = random_images()
    averaged = tta.predict(brightness_net, images, tta.views([], flip=False))
    assert averaged.passes == 1
    assert averaged.log_probabilities == pytest.approx(brightness_net(images).log_softmax(1), abs=1e-6)
    with pytest.raises(ValueError, match="no views"):
        tta.predict(brightness_net, images, [])


def test_a_view_that_is_sure_does_not_outvote_the_others() -> None:
    def net(images: Tensor) -> Tensor:
        sure = images[:, 0, 0, 0] > 0
        return torch.where(sure[:, None], torch.tensor([1000.0, 0.0]), torch.tensor([0.0, 3.0]))

    corner = tta.View("corner", lambda images: torch.full_like(images, 255))
    plain = tta.View("plain", lambda images: images)
    averaged = tta.predict(net, torch.zeros(1, 1, 8, 8, dtype=torch.uint8), [plain, plain, corner])
    assert averaged.log_probabilities.argmax(1).tolist() == [1]
    assert averaged.log_probabilities.isfinite().all()
