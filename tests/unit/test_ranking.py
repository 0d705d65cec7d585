"""Draws of seeds and images, ranks, and how probable it is that a model is the best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.compare.ranking import Standing, standings
from bakeoff.compare.resampling import draw

RNG = np.random.default_rng


def rank(scores, direction="max", n_resamples=2000, by_image=None, untested=(), overlap=0.0):
    draws = draw(scores, by_image, RNG(0), n_resamples)
    return standings(scores, draws, direction, 0.05, RNG(1), n_resamples, untested, by_image, overlap)


def by_seed(*values):
    return dict(enumerate(values))


def of_images(**tables):
    """Scores by seed, and what each image does to them [S, N]."""
    return {name: by_seed(*rows.mean(axis=1)) for name, rows in tables.items()}, tables


# --- draws ---


def test_few_seeds_are_enumerated():
    draws = draw({"a": by_seed(0.0, 1.0, 5.0)}, None, RNG(0), 270)
    assert draws.times.shape == (3, 270)  # each of the 27 ordered draws ten times
    means, counts = np.unique(draws.means[0].round(9), return_counts=True)
    assert dict(zip((3 * means).round().tolist(), (counts / 10).tolist(), strict=True)) == {
        0: 1, 1: 3, 2: 3, 3: 1, 5: 3, 6: 6, 7: 3, 10: 3, 11: 3, 15: 1,
    }  # fmt: skip
    assert draw({"a": by_seed(0.0, 1.0, 5.0)}, None, RNG(9), 270).means == pytest.approx(draws.means)


def test_the_draws_of_many_seeds_have_the_variance_of_a_mean():
    values = RNG(2).normal(size=12)
    draws = draw({"a": by_seed(*values)}, None, RNG(0), 20_000)
    assert draws.means.mean() == pytest.approx(values.mean(), abs=0.01)
    assert draws.means.std() == pytest.approx(values.std() / np.sqrt(12), rel=0.03)


def test_crossed_draws_have_the_variance_of_owens_bootstrap():
    """Seeds and images drawn, three parts of variance: seeds/S + images/N + 3 interaction/(S N), up to (n-1)/n (Owen
    2007, section 4).
    """
    rng, s, n = RNG(3), 20, 300
    a, b, e = rng.normal(0, 0.1, (s, 1)), rng.normal(0, 1, (1, n)), rng.normal(0, 1.5, (s, n))
    table = a + b + e
    scores, by_image = of_images(a=table)
    found = draw(scores, by_image, RNG(0), 20_000).means.var()
    by_row, by_column = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_row[:, None] - by_column[None, :] + table.mean()
    expected = by_row.var() / s + by_column.var() / n + rest.var() / (s * n)
    assert found == pytest.approx(expected, rel=0.04)


def test_all_models_see_the_same_images():
    """What a has and b lacks is what c has alone, in every draw."""
    a = (RNG(4).random((4, 50)) < 0.8).astype(float)
    a[:, 0] = 1
    alone = np.tile(np.arange(50) == 0, (4, 1)).astype(float)
    scores, by_image = of_images(a=a, b=a - alone, c=alone)
    means = draw(scores, by_image, RNG(0), 1000).means
    assert means[0] - means[1] == pytest.approx(means[2], abs=1e-12)
    assert 50 * means[2].mean() == pytest.approx(1, abs=0.1)
    assert 50 * means[2].std() == pytest.approx(1, abs=0.1)  # nearly Poisson


def test_a_test_set_of_two_images_may_not_be_drawn_at_all():
    scores, by_image = of_images(a=np.array([[1.0, 0.0], [1.0, 1.0]]), b=np.zeros((2, 2)))
    means = draw(scores, by_image, RNG(0), 1000).means
    assert np.isnan(means).any(axis=1).all()
    assert np.isnan(means).mean() < 0.2
    assert rank(scores, by_image=by_image)["a"].p_best > 0.9


def test_models_with_other_seeds_are_drawn_from_all():
    """Where another model connects their seeds; those that nothing connects: test_external.py."""
    draws = draw({"a": {0: 1.0, 1: 2.0}, "b": {2: 3.0}, "c": {}, "d": {0: 1.0, 2: 1.0}}, None, RNG(0), 27)
    assert (draws.names, draws.seeds) == (("a", "b", "d"), (0, 1, 2))
    assert np.isnan(draws.means[1]).sum() == 8  # of 27 draws those without seed 2
    assert set(draws.means[1][np.isfinite(draws.means[1])]) == {3.0}


# --- standings ---


def test_a_clear_order():
    found = rank(
        {
            "best": by_seed(0.95, 0.96, 0.955, 0.95, 0.96, 0.957),
            "close": by_seed(0.949, 0.961, 0.953, 0.952, 0.958, 0.956),
            "last": by_seed(0.70, 0.71, 0.705, 0.72, 0.70, 0.71),
        }
    )
    assert {name: place.rank for name, place in found.items()} == {"best": 1, "close": 2, "last": 3}
    assert found["best"].interval == found["close"].interval == (1, 2)
    assert found["last"].interval == (3, 3)
    assert [found[name].tied_with_best for name in ("best", "close", "last")] == [True, True, False]
    assert found["last"].p_best == 0
    assert 1 > found["best"].p_best > 0.5 > found["close"].p_best > 0
    assert {place.scope for place in found.values()} == {"seeds"}


def test_equal_scores_share_a_rank_and_are_both_the_best():
    same = by_seed(0.9, 0.92, 0.91)
    found = rank({"b": same, "a": dict(same), "c": by_seed(0.8, 0.81, 0.83)})
    assert [found[name].rank for name in "abc"] == [1, 1, 3]
    assert [found[name].p_best for name in "abc"] == [1, 1, 0]


def test_the_probability_to_be_best_by_hand():
    """Of the 4 ordered draws of two seeds, a is better in one, b in one, and they are equal in two."""
    found = rank({"a": by_seed(0.9, 0.5), "b": by_seed(0.5, 0.9)})
    assert (found["a"].p_best, found["b"].p_best) == (0.75, 0.75)


def test_new_images_widen_what_few_images_decide():
    """At every seed a wins the same 12 images and loses the same 8: sure of these images, not of others."""
    image = np.arange(400)
    a = np.tile((image < 12) | (image >= 20), (5, 1)).astype(float)
    b = np.tile((image >= 12), (5, 1)).astype(float)
    a[np.arange(5), 100 + np.arange(5)] = b[np.arange(5), 200 + np.arange(5)] = 0
    scores, by_image = of_images(a=a, b=b)
    assert (rank(scores)["a"].p_best, rank(scores)["b"].interval) == (1, (2, 2))
    noisy = {"a": by_seed(*(scores["a"][s] + 0.0001 * s for s in range(5))), "b": scores["b"]}
    assert rank(noisy)["b"].tied_with_best is False
    assert rank(noisy, by_image=by_image)["b"].tied_with_best is True  # no verdict would tell them apart
    found = rank(scores, by_image=by_image)
    assert 0.7 < found["a"].p_best < 0.93  # P(Binomial-like difference of 4 with sd √20 > 0) = 0.81
    assert found["a"].interval == found["b"].interval == (1, 2)
    assert found["a"].scope == "seeds+images"


def test_one_seed_has_a_place_among_images_alone():
    image = np.arange(200)[None, :]
    scores, by_image = of_images(a=(image >= 20) * 1.0, b=(image < 178) * 1.0)
    found = rank(scores, by_image=by_image)
    assert {place.scope for place in found.values()} == {"images"}
    assert found["a"].interval == (1, 2)
    assert {(place.scope, place.interval, place.p_best) for place in rank(scores).values()} == {(None, None, None)}


def test_splits_that_share_images_tie_what_independent_ones_would_not():
    scores = {"a": by_seed(0.90, 0.92, 0.91, 0.93, 0.92), "b": by_seed(0.89, 0.90, 0.905, 0.91, 0.91)}
    assert rank(scores)["b"].tied_with_best is False
    assert rank(scores, overlap=1.0)["b"].tied_with_best is True


def test_images_of_unshared_seeds_are_those_of_their_own():
    rng = RNG(5)
    tables = {"a": (rng.random((3, 200)) < 0.9) * 1.0, "b": (rng.random((3, 200)) < 0.5) * 1.0}
    means = {name: rows.mean(axis=1) for name, rows in tables.items()}
    scores = {"a": dict(zip((0, 1, 2), means["a"], strict=True)), "b": dict(zip((10, 11, 12), means["b"], strict=True))}
    assert rank(scores, by_image=tables)["b"].tied_with_best is False


def test_too_few_seeds_to_rank_with_confidence():
    found = rank({"one": by_seed(0.9), "two": {}, "three": by_seed(0.91, 0.92, 0.93)})
    assert found["two"] == Standing()
    assert (found["one"].rank, found["one"].interval, found["one"].tied_with_best) == (2, None, None)
    assert found["three"].interval is not None


def test_what_repeats_one_run_has_a_rank_alone():
    found = rank({"twins": by_seed(0.9, 0.9, 0.9), "b": by_seed(0.7, 0.8, 0.75)}, untested={"twins"})
    assert found["twins"] == Standing(rank=1, tied_with_best=True)
    assert found["b"].interval == (2, 2)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.lists(st.integers(0, 200), min_size=4, max_size=4), min_size=2, max_size=4))
def test_direction_unit_and_order_change_no_rank(values):
    def places(change, direction, names):
        scores = {name: by_seed(*(change(v) for v in values[i])) for i, name in names}
        return rank(scores, direction=direction, n_resamples=100)

    names = [(i, f"model{i}") for i in range(len(values))]
    found = places(lambda v: v / 200, "max", names)
    assert places(lambda v: v / 2, "max", names) == found
    assert places(lambda v: 1 - v / 200, "min", names) == found
    assert places(lambda v: v / 200, "max", names[::-1]) == found
    renamed = places(lambda v: v / 200, "max", [(i, f"z{9 - i}") for i, _ in names])
    assert [renamed[f"z{9 - i}"] for i, _ in names] == [found[name] for _, name in names]
