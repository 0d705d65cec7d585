"""Seeds trained together agree with seeds trained alone, to rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.train import augment
from bakeoff.train.feed import Normalise, Part, Streams
from bakeoff.train.loop import Outcome, train
from bakeoff.train.spec import Recipe
from bakeoff.train.together import clip_each, train_together

SIZE = 12
STREAMS = [Streams(10 * seed + 1, 10 * seed + 2) for seed in range(3)]


def part(n: int, seed: int) -> Part:
    """Two classes that a net can tell: bright on the left, bright on the right."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    pixels = torch.randint(0, 120, (n, 1, SIZE, SIZE), generator=random, dtype=torch.uint8)
    half = SIZE // 2
    pixels[labels == 0, :, :, :half] += 60
    pixels[labels == 1, :, :, half:] += 60
    return Part(pixels, labels)


def nets_of(builder: str, options: dict[str, Any]) -> list[nn.Module]:
    nets = []
    for seed in range(3):
        torch.manual_seed(seed)
        net = registry.build({"builder": builder, "options": options}, channels=1, size=SIZE, classes=2)
        nets.append(nn.Sequential(InDouble(), net.double()))
    return nets


class InDouble(nn.Module):
    """In float64 two ways to compute the same show no rounding, only mistakes."""

    def forward(self, images: Tensor) -> Tensor:
        return images.double()


def both(
    builder: str, options: dict[str, Any], policy: str = "standard", **settings: Any
) -> tuple[list[nn.Module], list[nn.Module], list[Outcome], list[Outcome]]:
    recipe = Recipe(**{"epochs": 3, "batch_size": 10, "lr": 3e-3, "channels_last": False, **settings})
    shared: dict[str, Any] = {
        "recipe": recipe,
        "classes": 2,
        "make_policy": lambda size: augment.build({"policy": policy, "options": {}}, size=size, flip=False),
        "normalise": Normalise.of([0.3], [0.3], torch.device("cpu")),
        "report": lambda _: None,
        "progress": lambda *_: None,
    }
    training, validation = part(40, 0), part(30, 1)
    alone = nets_of(builder, options)
    singles = [train(net, training, validation, streams=s, **shared) for net, s in zip(alone, STREAMS, strict=True)]
    stacked = nets_of(builder, options)
    together = train_together(stacked, training, validation, streams=STREAMS, **shared)
    return alone, stacked, singles, together


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize(
    ("builder", "options", "settings"),
    [
        ("lenet5", {}, {}),
        ("lenet5", {}, {"optimizer": "sgd", "lr": 0.05, "label_smoothing": 0.1}),
        ("lenet5", {}, {"optimizer": "adam", "clip_grad_norm": 0.5}),
        ("lenet5", {}, {"policy": "mixup"}),
        ("lenet5", {}, {"class_weights": "balanced", "sampling": "balanced"}),
        ("lenet5", {}, {"trained": "head"}),
        ("tiny_cnn", {"norm": "batch"}, {}),
        ("tiny_vit", {}, {"weight_decay": 0.3, "layer_decay": 0.7}),
    ],
)
def test_they_agree_with_seeds_alone(builder: str, options: dict[str, Any], settings: dict[str, Any]) -> None:
    alone, stacked, singles, together = both(builder, options, **settings)
    for one, other, single, joint in zip(alone, stacked, singles, together, strict=True):
        assert joint.images == single.images
        for mine, theirs in zip(joint.history, single.history, strict=True):
            assert (mine.epoch, mine.lr) == (theirs.epoch, theirs.lr)
            # Sums of an epoch are kept in float32.
            assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-5)
            assert mine.val_loss == pytest.approx(theirs.val_loss, rel=1e-9)
            assert (mine.train_accuracy, mine.val_accuracy) == (theirs.train_accuracy, theirs.val_accuracy)
        assert joint.best == joint.history[single.best.epoch - 1]
        for name, tensor in one.state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], tensor, rtol=1e-8, atol=1e-11)
    weights = [net.state_dict()[next(iter(net.state_dict()))] for net in stacked]
    assert not torch.equal(weights[0], weights[1])


def test_a_seed_that_diverges_does_not_touch_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    made = nets_of("lenet5", {})
    with torch.no_grad():
        made[1][1][0].weight.fill_(float("inf"))
    monkeypatch.setattr(f"{__name__}.nets_of", lambda *_: [net.train() for net in map(copy_of, made)])
    alone, stacked, singles, together = both("lenet5", {})
    assert [outcome.diverged for outcome in together] == [outcome.diverged for outcome in singles]
    assert together[1].diverged
    assert len(together[1].history) == 1
    assert len(together[0].history) == 3
    torch.testing.assert_close(stacked[2].state_dict(), alone[2].state_dict(), rtol=1e-8, atol=1e-11)


def copy_of(net: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(net)


def test_clipping_is_torchs_for_each_net() -> None:
    torch.manual_seed(0)
    stack = [torch.randn(3, 4, 5), torch.randn(3, 2), torch.randn(3)]
    for parameter in stack:
        parameter.grad = torch.randn_like(parameter)
    singles = [[nn.Parameter(p[i].clone()) for p in stack] for i in range(3)]
    for i, net in enumerate(singles):
        for parameter, stacked in zip(net, stack, strict=True):
            parameter.grad = stacked.grad[i].clone()
        nn.utils.clip_grad_norm_(net, 1.5)
    clip_each(stack, 1.5)
    for i, net in enumerate(singles):
        for parameter, stacked in zip(net, stack, strict=True):
            torch.testing.assert_close(stacked.grad[i], parameter.grad)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"ema": 0.9}, "ema"),
        ({"accumulate": 2}, "accumulate"),
        ({"schedule": "plateau"}, "plateau"),
        ({"optimizer": "lamb"}, "lamb"),
        ({"early_stopping": 1}, "early_stopping"),
        ({"phases": [{"size": 12, "epochs": 1}], "epochs": 1}, "phases"),
    ],
)
def test_what_cannot_be_shared_is_said(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=rf"seeds_together: cannot be used with .*{key}"):
        train_together(
            [],
            part(4, 0),
            part(4, 0),
            recipe=Recipe(**settings),
            classes=2,
            make_policy=lambda size: augment.build({"policy": "none", "options": {}}, size=size, flip=False),
            normalise=Normalise.of([0.3], [0.3], torch.device("cpu")),
            streams=[],
            report=lambda _: None,
            progress=lambda *_: None,
        )
