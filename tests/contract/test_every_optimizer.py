"""Every optimizer does what torch's or timm's class of that name does, and shows all state that it keeps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from timm.optim import Lamb
from torch import Tensor

from bakeoff.train.optimizer import BETAS, EPSILON, LAMB_EPSILON, Optimizer
from bakeoff.train.parameters import Group
from bakeoff.train.spec import Recipe

NAMES = get_args(Recipe.model_fields["optimizer"].annotation)
DECAY, LR, STEPS = 0.05, 0.03, 7
SHAPES = [(6, 5), (4, 3, 3, 3), (5,), (6,)]
"""Two weights, which decay, and two biases, which do not."""


def parameters() -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=random, requires_grad=True) for shape in (*SHAPES, (3,))]


def groups_of(tensors: list[Tensor], lr_scale: float = 1.0) -> list[Group]:
    """One with decay, one without, whose last parameter never gets a gradient."""
    return [Group(tensors[:2], DECAY, lr_scale), Group(tensors[2:], 0.0, lr_scale)]


def put_gradients(tensors: list[Tensor], step: int) -> None:
    """The last parameter gets none."""
    random = torch.Generator().manual_seed(100 + step)
    for tensor in tensors[:-1]:
        tensor.grad = torch.randn(tensor.shape, generator=random)


def lr_at(step: int) -> float:
    return LR * (1 + step) / STEPS


def ours(recipe: Recipe, steps: int = STEPS, lr_scale: float = 1.0, lr: Callable[[int], Any] = lr_at) -> list[Tensor]:
    tensors = parameters()
    optimizer = Optimizer(groups_of(tensors, lr_scale), recipe)
    for step in range(steps):
        put_gradients(tensors, step)
        optimizer.step(lr(step))
        optimizer.zero_grad()
        assert all(tensor.grad is None for tensor in tensors)
    return tensors


def theirs(make: Callable[[list[dict[str, Any]]], torch.optim.Optimizer]) -> list[Tensor]:
    tensors = parameters()
    optimizer = make([{"params": g.parameters, "weight_decay": g.weight_decay} for g in groups_of(tensors)])
    for step in range(STEPS):
        put_gradients(tensors, step)
        for group in optimizer.param_groups:
            group["lr"] = lr_at(step)
        optimizer.step()
        optimizer.zero_grad()
    return tensors


@pytest.mark.parametrize(
    ("recipe", "make"),
    [
        (Recipe(optimizer="sgd", momentum=0), lambda g: torch.optim.SGD(g, lr=1, fused=True)),
        (
            Recipe(optimizer="sgd", momentum=0.9),
            lambda g: torch.optim.SGD(g, lr=1, momentum=0.9, nesterov=True, fused=True),
        ),
        (Recipe(optimizer="adam"), lambda g: torch.optim.Adam(g, betas=BETAS, eps=EPSILON, fused=True)),
        (Recipe(optimizer="adamw"), lambda g: torch.optim.AdamW(g, betas=BETAS, eps=EPSILON, fused=True)),
    ],
    ids=["sgd", "sgd with momentum", "adam", "adamw"],
)
def test_it_is_torchs_bit_for_bit(
    recipe: Recipe, make: Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
) -> None:
    for got, want in zip(ours(recipe), theirs(make), strict=True):
        assert torch.equal(got, want)


def test_lamb_is_timms() -> None:
    """As the paper has it: no bound on the trust ratio, no clipping of its own."""
    want = theirs(lambda g: Lamb(g, betas=BETAS, eps=LAMB_EPSILON, max_grad_norm=None, trust_clip=False))
    for got, tensor in zip(ours(Recipe(optimizer="lamb")), want, strict=True):
        torch.testing.assert_close(got, tensor, rtol=1e-6, atol=1e-7)


def test_lambs_trust_ratio_makes_steps_of_the_weights_size() -> None:
    """A step of a weight that decays is as long as the rate times the weight, whatever the gradient's scale."""
    for scale in (1e-6, 1.0, 1e4):
        weight = torch.randn(20, 10, generator=torch.Generator().manual_seed(0), requires_grad=True)
        before = weight.detach().clone()
        optimizer = Optimizer([Group([weight], DECAY)], Recipe(optimizer="lamb"))
        weight.grad = scale * torch.randn(20, 10, generator=torch.Generator().manual_seed(1))
        optimizer.step(0.01)
        assert float(torch.dist(before, weight)) == pytest.approx(0.01 * float(before.norm()), rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_zero_weights_leave_zero(name: str) -> None:
    """A head that begins with zeros learns: LAMB's trust ratio is 1 there."""
    weight = torch.zeros(3, 3, requires_grad=True)
    optimizer = Optimizer([Group([weight], DECAY)], Recipe(optimizer=name))
    weight.grad = torch.ones(3, 3)
    optimizer.step(0.1)
    assert (weight < -1e-3).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_gets_no_gradient_stays(name: str) -> None:
    assert torch.equal(ours(Recipe(optimizer=name))[-1], parameters()[-1])


@pytest.mark.parametrize("name", NAMES)
def test_a_groups_scale_multiplies_its_rate(name: str) -> None:
    recipe = Recipe(optimizer=name)
    scaled, lower = ours(recipe, lr_scale=0.25), ours(recipe, lr=lambda step: lr_at(step) * 0.25)
    assert all(torch.equal(one, other) for one, other in zip(scaled, lower, strict=True))
    assert not torch.equal(scaled[0], ours(recipe)[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_may_be_a_tensor(name: str) -> None:
    """In a captured step it must be."""
    recipe = Recipe(optimizer=name)
    with_tensor = ours(recipe, lr=lambda step: torch.tensor(lr_at(step)))
    for one, other in zip(with_tensor, ours(recipe), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_are_all_the_state(name: str) -> None:
    """Put back, with the parameters, they give the same step again, bit for bit."""
    tensors = parameters()
    optimizer = Optimizer(groups_of(tensors), Recipe(optimizer=name))

    def step(number: int) -> list[Tensor]:
        put_gradients(tensors, number)
        optimizer.step(LR)
        return [tensor.detach().clone() for tensor in tensors]

    step(0)
    state = [*tensors, *optimizer.tensors()]
    kept = [tensor.detach().clone() for tensor in state]
    first = [step(1), step(2)]
    assert not torch.equal(first[0][0], first[1][0])
    with torch.no_grad():
        for tensor, value in zip(state, kept, strict=True):
            tensor.copy_(value)
    again = [step(1), step(2)]
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_tensors_stay_where_they_are(name: str) -> None:
    """A captured step holds their addresses."""
    tensors = parameters()
    optimizer = Optimizer(groups_of(tensors), Recipe(optimizer=name))
    places = [tensor.data_ptr() for tensor in (*tensors, *optimizer.tensors())]
    for number in range(3):
        put_gradients(tensors, number)
        optimizer.step(LR)
    assert [tensor.data_ptr() for tensor in (*tensors, *optimizer.tensors())] == places


@pytest.mark.parametrize("name", NAMES)
def test_it_learns(name: str) -> None:
    """Least squares: the loss falls by half at least."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(64, 8, generator=random)
    y = x @ torch.randn(8, 3, generator=random)
    weight = (0.1 * torch.randn(8, 3, generator=random)).requires_grad_()
    optimizer = Optimizer([Group([weight], 1e-4)], Recipe(optimizer=name))
    losses = []
    for _ in range(100):
        loss = (x @ weight - y).square().mean()
        losses.append(float(loss.detach()))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(0.03)
        optimizer.zero_grad()
    assert losses[-1] < losses[0] / 2


FRESH_PROCESS = """
import sys, torch
from bakeoff.train.optimizer import Optimizer
from bakeoff.train.parameters import Group
from bakeoff.train.spec import Recipe
for name in sys.argv[1:]:
    weight = torch.ones(3, 3, requires_grad=True)
    optimizer = Optimizer([Group([weight], 0.1)], Recipe(optimizer=name))
    weight.grad = torch.ones(3, 3)
    optimizer.step(0.1)
    optimizer.zero_grad()
print(*sorted({"torch._dynamo", "timm", "torchvision", "sympy"} & set(sys.modules)))
"""


def test_no_optimizer_imports_the_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", FRESH_PROCESS, *NAMES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
