"""Two models over seeds: small n, degenerate input, and what must not change the answer."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.compare import paired
from bakeoff.compare.crossed import crossed_test

RNG = np.random.default_rng

# Accuracies of one model at three to eight seeds, on 200 test images.
SCORES = st.lists(st.integers(100, 200), min_size=3, max_size=8)


def compare(candidate, baseline):
    return paired.compare(dict(enumerate(candidate)), dict(enumerate(baseline)), RNG(0), 500)


@st.composite
def two_models(draw):
    a = np.array(draw(SCORES))
    b = np.array(draw(st.lists(st.integers(100, 200), min_size=a.size, max_size=a.size)))
    return a / 200, b / 200


def test_no_seed_says_nothing():
    found = paired.compare({}, {0: 0.9}, RNG(0), 100)
    assert (found.status, found.diff, found.p_used, found.p_tost(0.01)) == ("no_pairs", None, None, None)


def test_one_seed_gives_the_difference_only():
    found = compare([0.91], [0.90])
    assert found.status == "one_seed"
    assert found.diff == pytest.approx(0.01)
    assert (found.ci, found.p_raw, found.p_exact, found.p_used, found.p_tost(0.005)) == (None,) * 5


def test_two_seeds_give_an_interval_but_no_p_that_counts():
    found = compare([0.91, 0.93], [0.90, 0.90])
    assert found.status == "two_seeds"
    assert found.ci[0] < 0 < found.ci[1]
    assert found.p_raw == pytest.approx(2 * (0.5 - math.atan(found.t) / math.pi))  # t of one degree is Cauchy's
    assert found.p_exact == 0.5
    assert (found.p_used, found.p_method) == (None, None)


@pytest.mark.parametrize(("n", "floor"), [(3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.03125), (8, 0.0078125)])
def test_the_floor_of_the_exact_test(n, floor):
    found = compare(np.linspace(0.90, 0.92, n), np.full(n, 0.8))
    assert (found.status, found.p_method) == ("ok", "paired_t")
    assert found.p_exact == found.p_floor == floor
    assert found.p_used < 0.01


def test_a_constant_difference_at_two_seeds_cannot_be_tested():
    found = compare([0.909, 0.919], [0.90, 0.91])
    assert (found.status, found.p_exact, found.p_used) == ("zero_variance", 0.5, None)


def test_equal_scores_are_identical_whatever_their_rounding():
    scores = np.array([0.1 + 0.2, 0.7, 0.8])
    found = compare(scores, [0.3, 0.7, 0.8])
    assert (found.status, found.p_used, found.p_method, found.diff, found.ci) == (
        "identical", 1.0, "identical", 0.0, (0.0, 0.0),
    )  # fmt: skip
    assert found.t is None


@pytest.mark.parametrize(
    "change",
    [lambda x: x, lambda x: 100 * x, lambda x: 1 - x, lambda x: x.astype(np.float32).astype(float)],
    ids=["fraction", "per cent", "error", "float32"],
)
@pytest.mark.parametrize("step", [0.009, -0.02, 0.0])
def test_a_constant_difference_is_one_in_every_unit(change, step):
    baseline = RNG(1).integers(150, 190, 10) / 200
    found = compare(change(baseline + step), change(baseline))
    assert found.status == ("zero_variance" if step else "identical")
    assert found.p_used == (2 / 2**10 if step else 1.0)
    assert (found.t, found.d_z) == (None, None)


def test_one_image_in_a_hundred_thousand_is_a_difference_that_varies():
    baseline = np.full(4, 0.95)
    assert compare(baseline + np.array([0.01, 0.01, 0.01, 0.01001]), baseline).status == "ok"


def test_equivalence_of_a_constant_difference_needs_seeds_enough():
    assert compare(np.full(4, 0.901), np.full(4, 0.9)).p_tost(0.005) == 1 / 16
    assert compare(np.full(5, 0.901), np.full(5, 0.9)).p_tost(0.005) == 1 / 32
    assert compare(np.full(5, 0.91), np.full(5, 0.9)).p_tost(0.005) == 1


def test_seeds_pair_by_key_not_by_order():
    candidate, baseline = {3: 0.93, 1: 0.91, 2: 0.925}, {1: 0.90, 2: 0.91, 3: 0.92, 9: 0.1}
    found = paired.compare(candidate, baseline, RNG(0), 100)
    assert found.seeds == (1, 2, 3)
    assert found.diff == pytest.approx((0.01 + 0.015 + 0.01) / 3)


def test_unshared_seeds_are_unpaired_and_three_a_side_are_needed():
    three, other_three = {1: 0.91, 2: 0.92, 3: 0.93}, {4: 0.80, 5: 0.81, 6: 0.83}
    found = paired.compare(three, other_three, RNG(0), 100)
    assert (found.status, found.p_method, found.seeds) == ("unpaired", "welch", ())
    assert (found.p_exact, found.d_z, found.p_floor) == (None, None, 0.1)
    two = paired.compare({1: 0.91, 2: 0.92}, other_three, RNG(0), 100)
    assert (two.status, two.p_used) == ("unpaired", None)
    assert two.p_raw is not None


def test_unpaired_models_that_do_not_vary():
    """scipy says t = inf, p = 0 when neither side varies; when one does, Welch's test is a test."""
    neither = paired.compare({1: 0.9, 2: 0.9, 3: 0.9}, {4: 0.8, 5: 0.8, 6: 0.8}, RNG(0), 100)
    assert (neither.status, neither.p_used) == ("no_pairs", None)
    assert neither.diff == pytest.approx(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = paired.compare({1: 0.9, 2: 0.9, 3: 0.9}, {4: 0.8, 5: 0.81, 6: 0.82}, RNG(0), 100)
    assert one.df == pytest.approx(2)
    assert 0 < one.p_used < 0.05


def test_drawn_sign_flips_never_give_zero():
    assert paired.sign_flip_p(np.full(30, 0.01), RNG(0), 999) == 1 / 1000


def test_summaries_of_few():
    assert paired.summary(np.array([])) == paired.Summary(0, None, None)
    assert paired.summary(np.array([0.9])) == paired.Summary(1, 0.9, None)
    assert paired.t_interval(np.array([0.9])) is None
    assert paired.bootstrap_interval(np.array([0.9]), RNG(0), 100) is None
    assert paired.bootstrap_interval(np.array([0.9, 0.92]), RNG(0), 1000) == pytest.approx((0.9, 0.92))


def test_bootstrap_of_unpaired_models_resamples_both():
    a, b = RNG(0).normal(1, 0.1, 40), RNG(1).normal(0, 0.2, 40)
    lo, hi = paired.bootstrap_interval(a, RNG(2), 4000, minus=b)
    half = 1.96 * math.sqrt(0.1**2 / 40 + 0.2**2 / 40)
    assert (hi - lo) / 2 == pytest.approx(half, rel=0.25)
    assert lo < 1 < hi


@settings(max_examples=60, deadline=None)
@given(two_models(), st.randoms(use_true_random=False))
def test_nothing_but_the_pairs_matters(models, random):
    """Order of the seeds, unit, direction and who is called the candidate: the p and the status stay."""
    a, b = models
    found = compare(a, b)
    order = list(range(a.size))
    random.shuffle(order)
    others = {
        "order": compare(a[order], b[order]),
        "per cent": compare(100 * a, 100 * b),
        "direction": compare(1 - a, 1 - b),
        "roles": compare(b, a),
    }
    for name, other in others.items():
        assert (other.status, other.p_method) == (found.status, found.p_method), name
        assert other.p_used == pytest.approx(found.p_used, rel=1e-6), name
        assert other.p_exact == pytest.approx(found.p_exact), name
        scale = {"order": 1, "per cent": 100}.get(name, -1)
        assert other.diff == pytest.approx(scale * found.diff, abs=1e-9), name
        assert other.p_tost(0.01 * abs(scale)) == pytest.approx(found.p_tost(0.01), rel=1e-6), name
        assert sorted(other.ci) == pytest.approx(sorted(scale * end for end in found.ci), abs=1e-9), name


@settings(max_examples=60, deadline=None)
@given(two_models())
def test_the_interval_never_contradicts_the_p(models):
    found = compare(*models)
    if found.status == "ok" and abs(found.p_raw - 0.05) > 1e-6:
        assert (found.p_raw < 0.05) == (not found.ci[0] <= 0 <= found.ci[1])


# --- seeds and images ---------------------------------------------------------------------------------------------


def test_crossed_test_needs_two_seeds_and_two_images():
    assert crossed_test(np.ones((1, 10))) is None
    assert crossed_test(np.ones((10, 1))) is None


def test_crossed_test_of_models_that_agree_on_every_image():
    found = crossed_test(np.zeros((3, 400)))
    assert (found.diff, found.p, found.ci) == (0.0, 1.0, (0.0, 0.0))
    assert found.p_tost(0.01) == pytest.approx(0.99**400)


def test_crossed_test_of_models_that_always_differ_is_none():
    assert crossed_test(np.ones((3, 50))) is None


def test_seeds_that_do_not_vary_leave_the_images():
    """The same predictions at each seed: a z-test over the images, not three times as many of them."""
    by_image = np.repeat([1.0, 0.0, -1.0], [30, 160, 10])
    found = crossed_test(np.tile(by_image, (3, 1)))
    assert not found.seeds_vary
    assert found.se == pytest.approx(by_image.std(ddof=1) / math.sqrt(by_image.size))
    z = found.diff / found.se
    assert found.p == pytest.approx(math.erfc(z / math.sqrt(2)))
    assert found.ci == pytest.approx((found.diff - 1.959964 * found.se, found.diff + 1.959964 * found.se), abs=1e-7)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(2, 40))
def test_what_holds_for_new_images_holds_on_these(seed, seeds, images):
    d = RNG(seed).integers(-1, 2, size=(seeds, images)).astype(float)
    found = crossed_test(d)
    over_seeds = compare(d.mean(axis=1), np.zeros(seeds))
    if found is None or over_seeds.ci is None or over_seeds.p_raw is None:
        return
    assert found.p >= over_seeds.p_raw - 1e-9
    assert found.ci[0] <= over_seeds.ci[0] + 1e-9
    assert found.ci[1] >= over_seeds.ci[1] - 1e-9
