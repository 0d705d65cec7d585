"""How many seeds and images, and what twice as many would gain."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bakeoff.compare.crossed import crossed_test, nested_test
from bakeoff.compare.planning import Components, images_needed, power, seeds_alone_help, seeds_needed

SEEDS_ONLY, IMAGES_ONLY = Components(1e-4, 0.0, 0.0), Components(0.0, 0.04, 0.0)


def test_the_components_give_back_the_interval_they_came_from():
    rng = np.random.default_rng(0)
    d = rng.normal(0, 0.05, (6, 1)) + rng.normal(0, 0.5, (1, 400)) + rng.normal(0, 0.4, (6, 400))
    found = crossed_test(d)
    half = (found.ci[1] - found.ci[0]) / 2
    assert found.components.half_width(6, 400) == pytest.approx(half)


def test_new_images_are_never_planned_to_be_surer_than_new_seeds():
    """Three seeds that matter most: Hillis' degrees of freedom are many, and the test over seeds has two."""
    plan = Components(seed=1e-4, image=0.02, inter=0.01)
    over_seeds = math.sqrt((1e-4 + 0.01 / 200) / 3)
    assert plan.precision(3, 200)[1] > 4
    assert plan.half_width(3, 200) == pytest.approx(stats.t.isf(0.025, 2) * over_seeds)
    assert plan.power(0.05, 3, 200, 0.05) == pytest.approx(power(0.05, over_seeds, 2, 0.05))


def test_only_what_is_random_is_worth_more_of():
    assert IMAGES_ONLY.gain(5, 1000, 5, 2000) == pytest.approx(1 - 1 / math.sqrt(2))
    assert IMAGES_ONLY.gain(5, 1000, 10, 1000) == 0
    assert SEEDS_ONLY.gain(5, 1000, 5, 2000) == 0
    # Five seeds have 4 degrees of freedom, ten have 9: t falls from 2.776 to 2.262 besides.
    assert SEEDS_ONLY.gain(5, 1000, 10, 1000) == pytest.approx(1 - 2.262157 / 2.776445 / math.sqrt(2), abs=1e-6)
    assert Components(0.0, 0.0, 0.0).gain(5, 1000, 10, 1000) == 0


def test_no_number_of_the_wrong_thing_helps():
    assert images_needed(SEEDS_ONLY, 0.005, 5, 0.05) is None
    assert not seeds_alone_help(IMAGES_ONLY, 0.005, 1000, 0.05)
    # (1.959964 + 0.841621)² · 0.04 / 0.005²
    assert images_needed(IMAGES_ONLY, 0.005, 5, 0.05) == pytest.approx(12558, abs=2)
    assert seeds_alone_help(IMAGES_ONLY, 0.005, 12600, 0.05)


def test_the_number_asked_for_is_the_first_that_has_the_power():
    mixed = Components(2e-6, 0.03, 0.05)
    n = images_needed(mixed, 0.005, 8, 0.05)
    assert mixed.power(0.005, 8, n, 0.05) >= 0.8 > mixed.power(0.005, 8, n - 1, 0.05)
    seeds = seeds_needed(0.005, 0.01, 0.05)
    assert power(0.005, 0.01 / math.sqrt(seeds), seeds - 1, 0.05) >= 0.8
    assert power(0.005, 0.01 / math.sqrt(seeds - 1), seeds - 2, 0.05) < 0.8


def test_fewer_seeds_than_earn_a_p_are_no_advice():
    assert seeds_needed(1.0, 1e-6, 0.05) == 3


def test_splits_that_overlap_set_a_bound():
    """Ten per cent of test images: the variance never falls below 1/9 of a single split's."""
    assert seeds_needed(0.02, 0.01, 0.05, overlap=1 / 9) > seeds_needed(0.02, 0.01, 0.05)
    assert seeds_needed(0.005, 0.01, 0.05, overlap=1 / 9) is None


def test_nothing_to_look_for_or_no_spread():
    assert seeds_needed(0.0, 0.01, 0.05) is None
    assert seeds_needed(0.01, 0.0, 0.05) is None
    assert images_needed(IMAGES_ONLY, 0.0, 5, 0.05) is None


# --- seeds that are not shared ------------------------------------------------------------------------------------


def test_unshared_seeds_have_no_less_noise_than_shared_ones_that_do_not_vary_together():
    rng = np.random.default_rng(1)
    sides = [rng.normal(0, 0.05, (8, 1)) + rng.normal(0, 0.5, (1, 300)) + rng.normal(0, 0.4, (8, 300)) for _ in "ab"]
    paired_seeds, nested = crossed_test(sides[0] - sides[1]), nested_test(*sides)
    assert nested.diff == pytest.approx(paired_seeds.diff)
    assert nested.se == pytest.approx(paired_seeds.se, rel=0.1)
    assert nested.df > paired_seeds.df
    assert (nested.components, nested.gain_double_seeds, nested.images_needed(0.01, 0.05)) == (None, None, None)


def test_sides_of_different_numbers_of_seeds_and_steady_ones():
    rng = np.random.default_rng(2)
    few, many = rng.random((2, 50)), rng.random((9, 50))
    assert nested_test(few, many).diff == pytest.approx(few.mean() - many.mean())
    assert nested_test(few[:1], many) is None
    by_image = np.repeat([1.0, 0.0], [30, 20])
    steady = nested_test(np.tile(by_image, (3, 1)), np.tile(np.roll(by_image, 5), (4, 1)))
    assert not steady.seeds_vary
    assert steady.df == math.inf


def test_a_large_effect_needs_few_seeds_though_scipy_has_no_number_for_some_of_more():
    """scipy's nctdtr is NaN at 28 pairs of this effect, and the search went past three."""
    chances = [power(0.005, 0.00063 / math.sqrt(n), n - 1, 0.025) for n in range(3, 60)]
    assert min(chances) > 0.99
    assert seeds_needed(0.005, 0.00063, 0.025) == 3
