"""The other tests, effect sizes and intervals of a row against numbers that others published."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bakeoff.compare import paired
from bakeoff.compare.crossed import crossed_test, nested_test
from bakeoff.compare.images import mcnemar_test
from bakeoff.compare.jackknife import area_pseudovalues, of_answers
from bakeoff.compare.planning import seeds_needed
from bakeoff.compare.sensitivity import bca_interval, sensitivity

RNG = np.random.default_rng


def scores(values):
    return dict(enumerate(values))


# --- signed ranks -------------------------------------------------------------------------------------------------


def test_signed_ranks_of_the_depression_data():
    """Hollander & Wolfe (1973), table 3.1; in R: wilcox.test(x, y, paired = TRUE) gives V = 40, p-value = 0.03906."""
    first = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    second = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    assert sensitivity(first, second, True, RNG(0), 100).p_wilcoxon == pytest.approx(0.03906, abs=5e-6)


def test_signed_ranks_with_ties_and_zeros_are_those_of_all_sign_flips():
    d = np.array([0.0, 0.01, -0.01, 0.02, 0.02, 0.03, 0.0, 0.04])
    ranks = stats.rankdata(np.abs(d))
    signs = 1 - 2 * ((np.arange(2**8)[:, None] >> np.arange(8)) & 1)
    sums = signs @ (ranks * (d != 0))
    exact = np.mean(np.abs(sums) >= abs(float((np.sign(d) * ranks).sum())) - 1e-9)
    assert sensitivity(0.9 + d, np.full(8, 0.9), True, RNG(0), 100).p_wilcoxon == pytest.approx(exact)


# --- images alone -------------------------------------------------------------------------------------------------


def answers(both, won, lost, neither):
    return (
        np.repeat([1.0, 1.0, 0.0, 0.0], [both, won, lost, neither]),
        np.repeat([1.0, 0.0, 1.0, 0.0], [both, won, lost, neither]),
    )


@pytest.mark.parametrize(
    ("won", "lost", "p", "digit"),
    [
        (2, 9, 0.06543, 5e-6),  # R package exact2x2, example of mcnemar.exact
        (70, 59, 0.378688, 5e-7),  # VassarStats, in the tests of statsmodels
        (121, 59, 0.000004, 5e-7),  # the same
    ],
)
def test_exact_mcnemar(won, lost, p, digit):
    assert mcnemar_test(*answers(50, won, lost, 50)).p == pytest.approx(p, abs=digit)


def test_mcnemar_of_the_approval_ratings():
    """Agresti (2002), table 10.1: 794, 150, 86, 570; the difference is -0.04, its interval (-0.06, -0.02)."""
    found = mcnemar_test(*answers(794, 86, 150, 570))
    assert found.diff == pytest.approx(-0.04)
    assert found.ci == pytest.approx((-0.06, -0.02), abs=0.005)
    assert found.p == pytest.approx(2 * stats.binom.cdf(86, 236, 0.5), rel=1e-9)
    # z = (86 - 150) / sqrt(236) = -4.17
    assert found.p == pytest.approx(math.erfc(4.17 / math.sqrt(2)), rel=0.3)


# --- bootstrap ----------------------------------------------------------------------------------------------------

AIRCONDIT = np.array([3, 5, 7, 18, 43, 85, 91, 98, 100, 130, 230, 487], dtype=float)
"""Davison & Hinkley (1997), example 1.1: hours between failures of an air-conditioner; in R: boot::aircondit."""


def test_bca_of_the_air_conditioning_data():
    """Their equation 5.21, with the acceleration 0.0938 that they give for these data, beside scipy's."""
    centred = AIRCONDIT - AIRCONDIT.mean()
    a = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    assert a == pytest.approx(0.0938, abs=5e-5)
    means = AIRCONDIT[RNG(1).integers(12, size=(200_000, 12))].mean(axis=1)
    z0 = stats.norm.ppf((means < AIRCONDIT.mean()).mean())
    shifted = z0 + stats.norm.ppf([0.025, 0.975])
    expected = np.quantile(means, stats.norm.cdf(z0 + shifted / (1 - a * shifted)))
    assert bca_interval(AIRCONDIT, RNG(0), 100_000) == pytest.approx(tuple(expected), abs=2)
    percentile = paired.bootstrap_interval(AIRCONDIT, RNG(0), 100_000)
    assert bca_interval(AIRCONDIT, RNG(0), 100_000)[1] > percentile[1] + 25  # it follows the long tail


# --- splits drawn anew --------------------------------------------------------------------------------------------


