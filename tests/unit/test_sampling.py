"""Which images an epoch holds, and how much each class weighs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from bakeoff.train.sampling import class_weights, order

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(torch.tensor)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None)
@given(labels=LABELS, seed=st.integers(0, 2**31 - 1))
def test_shuffled_is_every_image_once(labels: Tensor, seed: int) -> None:
    places = order(labels, "shuffled", seeded(seed))
    assert sorted(places.tolist()) == list(range(len(labels)))


@settings(deadline=None)
@given(labels=LABELS, seed=st.integers(0, 2**31 - 1))
def test_balanced_is_every_class_as_often(labels: Tensor, seed: int) -> None:
    """As many draws as images; within a class no image comes twice more than another."""
    places = order(labels, "balanced", seeded(seed))
    assert places.dtype == torch.int64
    assert len(places) == len(labels)
    classes = labels.unique()
    drawn = [int((labels[places] == label).sum()) for label in classes]
    assert max(drawn) - min(drawn) <= 1
    for label, n in zip(classes, drawn, strict=True):
        of_class = torch.nonzero(labels == label).flatten()
        times = [int((places == place).sum()) for place in of_class]
        assert sum(times) == n
        assert max(times) - min(times) <= 1


@pytest.mark.parametrize("sampling", ["shuffled", "balanced"])
def test_the_order_is_the_generators(sampling: str) -> None:
    labels = torch.arange(200) % 7 % 3
    one, again, other = (order(labels, sampling, seeded(seed)) for seed in (1, 1, 2))  # type: ignore[arg-type]
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_balanced_batches_are_mixed() -> None:
    """The classes do not come in turns, nor one after the other."""
    labels = (torch.arange(1000) < 950).long()
    drawn = labels[order(labels, "balanced", seeded(0))]
    halves = drawn.view(2, 500).float().mean(1)
    assert halves.tolist() == pytest.approx([0.5, 0.5], abs=0.1)
    assert 300 < int((drawn[1:] != drawn[:-1]).sum()) < 700


@settings(deadline=None)
@given(labels=LABELS)
def test_class_weights_are_scikit_learns(labels: Tensor) -> None:
    present = labels.unique().numpy()
    want = np.zeros(6)
    want[present] = compute_class_weight("balanced", classes=present, y=labels.numpy())
    got = class_weights(labels, 6)
    assert (got.shape, got.dtype) == ((6,), torch.float32)
    assert got.numpy() == pytest.approx(want, rel=1e-6)
    assert float(got[labels].mean()) == pytest.approx(1, rel=1e-5)
