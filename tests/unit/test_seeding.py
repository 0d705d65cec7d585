"""The seeds of the streams are a contract: a change of these values changes every result that anybody has."""

from __future__ import annotations

from itertools import product
from typing import Any, get_args

import pytest

from bakeoff.seeding import Stream, stream_seed

PINNED = {
    (0, "split", "digits", None): 5_705_356_658_879_804_958,
    (0, "order", "digits", None): 1_093_130_112_427_925_366,
    (0, "augment", "digits", None): 8_817_152_338_926_133_627,
    (0, "init", "digits", "lenet5"): 188_551_696_805_725_289,
    (1, "init", "digits", "lenet5"): 2_174_337_344_361_854_303,
    (2**31 - 1, "init", "fashion_mnist", "timm-resnet18"): 9_144_826_073_401_395_524,
}


@pytest.mark.parametrize("arguments", PINNED)
def test_a_seed_is_what_it_always_was(arguments: Any) -> None:
    assert stream_seed(*arguments) == PINNED[arguments]


def test_no_two_streams_are_the_same() -> None:
    datasets, models, seeds = ["digits", "digit", "s"], ["lenet5", "lenet", "5"], range(20)
    found = [
        stream_seed(seed, stream, dataset, model)
        for seed, stream, dataset in product(seeds, get_args(Stream), datasets)
        for model in (models if stream == "init" else [None])
    ]
    assert len(set(found)) == len(found) == 20 * 3 * (3 + 3)
    assert all(0 <= seed < 2**63 for seed in found)  # what torch and numpy take


@pytest.mark.parametrize("stream", ["split", "order", "augment"])
def test_what_must_be_equal_for_all_models_cannot_know_the_model(stream: Stream) -> None:
    with pytest.raises(ValueError, match=f"stream '{stream}' must not know a model"):
        stream_seed(0, stream, "digits", "lenet5")


def test_initial_weights_are_a_models_own() -> None:
    with pytest.raises(ValueError, match="stream 'init' needs a model"):
        stream_seed(0, "init", "digits")
