"""Every schedule keeps the laws of one, and is torch's of that name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from torch.optim import SGD
from torch.optim import lr_scheduler as torchs

from bakeoff.train.schedule import make_schedule
from bakeoff.train.spec import Recipe

NAMES = get_args(Recipe.model_fields["schedule"].annotation)
PEAK = 0.1


def rates(recipe: Recipe, steps_per_epoch: int, epochs: int, peak: float = PEAK) -> list[float]:
    """The rate of every step; the validation loss never falls."""
    schedule = make_schedule(recipe, steps_per_epoch, epochs, peak)
    found = []
    for step in range(epochs * steps_per_epoch):
        found.append(schedule.lr_at(step))
        if (step + 1) % steps_per_epoch == 0:
            schedule.epoch_end(1.0)
    return found


# --- laws

lengths = {"steps_per_epoch": st.integers(1, 40), "epochs": st.integers(1, 30)}
settings_of = st.fixed_dictionaries(
    {},
    optional={
        "warmup_epochs": st.floats(0, 40, allow_nan=False),
        "gamma": st.floats(0.05, 0.95),
        "step_epochs": st.integers(1, 10),
        "milestones": st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4),
        "restart_epochs": st.integers(1, 10),
        "patience": st.integers(1, 5),
    },
)


@pytest.mark.parametrize("name", NAMES)
@hypothesis(deadline=None)
@given(settings=settings_of, peak=st.floats(1e-8, 10), **lengths)
def test_rates_are_positive_and_not_above_the_peak(
    name: str, settings: dict[str, Any], peak: float, steps_per_epoch: int, epochs: int
) -> None:
    found = rates(Recipe(schedule=name, **settings), steps_per_epoch, epochs, peak)
    assert len(found) == steps_per_epoch * epochs
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in found)
    assert all(isinstance(rate, float) for rate in found)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "onecycle"])
@hypothesis(deadline=None)
@given(warmup=st.floats(0, 10), **lengths)
def test_the_warm_up_is_a_line_that_reaches_the_peak(
    name: str, warmup: float, steps_per_epoch: int, epochs: int
) -> None:
    recipe = Recipe(schedule=name, warmup_epochs=warmup, step_epochs=100, milestones=[0.999], patience=100)
    found = rates(recipe, steps_per_epoch, epochs)
    steps = min(round(warmup * steps_per_epoch), steps_per_epoch * epochs - 1)
    for step in range(steps):
        assert found[step] == pytest.approx(PEAK * (step + 1) / steps, rel=1e-12)
    if steps:
        assert found[steps - 1] == PEAK
    if steps < len(found) - 1:
        assert found[steps] == pytest.approx(PEAK)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "plateau"])
@hypothesis(deadline=None)
@given(order=st.permutations(range(24)))
def test_the_rate_depends_on_the_step_alone(name: str, order: list[int]) -> None:
    """So a step's rate is the same in whatever order it is asked for, and whatever the losses were."""
    recipe = Recipe(schedule=name, warmup_epochs=1, step_epochs=2, restart_epochs=2)
    want = rates(recipe, 4, 6)
    schedule = make_schedule(recipe, 4, 6, PEAK)
    for step in order:
        schedule.epoch_end(float(step))
        assert schedule.lr_at(step) == want[step]


@hypothesis(deadline=None)
@given(factor=st.floats(1e-3, 1e3), **lengths)
def test_the_shape_does_not_depend_on_the_peak(factor: float, steps_per_epoch: int, epochs: int) -> None:
    for name in NAMES:
        recipe = Recipe(schedule=name, step_epochs=2, restart_epochs=3)
        one = rates(recipe, steps_per_epoch, epochs)
        other = rates(recipe, steps_per_epoch, epochs, PEAK * factor)
        assert other == pytest.approx([rate * factor for rate in one], rel=1e-9)