def test_corrected_resampled_t_of_scikit_learns_example():
    """scikit-learn, "Statistical comparison of models using grid search": 100 splits of 90 and 10 images, uncorrected
    t = 2.611 and corrected t = 0.750, one-sided p = 0.005 and 0.227.
    """
    noise = RNG(0).normal(size=100)
    d = (noise - noise.mean()) / noise.std(ddof=1) + 2.611 / 10
    found = paired.compare(scores(d), scores(np.zeros(100)), RNG(0), 100, overlap=10 / 90)
    assert found.t == pytest.approx(2.611)
    assert found.diff / found.se == pytest.approx(0.750, abs=5e-4)
    assert found.p_raw / 2 == pytest.approx(0.005, abs=5e-4)
    assert found.p_nb / 2 == pytest.approx(0.227, abs=5e-4)
    assert found.p_used == found.p_nb


# --- equivalence and power ----------------------------------------------------------------------------------------


def test_equivalence_of_the_sleep_data():
    """R package TOSTER, introduction: sleep, paired, bounds of 0.5: t(9) = -2.777 and -5.348, p = 0.989."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired.compare(scores(first), scores(second), RNG(0), 100)
    assert (found.diff + 0.5) / found.se == pytest.approx(-2.777, abs=5e-4)
    assert (found.diff - 0.5) / found.se == pytest.approx(-5.348, abs=5e-4)
    assert found.p_tost(0.5) == pytest.approx(0.989, abs=5e-4)


@pytest.mark.parametrize(("d_z", "n"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5)])
def test_seeds_needed_agree_with_gpower(d_z, n):
    """G*Power 3.1, two dependent means, two-sided, alpha 0.05, power 0.8."""
    assert seeds_needed(d_z, 1.0, 0.05) == n


@pytest.mark.parametrize(("looks", "rate"), [((3, 5, 10, 20), 0.15), (tuple(range(3, 21)), 0.23)])
def test_looking_until_it_is_significant_finds_what_is_not_there(looks, rate):
    """The figures that a row with more seeds than planned warns with."""
    d = RNG(0).normal(size=(20_000, 20))
    found = np.zeros(len(d), dtype=bool)
    for n in looks:
        t = d[:, :n].mean(axis=1) / d[:, :n].std(axis=1, ddof=1) * math.sqrt(n)
        found |= np.abs(t) > stats.t.isf(0.025, n - 1)
    assert found.mean() == pytest.approx(rate, abs=0.01)


# --- seeds and images both random ---------------------------------------------------------------------------------


def test_area_pseudovalues_are_those_of_leaving_out_and_delongs():
    rng = RNG(3)
    values, positive = rng.normal(size=60).round(1), rng.random(60) < 0.4
    found = area_pseudovalues(values, positive)

    def area(keep):
        above = values[keep & positive][:, None] - values[keep & ~positive]
        return np.mean((above > 0) + 0.5 * (above == 0))

    whole = np.ones(60, dtype=bool)
    left_out = [60 * area(whole) - 59 * area(whole & (np.arange(60) != k)) for k in range(60)]
    assert found == pytest.approx(left_out)
    assert found.mean() == pytest.approx(area(whole))
    # DeLong's variance is that of the placements of each class, over its images.
    above = values[positive][:, None] - values[~positive]
    wins = (above > 0) + 0.5 * (above == 0)
    delong = wins.mean(axis=1).var(ddof=1) / len(wins) + wins.mean(axis=0).var(ddof=1) / len(wins[0])
    assert found.var(ddof=1) / 60 == pytest.approx(delong, rel=0.05)


def test_unshared_seeds_keep_their_level():
    """Two models of equal true accuracy that find different images hard, five seeds of its own each, 400 worlds."""
    rng = RNG(11)
    found, by_seeds, worlds = 0, 0, 400
    for _ in range(worlds):
        hard = rng.normal(0, 0.9, (2, 1, 400))
        right = (hard + rng.normal(0, 0.45, (2, 5, 400)) < 1).astype(float)
        by_seeds += stats.ttest_ind(right[0].mean(axis=1), right[1].mean(axis=1), equal_var=False).pvalue < 0.05
        found += nested_test(right[0], right[1]).p < 0.05
    assert by_seeds / worlds > 0.15
    assert 0.02 < found / worlds < 0.08


def test_balanced_accuracy_keeps_its_level_for_new_images():
    """Three classes of 60, 30 and 10 %, two models alike, four seeds, 200 worlds: through the jackknife."""
    rng = RNG(12)
    found, worlds = 0, 200
    for _ in range(worlds):
        y_true = rng.choice(3, 300, p=[0.6, 0.3, 0.1])
        hard = rng.normal(0, 0.9, (2, 1, 300))
        wrong = hard + rng.normal(0, 0.45, (2, 4, 300)) > 0.8
        predicted = np.where(wrong, (y_true + 1) % 3, y_true)
        values = [[of_answers(y_true, run)["balanced_accuracy"] for run in side] for side in predicted]
        found += crossed_test(np.array(values[1], dtype=float) - np.array(values[0], dtype=float)).p < 0.05
    assert 0.02 < found / worlds < 0.09
