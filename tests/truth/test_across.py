"""Statistics over data sets and of factorial designs, held against published numbers and other libraries."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.multitest import multipletests

from bakeoff.compare.factorial import _contrasts, repeated
from bakeoff.compare.families import adjust
from bakeoff.compare.friedman import friedman, iman_davenport, nemenyi_cd, ranks
from bakeoff.compare.signed_rank import signed_rank

# Demsar (2006), "Statistical comparisons of classifiers over multiple data sets", JMLR 7, table 6: AUC of C4.5 that
# tunes nothing, m, cf, both. On "voting" the paper ranks them 4, 1, 2, 3: the last two differ in digits not printed.
AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],  # adult (sample)
        [0.599, 0.591, 0.590, 0.569],  # breast cancer
        [0.954, 0.971, 0.968, 0.967],  # breast cancer wisconsin
        [0.628, 0.661, 0.654, 0.657],  # cmc
        [0.882, 0.888, 0.886, 0.898],  # ionosphere
        [0.936, 0.931, 0.916, 0.931],  # iris
        [0.661, 0.668, 0.609, 0.685],  # liver disorders
        [0.583, 0.583, 0.563, 0.625],  # lung cancer
        [0.775, 0.838, 0.866, 0.875],  # lymphography
        [1.000, 1.000, 1.000, 1.000],  # mushroom
        [0.940, 0.962, 0.965, 0.962],  # primary tumor
        [0.619, 0.666, 0.614, 0.669],  # rheum
        [0.972, 0.981, 0.9752, 0.9751],  # voting
        [0.957, 0.978, 0.946, 0.970],  # wine
    ]
)
N, K = AUC.shape


def test_mean_ranks_of_demsar() -> None:
    assert ranks(AUC, "max").mean(axis=0).round(3).tolist() == [3.143, 2.000, 2.893, 1.964]


def test_friedman_and_iman_davenport_of_demsar() -> None:
    """Section 3.2.2: chi2_F = 9.28 and F_F = 3.69 with 3 and 39 degrees of freedom, whose critical value is 2.85."""
    found = friedman(ranks(AUC, "max"))
    assert found is not None
    assert round(found.chi2_uncorrected, 2) == 9.28
    of_the_paper = iman_davenport(found.chi2_uncorrected, N, K)
    assert of_the_paper is not None
    assert round(of_the_paper, 2) == 3.69
    assert (found.df1, found.df2) == (3, 39)
    assert round(stats.f.isf(0.05, found.df1, found.df2), 2) == 2.85


def test_friedman_with_ties_is_scipys() -> None:
    found = friedman(ranks(AUC, "max"))
    chi2, p = stats.friedmanchisquare(*AUC.T)
    assert found is not None
    assert (found.chi2, found.p) == pytest.approx((chi2, p), rel=1e-12)


def test_iman_davenport_is_the_analysis_of_variance_of_ranks() -> None:
    ranked = ranks(AUC, "max")
    rows = [(i, j, ranked[i, j]) for i in range(N) for j in range(K)]
    table = AnovaRM(pd.DataFrame(rows, columns=["set", "model", "rank"]), "rank", "set", ["model"]).fit().anova_table
    found = friedman(ranked)
    assert found is not None
    assert (found.f, found.p_f) == pytest.approx((table["F Value"].iloc[0], table["Pr > F"].iloc[0]), rel=1e-9)


def test_critical_difference_of_demsar() -> None:
    """Section 3.2.2: 1.25 at 0.05 (q = 2.569) and 1.12 at 0.10 (q = 2.291)."""
    assert round(nemenyi_cd(N, K, 0.05), 2) == 1.25
    assert round(nemenyi_cd(N, K, 0.10), 2) == 1.12


# Table 5(a) of the paper: critical values of the two-tailed Nemenyi test.
@pytest.mark.parametrize(
    ("alpha", "q"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_nemenyis_critical_values(alpha: float, q: list[float]) -> None:
    found = [nemenyi_cd(6, k, alpha) / (k * (k + 1) / 36) ** 0.5 for k in range(2, 11)]
    assert found == pytest.approx(q, abs=1e-3)


def test_nemenyi_of_demsar_tells_c45_from_both_that_tune_m() -> None:
    """Section 3.2.2: C4.5+m and C4.5+m+cf differ from C4.5 at 0.10 (by more than 1.12), nothing does at 0.05."""
    means = ranks(AUC, "max").mean(axis=0)
    assert [bool(means[0] - mean > nemenyi_cd(N, K, 0.10)) for mean in means[1:]] == [True, False, True]
    assert all(means[0] - mean < nemenyi_cd(N, K, 0.05) for mean in means)


def test_wilcoxon_of_demsar() -> None:
    """Table 2, C4.5 and C4.5+m: R+ = 93, R- = 12, so T = 12; at 14 data sets at most 21 is significant at 0.05."""
    found = signed_rank((AUC[:, 1] - AUC[:, 0]).round(3))
    assert (found.plus, found.minus, found.statistic) == (93, 12, 12)
    assert (found.wins, found.ties, found.losses) == (10, 2, 2)
    assert found.p < 0.05


def test_wilcoxon_of_depressed_patients() -> None:
    """Hollander & Wolfe (1973), table 3.1, as R's wilcox.test prints them: V = 40, one-sided p = 0.01953."""
    before = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    after = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    found = signed_rank(before - after)
    assert found.plus == 40
    assert found.p / 2 == pytest.approx(0.01953, abs=5e-6)