@pytest.mark.parametrize("name", ["cosine", "onecycle"])
def test_what_ends_low_ends_low(name: str) -> None:
    found = rates(Recipe(schedule=name, warmup_epochs=1), 50, 10)
    assert 0 < found[-1] < 1e-4 * PEAK
    assert max(found) == pytest.approx(PEAK, rel=1e-3)


def test_restarts_stand_at_multiples_of_their_period() -> None:
    """The warm-up is part of the first, so the last cosine is whole and training ends low."""
    found = rates(Recipe(schedule="restarts", restart_epochs=4, warmup_epochs=1), 50, 12)
    assert found[50] == pytest.approx(PEAK)
    for restart in (200, 400):
        assert found[restart] == PEAK
        assert found[restart - 1] < 1e-3 * PEAK
    assert found[-1] < 1e-3 * PEAK


@pytest.mark.parametrize("name", NAMES)
def test_a_single_step_has_a_rate(name: str) -> None:
    (rate,) = rates(Recipe(schedule=name, warmup_epochs=5), 1, 1)
    assert 0 < rate <= PEAK


# --- torch's


def torchs_rates(make: Callable[[SGD], Any], steps: int) -> list[float]:
    """The rates of a scheduler of torch that is stepped after every step."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer makes no steps
        scheduler = make(optimizer)
        for _ in range(steps):
            found.append(float(optimizer.param_groups[0]["lr"]))
            scheduler.step()
    return found


PER_EPOCH, EPOCHS = 7, 12
TOTAL = PER_EPOCH * EPOCHS


@pytest.mark.parametrize(
    ("settings", "make"),
    [
        (
            {"schedule": "step", "step_epochs": 5, "gamma": 0.3},
            lambda o: torchs.StepLR(o, step_size=5 * PER_EPOCH, gamma=0.3),
        ),
        (
            {"schedule": "multistep", "milestones": [0.5, 0.75], "gamma": 0.2},
            lambda o: torchs.MultiStepLR(o, milestones=[TOTAL // 2, TOTAL * 3 // 4], gamma=0.2),
        ),
        ({"schedule": "cosine"}, lambda o: torchs.CosineAnnealingLR(o, T_max=TOTAL)),
        (
            {"schedule": "restarts", "restart_epochs": 4},
            lambda o: torchs.CosineAnnealingWarmRestarts(o, T_0=4 * PER_EPOCH),
        ),
        ({"schedule": "constant"}, lambda o: torchs.ConstantLR(o, factor=1.0)),
    ],
    ids=lambda value: value["schedule"] if isinstance(value, dict) else "",
)
def test_it_is_torchs(settings: dict[str, Any], make: Callable[[SGD], Any]) -> None:
    got = rates(Recipe(warmup_epochs=0, **settings), PER_EPOCH, EPOCHS)
    assert got == pytest.approx(torchs_rates(make, TOTAL), rel=1e-9, abs=1e-12)


@hypothesis(deadline=None)
@given(total=st.integers(4, 300))
def test_onecycle_is_torchs(total: int) -> None:
    got = rates(Recipe(schedule="onecycle"), 1, total)
    want = torchs_rates(lambda o: torchs.OneCycleLR(o, max_lr=PEAK, total_steps=total, cycle_momentum=False), total)
    assert got == pytest.approx(want, rel=1e-6, abs=1e-12)


@hypothesis(deadline=None)
@given(
    losses=st.lists(st.sampled_from([1.0, 0.9, 0.89999, 0.5, 0.2, 2.0, math.inf]), min_size=1, max_size=40),
    patience=st.integers(1, 4),
)
def test_plateau_is_torchs(losses: list[float], patience: int) -> None:
    recipe = Recipe(schedule="plateau", patience=patience, gamma=0.5, warmup_epochs=0)
    schedule = make_schedule(recipe, 3, len(losses), PEAK)
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    reference = torchs.ReduceLROnPlateau(optimizer, factor=0.5, patience=patience, eps=0)
    for epoch, loss in enumerate(losses):
        assert schedule.lr_at(3 * epoch) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        schedule.epoch_end(loss)
        reference.step(loss)
    assert schedule.lr_at(3 * len(losses)) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
