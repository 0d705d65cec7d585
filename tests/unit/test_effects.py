"""Effect sizes, other tests, and the images alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bakeoff.compare.effects import Effects, at_ceiling, effects
from bakeoff.compare.images import mcnemar_test, seed_averaged_test
from bakeoff.compare.paired import compare
from bakeoff.compare.sensitivity import bca_interval, sensitivity

RNG = np.random.default_rng
A = np.array([0.95, 0.93, 0.96, 0.90, 0.94])
B = np.array([0.90, 0.93, 0.91, 0.92, 0.90])


def test_seeds_are_won_tied_and_lost():
    found = effects(A, B, "max", "fraction", shared=True)
    assert (found.wins, found.ties, found.losses) == (3, 1, 1)
    assert found.p_outperform == 0.7
    lo, hi = found.outperform_ci
    assert 0 < lo < 0.5 < 0.7 < hi < 1
    turned = effects(A, B, "min", "nats", shared=True)
    assert (turned.wins, turned.ties, turned.losses, turned.p_outperform) == (1, 1, 3, pytest.approx(0.3))


def test_rounding_makes_no_winner():
    found = effects(np.array([0.1 + 0.2, 0.7]), np.array([0.3, 0.7]), "max", "fraction", shared=True)
    assert (found.wins, found.ties, found.losses, found.p_outperform) == (0, 2, 0, 0.5)


def test_all_of_five_seeds_won_are_not_certainty():
    """The bootstrap of Bouthillier et al. would say [1, 1]; the exact interval is Clopper & Pearson's, 0.025^(1/5)."""
    found = effects(A, B - 0.1, "max", "fraction", shared=True)
    assert found.p_outperform == 1
    assert found.outperform_ci == (pytest.approx(0.025 ** (1 / 5)), 1.0)


def test_the_error_taken_away():
    """From 8.8 % to 6.4 % errors."""
    assert effects(A, B, "max", "fraction", shared=True).rel_err_reduction == pytest.approx((8.8 - 6.4) / 8.8)
    assert effects(100 * A, 100 * B, "max", "per cent", shared=True).rel_err_reduction == pytest.approx(2.4 / 8.8)
    assert effects(1 - A, 1 - B, "min", "fraction", shared=True).rel_err_reduction == pytest.approx(2.4 / 8.8)
    assert effects(A, B, "max", "coefficient", shared=True).rel_err_reduction is None
    assert effects(A, np.ones(5), "max", "fraction", shared=True).rel_err_reduction is None


def test_d_av_takes_hedges_correction():
    """Lakens (2013), formulas 4 and 10, of his films: 8.7 (0.82) and 7.7 (0.95) at ten viewers."""
    first, second = np.array([9, 7, 8, 9, 8, 9, 9, 10, 9, 9.0]), np.array([9, 6, 7, 8, 7, 9, 8, 8, 8, 7.0])
    raw = (8.7 - 7.7) / ((first.std(ddof=1) + second.std(ddof=1)) / 2)
    assert raw == pytest.approx(1.13, abs=0.005)
    assert effects(first, second, "max", "points", shared=True).d_av == pytest.approx(raw * (1 - 3 / 71))
    assert effects(np.ones(3), np.zeros(3), "max", "points", shared=True).d_av is None


def test_seeds_that_vary_together():
    assert effects(B + 0.01, B, "max", "fraction", shared=True).seed_correlation == pytest.approx(1)
    assert effects(A, B, "max", "fraction", shared=True).seed_correlation == pytest.approx(np.corrcoef(A, B)[0, 1])
    assert effects(A, np.full(5, 0.9), "max", "fraction", shared=True).seed_correlation is None
    assert effects(A[:2], B[:2], "max", "fraction", shared=True).seed_correlation is None


def test_unshared_seeds_are_not_counted_in_pairs():
    found = effects(A, B[:3], "max", "fraction", shared=False)
    assert (found.wins, found.p_outperform, found.seed_correlation) == (None, None, None)
    assert found.d_av is not None
    assert effects(A, np.array([]), "max", "fraction", shared=False) == Effects()


def test_the_best_there_is():
    assert at_ceiling(np.ones(3), "max", "fraction")
    assert at_ceiling(np.full(3, 100.0), "max", "per cent")
    assert at_ceiling(np.zeros(3), "min", "nats")
    assert not at_ceiling(np.array([1.0, 0.999]), "max", "fraction")
    assert not at_ceiling(np.ones(3), "max", "coefficient")


# --- other tests --------------------------------------------------------------------------------------------------


def test_sensitivity_of_pairs():
    found = sensitivity(A, B, True, RNG(0), 2000)
    assert found.bca[0] < (A - B).mean() < found.bca[1]
    assert found.p_welch == pytest.approx(stats.ttest_ind(A, B, equal_var=False).pvalue)
    assert 0 < found.p_wilcoxon < 1


def test_constants_have_no_accelerated_bootstrap():
    found = sensitivity(B + 0.01, B, True, RNG(0), 500)
    assert found.bca is None
    assert found.p_wilcoxon == 2 / 2**5
    same = sensitivity(B, B, True, RNG(0), 500)
    assert (same.bca, same.p_wilcoxon, same.p_welch) == (None, 1.0, pytest.approx(1.0))
    assert bca_interval(np.array([0.9]), RNG(0), 500) is None


def test_unpaired_seeds_have_no_signed_ranks():
    found = sensitivity(A, B[:3], False, RNG(0), 2000)
    assert found.p_wilcoxon is None
    assert found.bca[0] < A.mean() - B[:3].mean() < found.bca[1]


def test_splits_drawn_anew_have_a_wider_interval_and_a_larger_p():
    scores = dict(enumerate(A)), dict(enumerate(B - 0.02))
    fixed, resampled = (compare(*scores, RNG(0), 100, overlap) for overlap in (0.0, 0.25))
    assert (fixed.p_nb, fixed.p_method) == (None, "paired_t")
    assert resampled.p_method == "nadeau_bengio"
    assert resampled.p_used == resampled.p_nb > resampled.p_raw == fixed.p_raw
    assert resampled.se == pytest.approx(fixed.se * math.sqrt((1 / 5 + 0.25) * 5))
    assert resampled.p_tost(0.1) > fixed.p_tost(0.1)
    assert (resampled.ci[1] - resampled.ci[0]) / (fixed.ci[1] - fixed.ci[0]) == pytest.approx(1.5)


# --- images alone -------------------------------------------------------------------------------------------------


def test_models_that_agree_on_every_image():
    right = np.repeat([1.0, 0.0], [70, 30])
    found = mcnemar_test(right, right)
    assert (found.diff, found.p) == (0, 1)
    assert found.ci[0] < 0 < found.ci[1]
    averaged = seed_averaged_test(right - right)
    assert (averaged.diff, averaged.p, averaged.ci) == (0, 1, (0, 0))


def test_images_that_all_differ_alike_leave_nothing_to_test():
    assert seed_averaged_test(np.full(50, 0.5)) is None
    assert seed_averaged_test(np.array([0.5])) is None


def test_seed_averaged_test_is_a_z_test():
    by_image = RNG(3).normal(0.05, 0.4, 500)
    found = seed_averaged_test(by_image)
    z = by_image.mean() / (by_image.std(ddof=1) / math.sqrt(500))
    assert found.p == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))
    assert (found.p < 0.05) == (not found.ci[0] <= 0 <= found.ci[1])
