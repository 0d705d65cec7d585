"""Verification against scikit-learn, brute force over all pairs and thresholds, and counts made by hand."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score, roc_curve

from bakeoff.evaluate import verification_curve as curves
from bakeoff.evaluate.thresholds import best_threshold, decide
from bakeoff.evaluate.verification import Options, verify
from bakeoff.evaluate.verification_bootstrap import bootstrap
from bakeoff.evaluate.verification_pairs import COARSE, GRID, AllPairs, ListedPairs, threshold_level

POOL = ThreadPoolExecutor(2)


def faces(n, identities, noise, seed=0, dimensions=16):
    """Embeddings around a centre for each identity, in no order; and their identities."""
    rng = np.random.default_rng(seed)
    identity = rng.permutation(np.arange(n) % identities)
    centres = rng.normal(size=(identities, dimensions))
    return centres[identity] + noise * rng.normal(size=(n, dimensions)), identity


def naive(embeddings, identity):
    """Cosine and sameness of every pair, one at a time."""
    scores, same = [], []
    for i, j in itertools.combinations(range(len(identity)), 2):
        a, b = embeddings[i], embeddings[j]
        scores.append(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
        same.append(identity[i] == identity[j])
    return np.array(scores), np.array(same)


def exact(embeddings, identity, **options):
    return curves.count(AllPairs(embeddings, identity, **options), POOL)


def brute_tar(scores, same, target):
    rates = [((scores[~same] >= t).mean(), (scores[same] >= t).mean()) for t in [*scores, np.inf]]
    return max(tar for far, tar in rates if far <= target)


def brute_eer(scores, same):
    far, tar, _ = roc_curve(same, scores, drop_intermediate=False)
    along = np.arange(len(far))
    place = brentq(lambda u: np.interp(u, along, far) + np.interp(u, along, tar) - 1, 0, len(far) - 1, xtol=1e-12)
    return np.interp(place, along, far)


def agrees(embeddings, identity, comparisons=1.0, **options):
    """Everything that is read from the curve, against the list of all pairs.

    Of the comparisons of a genuine with an impostor pair so many may fall otherwise: scores that lie within 1e-8.
    """
    scores, same = naive(embeddings, identity)
    scores = scores.round(9)  # one's own copy has the cosine 1, whatever the rounding errors of a division
    curve = exact(embeddings, identity, **options)
    assert (curve.genuine, curve.impostor) == (same.sum(), (~same).sum())
    apart = (comparisons + 1e-6) / (same.sum() * (~same).sum())
    assert float(curves.auc(curve)) == pytest.approx(roc_auc_score(same, scores), abs=apart)
    assert float(curves.eer(curve)) == pytest.approx(brute_eer(scores, same), abs=1e-9)
    for target in (0.5, 0.1, 0.02, 1e-3):
        assert float(curves.tar_at_far(curve, target)) == brute_tar(scores, same, target)
    assert float(curves.best_level(curve)) / GRID == pytest.approx(best_threshold(scores, same), abs=1e-6)
    for threshold in (-0.3, 0.0, 0.25, 0.7):
        accepted = curve.point(threshold_level(threshold))
        assert curve.accuracy[accepted] == decide(scores, same, threshold).accuracy


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_every_number_equals_that_of_the_full_list_of_pairs(noise):
    agrees(*faces(120, 13, noise))


def test_coarse_scores_of_many_pairs_move_the_area_by_what_ties_can():
    embeddings, identity = faces(120, 13, 1.0)
    agrees(embeddings, identity, comparisons=20, many=100)
    assert (exact(embeddings, identity, many=100).levels % COARSE == 0).all()


def test_identities_of_very_different_sizes():
    embeddings, _ = faces(100, 10, 1.5)
    agrees(embeddings, np.minimum(np.arange(100) // 3, 12))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 14), distinct=st.integers(1, 6), identities=st.integers(2, 5))
@settings(max_examples=120, deadline=None)
def test_copies_tie_as_they_do_in_the_full_list(seed, n, distinct, identities):
    rng = np.random.default_rng(seed)
    identity = np.unique(rng.integers(0, identities, n), return_inverse=True)[1]
    sizes = np.bincount(identity)
    if len(sizes) < 2 or sizes.max() < 2:
        return
    pool = rng.normal(size=(distinct, 3)).astype(np.float32).astype(np.float64)
    agrees(pool[rng.integers(0, distinct, n)], identity, comparisons=0)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_length_means_nothing_however_large(scale):
    embeddings, identity = faces(40, 5, 1.0)
    assert (exact(embeddings * scale, identity).levels == exact(embeddings, identity).levels).all()


def test_a_score_is_the_cosine_to_the_last_bit_of_single_precision():
    embeddings, identity = faces(60, 6, 1.0, dimensions=512)
    curve = exact(embeddings, identity)
    scores = np.sort(naive(embeddings, identity)[0])[::-1]
    counts = np.diff(curve.true_accepts + curve.false_accepts, prepend=0)
    assert np.abs(np.repeat(curve.levels, counts) / GRID - scores).max() < 5e-8


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
def test_the_size_of_a_part_changes_no_bit(size):
    embeddings, identity = faces(40, 9, 1.0)
    whole, parts = AllPairs(embeddings, identity), AllPairs(embeddings, identity, size)
    a, b = np.array(list(itertools.combinations(range(40), 2))).T
    listed = ListedPairs(embeddings, identity, b, a, size)
    curve = curves.count(whole, POOL)
    wanted = bootstrap(whole, curve, 100, 0, POOL).replicates
    for other in (parts, listed):
        same = curves.count(other, POOL)
        found = bootstrap(other, same, 100, 0, POOL).replicates
        for one, two in ((curve, same), (wanted, found)):
            assert np.array_equal(one.levels, two.levels)
            assert np.array_equal(one.true_accepts, two.true_accepts)
            assert np.array_equal(one.false_accepts, two.false_accepts)


# --- thresholds by hand -----------------------------------------------------------------------------------------------

# Cosines with the first image, which is of identity 0: three of its own and five of others.
COSINES = [0.95, 0.6, 0.35, 0.9, 0.5, 0.2, 0.05, -0.4]
SAME = [True, True, True, False, False, False, False, False]
# threshold: tp, fp, tn, fn
BY_HAND = {
    0.1: (3, 3, 2, 0),
    0.2: (3, 3, 2, 0),  # a score of 0.2 is accepted at 0.2
    0.3: (3, 2, 3, 0),
    0.4: (2, 2, 3, 1),
    0.5: (2, 2, 3, 1),
    0.6: (2, 1, 4, 1),
    0.7: (1, 1, 4, 2),
    0.8: (1, 1, 4, 2),
    0.9: (1, 1, 4, 2),
    1.0: (0, 0, 5, 3),
}


def test_the_table_of_thresholds_equals_counts_made_by_hand():
    embeddings = np.array([(1.0, 0.0), *((c, (1 - c * c) ** 0.5) for c in COSINES)])
    identity = np.array([0, *(0 if same else 1 for same in SAME)])
    pairs = ListedPairs(embeddings, identity, np.zeros(8, dtype=int), np.arange(1, 9))
    found = verify(pairs, Options())
    rows = {row.threshold: row for row, _ in found.table}
    assert {t: (row.tp, row.fp, row.tn, row.fn) for t, row in rows.items()} == BY_HAND
    assert (rows[0.6].accuracy, rows[0.6].precision, rows[0.6].recall, rows[0.6].f1) == (6 / 8, 2 / 3, 2 / 3, 4 / 6)
    assert (rows[1.0].precision, rows[1.0].recall, rows[1.0].f1) == (None, 0, 0)
    assert found.auc.value == pytest.approx((5 + 4 + 3) / 15)  # impostors below each of the genuine scores
    # FAR = FRR = 1/3: on the step where TAR is 2/3 and FAR rises from 1/5 to 2/5
    assert found.eer.value == pytest.approx(1 / 3)


def test_a_copy_is_accepted_at_threshold_1():
    rng = np.random.default_rng(0)
    embeddings = np.repeat(rng.normal(size=(500, 512)), 2, axis=0).astype(np.float32)
    found = verify(AllPairs(embeddings, np.repeat(np.arange(500), 2)), Options(resamples=100))
    assert [(row.tp, row.fp) for row, _ in found.table][-1] == (500, 0)
    assert found.auc.value == found.best.decision.accuracy == 1


# --- the bootstrap ----------------------------------------------------------------------------------------------------


def test_replicates_equal_pairs_weighed_one_by_one():
    embeddings, identity = faces(60, 12, 1.0)
    scores, same = naive(embeddings, identity)
    pairs = AllPairs(embeddings, identity, 200)
    curve = curves.count(pairs, POOL)
    found = bootstrap(pairs, curve, 100, 3, POOL).replicates
    drawn = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), 100)
    left, right = np.array(list(itertools.combinations(identity, 2))).T
    for b in (0, 57, 99):
        weights = np.where(same, drawn[b][left], drawn[b][left] * drawn[b][right])
        replicate = curves.Curve(curve.levels, found.true_accepts[:, b], found.false_accepts[:, b])
        assert float(curves.auc(replicate)) == pytest.approx(roc_auc_score(same, scores, sample_weight=weights))
        assert replicate.genuine + replicate.impostor == weights.sum()
        assert float(curves.eer(replicate)) == pytest.approx(float(curves.eer(found)[b]))


def test_a_full_table_of_identities_and_a_sparse_one_are_the_same(monkeypatch):
    """Few identities take the one way, many the other: the same pairs in smaller parts change from one to the other."""
    embeddings, identity = faces(400, 5, 1.0)
    pairs, smaller = AllPairs(embeddings, identity), AllPairs(embeddings, identity, 50)
    curve = curves.thinned(curves.count(pairs, POOL), [])
    few = curves.count(pairs, POOL).at(curve.levels[[10, 50, 200, -1]])
    one, two = (bootstrap(each, few, 50, 0, POOL).replicates for each in (pairs, smaller))
    assert np.array_equal(one.false_accepts, two.false_accepts)


def test_the_thinned_curve_shows_the_exact_one():
    curve = exact(*faces(700, 60, 1.5))
    targets = Options().far
    thin = curves.thinned(curve, targets)
    assert len(curve.levels) > 100_000
    assert len(thin.levels) <= curves.MAX_POINTS - 1
    assert float(curves.auc(thin)) == pytest.approx(float(curves.auc(curve)), abs=1e-4)
    assert float(curves.eer(thin)) == float(curves.eer(curve))
    assert thin.accuracy.max() == curve.accuracy.max()
    assert curves.best_level(thin) == curves.best_level(curve)
    for target in targets:
        assert float(curves.tar_at_far(thin, target)) == float(curves.tar_at_far(curve, target))


def test_intervals_over_identities_cover_the_truth():
    """Of 60 samples of 40 people, the interval of the AUC holds the AUC of very many people at least 51 times.

    With pairs drawn instead of people it does so less than 48 times: pairs of one person go together.
    """
    truth = float(curves.auc(exact(*people(3000, seed=10_000))))
    over_identities = over_pairs = 0
    for seed in range(60):
        embeddings, identity = people(40, seed)
        pairs = AllPairs(embeddings, identity)
        curve = curves.count(pairs, POOL)
        at = curves.thinned(curve, [])
        interval = bootstrap(pairs, at, 400, 0, POOL).interval(curves.auc, float(curves.auc(curve)))
        over_identities += interval.lo <= truth <= interval.hi
        lo, hi = pair_bootstrap(at, 400)
        over_pairs += lo <= truth <= hi
    assert over_identities >= 51
    assert over_pairs < 48


def people(n, seed):
    """Four images each; some people look like themselves in all of them, others in none."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(n), 4)
    noise = rng.lognormal(0.3, 0.8, n)[identity, None]
    return rng.normal(size=(n, 8))[identity] + noise * rng.normal(size=(4 * n, 8)), identity


def pair_bootstrap(curve, resamples):
    """Percentiles of the AUC when pairs are drawn, as if they were independent."""
    rng = np.random.default_rng(0)
    draws = []
    for accepts in (curve.true_accepts, curve.false_accepts):
        n = int(accepts[-1])
        draws.append(rng.multinomial(n, np.diff(accepts, prepend=0) / n, resamples).T.cumsum(axis=0))
    return np.percentile(curves.auc(curves.Curve(curve.levels, *draws)), [2.5, 97.5])