def test_wilcoxons_critical_values() -> None:
    """The table for 0.05, two-tailed: up to T the test rejects, from T + 1 on it does not."""
    critical = {6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 11: 10, 12: 13, 13: 17, 14: 21, 15: 25, 20: 52, 25: 89}
    for n, largest in critical.items():
        assert [_p_at(n, largest) <= 0.05, _p_at(n, largest + 1) <= 0.05] == [True, False]


def _p_at(n: int, lesser: int) -> float:
    """p of differences of ranks 1 to n whose negative ones sum to `lesser`."""
    signs, rest = np.ones(n), lesser
    for rank in range(n, 0, -1):
        if rank <= rest:
            signs[rank - 1], rest = -1, rest - rank
    found = signed_rank(signs * np.arange(1, n + 1))
    assert found.statistic == lesser
    return found.p


@pytest.mark.parametrize("seed", range(8))
def test_wilcoxon_without_ties_is_scipys(seed: int) -> None:
    d = np.random.default_rng(seed).normal(0.4, 1, 5 + 4 * seed)
    assert signed_rank(d).p == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_wilcoxon_with_ties_and_zeros_is_the_permutation_test(seed: int) -> None:
    d = np.random.default_rng(seed).integers(-3, 5, 9).astype(float)
    every = stats.PermutationMethod(n_resamples=np.inf)
    # Scipy tests R+ as it is with zsplit, in which a sign flip of a zero changes nothing either.
    assert signed_rank(d).p == pytest.approx(stats.wilcoxon(d, zero_method="zsplit", method=every).pvalue, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_holm_is_that_of_statsmodels(seed: int) -> None:
    p = np.random.default_rng(seed).uniform(0, 0.2, 12).round(2)
    assert adjust(p.tolist(), "holm") == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)


def test_interaction_is_that_of_a_repeated_measures_anova() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.9, 0.01, (6, 3, 2))
    values[:, 2, 1] += 0.01
    rows = [(s, a, b, values[s, a, b]) for s in range(6) for a in range(3) for b in range(2)]
    frame = pd.DataFrame(rows, columns=["seed", "a", "b", "score"])
    table = AnovaRM(frame, "score", "seed", ["a", "b"]).fit().anova_table.loc["a:b"]
    found = repeated(values.reshape(6, 6), np.kron(_contrasts(3), _contrasts(2)))
    assert found is not None
    assert (found.f, found.df1, found.df2) == pytest.approx((table["F Value"], table["Num DF"], table["Den DF"]))
    assert stats.f.sf(found.f, found.df1, found.df2) == pytest.approx(table["Pr > F"], rel=1e-9)
    assert 1 / found.df1 <= found.epsilon <= 1
