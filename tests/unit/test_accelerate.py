"""Faster ways to run a step: none of them on a CPU, and what is tried leaves no trace. For CUDA see tests/gpu."""

from __future__ import annotations

from typing import Any, NoReturn, get_args

import pytest
import torch
from test_training import fit, linear
from torch import Tensor, nn

from bakeoff.train.accelerate import Batch, _Snapshot, choose
from bakeoff.train.average import Average
from bakeoff.train.optimizer import Optimizer
from bakeoff.train.parameters import blocks_of, parameter_groups
from bakeoff.train.spec import Recipe
from bakeoff.train.update import Learner, Loss

OPTIMIZERS = get_args(Recipe.model_fields["optimizer"].annotation)


def learner_of(**settings: Any) -> Learner:
    """Of a net with batch norm, whose statistics change, and dropout, which draws."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 3)
    )
    recipe = Recipe(ema=0.9, **settings)
    optimizer = Optimizer(parameter_groups(net, recipe, blocks_of(net)), recipe)
    return Learner(net, optimizer, Loss(), recipe, Average(net, 0.9), torch.device("cpu"))


def batch(seed: int) -> Batch:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(6, 1, 8, 8, generator=random), torch.arange(6) % 3, None


def state(learner: Learner) -> list[Tensor]:
    assert learner.average is not None
    tensors = [*learner.net.state_dict().values(), *learner.optimizer.tensors(), *learner.average.tensors()]
    return [tensor.clone() for tensor in [*tensors, torch.get_rng_state()]]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("acceleration", get_args(Recipe.model_fields["acceleration"].annotation))
def test_on_a_cpu_steps_are_eager_and_nothing_is_tried(acceleration: str) -> None:
    learner = learner_of(acceleration=acceleration)
    before = state(learner)

    def no_batch() -> NoReturn:
        raise AssertionError("a batch was made to be tried")

    choice = choose(learner, no_batch, steps_to_come=1000)
    assert choice.update is learner
    assert choice.record() == {
        "name": "eager",
        "reason": "on a CPU neither graphs nor the compiler pay",
        "step_seconds": {},
        "preparation_seconds": {},
    }
    assert same(before, state(learner))


def test_a_run_records_how_its_steps_were_run() -> None:
    recorded = fit(linear(), epochs=1).steps_run_as
    assert [(how["name"], how["reason"]) for how in recorded] == [
        ("eager", "on a CPU neither graphs nor the compiler pay")
    ]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_snapshot_puts_everything_back(optimizer: str) -> None:
    """Bit for bit, in place, after steps of a kind that a run makes; and the run goes on as if they had not been."""
    learner = learner_of(optimizer=optimizer, lr=0.05, clip_grad_norm=1.0)
    learner(*batch(0), 0.05)  # so that the state is not all zeros
    before, places = state(learner), [p.data_ptr() for p in learner.net.parameters()]
    snapshot = _Snapshot(learner)
    for step in range(3):
        learner(*batch(step), 0.05)
    assert not torch.equal(before[0], state(learner)[0])
    snapshot.restore()
    assert same(before, state(learner))
    assert [p.data_ptr() for p in learner.net.parameters()] == places
    assert (float(learner.sums.loss), float(learner.sums.correct)) == (0, 0)
    learner(*batch(9), 0.05)
    untried = learner_of(optimizer=optimizer, lr=0.05, clip_grad_norm=1.0)
    untried(*batch(0), 0.05)
    untried(*batch(9), 0.05)
    assert same(state(learner), state(untried))


def test_a_snapshot_can_be_put_back_twice() -> None:
    learner = learner_of()
    before = state(learner)
    snapshot = _Snapshot(learner)
    for _ in range(2):
        learner(*batch(0), 0.05)
        snapshot.restore()
        assert same(before, state(learner))
