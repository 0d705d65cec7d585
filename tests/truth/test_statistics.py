"""The statistics against numbers that others published, and against other people's code."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from bakeoff.compare import paired
from bakeoff.compare.crossed import crossed_test
from bakeoff.compare.families import adjust, stars
from bakeoff.compare.jackknife import area_pseudovalues

RNG = np.random.default_rng


def compare(candidate, baseline):
    return paired.compare(dict(enumerate(candidate)), dict(enumerate(baseline)), RNG(0), 10_000)


# --- paired differences -------------------------------------------------------------------------------------------

# Student (1908), The probable error of a mean; in R: t.test(extra ~ group, data = sleep), paired and not.
SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_students_sleep_data_paired():
    found = compare(SLEEP_1, SLEEP_2)
    assert found.t == pytest.approx(-4.0621, abs=5e-5)
    assert found.df == 9
    assert found.p_raw == pytest.approx(0.002833, abs=5e-7)
    assert found.ci == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)
    assert found.diff == pytest.approx(-1.58)
    assert (found.p_used, found.p_method) == (found.p_raw, "paired_t")


@pytest.mark.parametrize("n", [2, 3, 10, 40])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 300.0])
def test_paired_t_is_scipys_to_the_last_bit(n, scale):
    a, b = RNG(n).normal(size=(2, n)) * scale
    found, test = compare(a, b), stats.ttest_rel(a, b)
    assert (found.t, found.df, found.p_raw) == (test.statistic, test.df, test.pvalue)


def test_students_sleep_data_unpaired():
    found = paired.compare(
        dict(enumerate(SLEEP_1)), {seed + 10: value for seed, value in enumerate(SLEEP_2)}, RNG(0), 100
    )
    assert found.t == pytest.approx(-1.8608, abs=5e-5)
    assert found.df == pytest.approx(17.776, abs=5e-4)
    assert found.p_used == pytest.approx(0.07939, abs=5e-6)
    assert found.ci == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)
    assert (found.status, found.p_method) == ("unpaired", "welch")


def test_fishers_sign_flips_of_darwins_maize():
    """Fisher (1935), The Design of Experiments, section 21: 863 of 32768 sums reach 314 eighths of an inch."""
    eighths = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)
    assert paired.sign_flip_p(eighths, RNG(0), 100) == pytest.approx(2 * 863 / 32768, abs=1e-12)
    assert compare(eighths, np.zeros(15)).t == pytest.approx(2.148, abs=5e-4)


@pytest.mark.parametrize("n", range(2, 16))
def test_sign_flips_of_one_sign_reach_their_minimum(n):
    assert paired.sign_flip_p(np.linspace(0.01, 0.02, n), RNG(0), 100) == 2 / 2**n


def test_sign_flips_agree_with_scipy():
    d = RNG(3).normal(0.4, 1, 9)
    theirs = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert paired.sign_flip_p(d, RNG(0), 100) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_drawn_sign_flips_come_near_the_enumerated():
    d = RNG(4).normal(0.4, 1, 16)
    all_signs = np.array(list(itertools.product((1, -1), repeat=16)))
    exact = np.mean(np.abs(all_signs @ d) >= abs(d.sum()) - 1e-12)
    assert paired.sign_flip_p(d, RNG(0), 100_000) == pytest.approx(exact, rel=0.1)


def test_ten_equal_differences_earn_their_stars_by_the_exact_test_alone():
    """No t-test survives these: scipy says t = inf and p = 0, in per cent t = 4e14 and p = 3e-128."""
    baseline = np.array([0.981, 0.979, 0.98, 0.982, 0.978, 0.983, 0.98, 0.981, 0.979, 0.98])
    for scale in (1, 100):
        found = compare(scale * (baseline + 0.009), scale * baseline)
        assert found.status == "zero_variance"
        assert (found.t, found.d_z, found.p_raw) == (None, None, None)
        assert found.p_used == found.p_exact == 2 / 2**10
        assert found.ci == pytest.approx((0.009 * scale, 0.009 * scale))
        assert stars(found.p_used, True, (0.05, 0.01)) == "★★"


def test_percentile_bootstrap_agrees_with_scipy():
    d = RNG(5).normal(size=12)
    theirs = stats.bootstrap((d,), np.mean, method="percentile", n_resamples=20_000, rng=RNG(1)).confidence_interval
    assert paired.bootstrap_interval(d, RNG(2), 20_000) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_equivalence_agrees_with_statsmodels():
    a, b = RNG(6).normal(0.9, 0.01, 8), RNG(7).normal(0.9, 0.01, 8)
    assert compare(a, b).p_tost(0.01) == pytest.approx(ttost_paired(a, b, -0.01, 0.01)[0], rel=1e-9)


@pytest.mark.parametrize(("n", "sd"), [(3, 3.26), (5, 1.68), (10, 1.00), (20, 0.66), (30, 0.53)])
def test_detectable_effect_agrees_with_statsmodels(n, sd):
    found = paired.detectable_effect(n, 0.05)
    assert found == pytest.approx(sd, abs=0.005)
    assert found == pytest.approx(float(TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)), rel=1e-5)


@pytest.mark.parametrize(("d_z", "n"), [(0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5)])
def test_detectable_effect_agrees_with_gpower(d_z, n):
    """G*Power 3.1, two dependent means, two-sided, alpha 0.05, power 0.8: the number of pairs."""
    assert paired.detectable_effect(n, 0.05) <= d_z < paired.detectable_effect(n - 1, 0.05)


@pytest.mark.parametrize(("n", "alpha"), [(3, 0.05 / 100), (4, 0.005), (10, 0.05 / 100)])
def test_detectable_effect_has_its_power_where_statsmodels_fails(n, alpha):
    draws = RNG(8).standard_normal((200_000, n)) + paired.detectable_effect(n, alpha)
    t = draws.mean(axis=1) / draws.std(axis=1, ddof=1) * np.sqrt(n)
    assert np.mean(np.abs(t) > stats.t.isf(alpha / 2, n - 1)) == pytest.approx(0.8, abs=0.005)


# --- families -----------------------------------------------------------------------------------------------------


def test_holm_of_a_known_family():
    """R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    assert adjust([0.01, 0.04, 0.03, 0.005], "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_and_hochbergs_example():
    """Benjamini & Hochberg (1995), section 4: fifteen tests, four found by theirs, three by a family-wise method."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.759,
         1.0]  # fmt: skip
    assert sum(q <= 0.05 for q in adjust(p, "bh")) == 4
    assert sum(q <= 0.05 for q in adjust(p, "holm")) == 3


# --- seeds and images both random ---------------------------------------------------------------------------------

# Van Dyke et al. (1993), cine against spin-echo MRI of aortic dissection: five readers' ratings of 114 cases, 45 of
# them diseased, in either modality; the standard example of the field (in R: RJafroc::dataset02, MRMCaov::VanDyke).
# One line a reader; a pair of digits is a case, spin-echo first.
HEALTHY = """
13 23 23 12 52 12 12 12 13 12 11 13 41 12 12 12 12 12 12 11 11 11 31 11 34 12 11 23 11 42 12 11 14 13 12 33 11 22 13 21 12 12 22 33 33 11 31 11 13 33 33 11 11 13 14 11 12 24 22 11 12 14 11 34 34 22 11 11 11
23 32 22 22 22 22 22 22 23 32 22 22 52 22 22 21 32 22 22 22 21 22 22 22 43 22 22 22 22 32 22 21 22 22 21 22 22 22 22 22 23 21 22 22 23 22 22 22 22 22 22 22 22 22 23 22 22 43 32 22 22 32 22 22 22 22 21 22 22
22 24 22 22 32 52 13 12 22 22 41 21 41 23 22 22 32 22 21 22 11 21 32 21 44 11 11 35 21 22 11 11 22 21 22 42 12 21 12 42 12 21 11 13 22 21 21 21 22 23 33 21 11 13 22 12 11 22 23 12 13 54 11 42 24 12 21 12 21
12 12 11 11 11 11 33 11 12 11 11 11 11 12 12 11 11 11 12 11 21 11 11 11 23 12 11 12 11 22 11 11 11 11 12 12 11 11 12 11 11 11 11 11 12 11 12 11 32 31 12 12 11 11 11 11 11 12 11 12 11 11 11 33 12 13 12 11 11
32 52 13 21 12 12 12 12 21 22 22 12 21 11 11 12 22 22 11 12 32 22 21 12 13 12 12 23 12 11 22 11 12 22 32 12 21 21 12 11 12 31 31 33 22 11 12 12 23 13 12 11 12 12 12 12 11 32 42 12 22 33 11 22 13 23 11 11 31
"""  # noqa: E501
DISEASED = """
55 53 55 55 45 55 55 55 44 55 55 55 45 34 44 23 43 55 55 55 55 55 55 55 13 55 45 43 55 45 55 55 34 54 55 55 15 13 55 55 55 45 45 55 11
55 33 55 55 55 55 55 45 22 55 55 55 43 44 24 22 24 55 54 55 55 55 54 55 22 45 32 33 55 45 55 53 22 44 22 55 25 22 55 55 55 55 35 55 22
55 42 55 55 55 55 55 55 55 55 55 55 53 45 24 31 54 55 55 55 55 55 55 55 22 55 23 23 55 55 55 54 23 55 55 55 25 23 54 55 55 55 55 55 21
55 54 55 55 55 55 55 55 54 55 55 55 54 55 55 15 55 55 55 55 55 55 55 55 54 55 45 54 44 45 55 55 35 55 55 55 15 23 55 55 55 55 55 55 55
55 22 55 24 55 55 55 55 15 54 45 55 43 54 23 23 33 55 55 55 55 55 55 45 12 45 41 33 23 22 15 53 12 55 14 55 15 13 53 55 55 35 55 55 23
"""  # noqa: E501


def _ratings(text: str) -> np.ndarray:
    """[modalities, readers, cases]."""
    pairs = [[[int(digit) for digit in pair] for pair in line.split()] for line in text.split("\n") if line]
    return np.moveaxis(np.array(pairs), 2, 0)


def _pseudovalues(healthy: np.ndarray, diseased: np.ndarray) -> np.ndarray:
    """Jackknife over the cases, healthy first."""
    positive = np.repeat([False, True], [healthy.size, diseased.size])
    return area_pseudovalues(np.concatenate([healthy, diseased]).astype(float), positive)


def test_crossed_test_of_van_dykes_readers():
    """RJafroc and MRMCaov, random readers and random cases: F(1, 15.25967) = 4.456319, p = 0.05166569."""
    healthy, diseased = _ratings(HEALTHY), _ratings(DISEASED)
    assert healthy.shape == (2, 5, 69)
    assert diseased.shape == (2, 5, 45)
    values = np.array([[_pseudovalues(healthy[m, r], diseased[m, r]) for r in range(5)] for m in range(2)])
    found = crossed_test(values[1] - values[0])
    assert found is not None
    assert found.diff == pytest.approx(0.04380032, abs=5e-9)
    assert found.se == pytest.approx(0.02074862, abs=5e-9)
    assert (found.diff / found.se) ** 2 == pytest.approx(4.456319, abs=5e-7)
    assert found.df == pytest.approx(15.25967, abs=5e-6)
    assert found.p == pytest.approx(0.051665686, abs=5e-10)


def test_crossed_test_agrees_with_an_analysis_of_variance():
    rng = RNG(9)
    seeds, images = 4, 30
    d = 0.05 + rng.normal(0, 0.1, (seeds, 1)) + rng.normal(0, 0.4, (1, images)) + rng.normal(0, 0.3, (seeds, images))
    index = list(itertools.product(range(seeds), range(images)))
    frame = pd.DataFrame({"d": d.ravel(), "seed": [s for s, _ in index], "image": [j for _, j in index]})
    table = anova_lm(ols("d ~ C(seed) + C(image)", frame).fit())
    ms_seed, ms_image, ms_inter = table["sum_sq"] / table["df"]

    total = ms_seed + max(ms_image - ms_inter, 0)
    found = crossed_test(d)
    assert found is not None
    assert found.se == pytest.approx(np.sqrt(total / d.size))
    assert found.df == pytest.approx(total**2 / (ms_seed**2 / (seeds - 1)))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(d.mean()) / found.se, found.df))
    assert found.components.seed == pytest.approx((ms_seed - ms_inter) / images)
    assert found.components.image == pytest.approx((ms_image - ms_inter) / seeds)
    assert found.components.inter == pytest.approx(ms_inter)
    assert found.se**2 == pytest.approx(
        found.components.seed / seeds + found.components.image / images + found.components.inter / (seeds * images)
    )


def test_crossed_test_keeps_its_level_where_a_t_test_over_seeds_does_not():
    """Two models of equal true accuracy that find different images hard, each retrained ten times, 400 worlds."""
    rng = RNG(10)
    seeds, images, worlds = 10, 400, 400
    by_seeds, crossed = 0, 0
    for _ in range(worlds):
        hard = rng.normal(0, 0.9, (2, 1, images))
        right = (hard + rng.normal(0, 0.45, (2, seeds, images)) < 1).astype(float)
        d = right[1] - right[0]
        by_seeds += stats.ttest_1samp(d.mean(axis=1), 0).pvalue < 0.05
        test = crossed_test(d)
        crossed += test is not None and test.p < 0.05
    assert by_seeds / worlds > 0.2
    assert 0.02 < crossed / worlds < 0.08
