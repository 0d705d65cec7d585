"""Which models are worth their cost: dominance within tolerances, over draws; attainment curves; the entries."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from compare_tree import CPU, GPU, NO_GPU, Tree, latency
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.compare.frontier import LEVELS, Objective, attainment, places
from bakeoff.compare.profiles import _blocks

RNG = np.random.default_rng


def place(scores, *costs, tolerance=0.0, smallest=0.0):
    """Places of models a, b, ... from scores [K, B] and costs [K] each."""
    scores = np.array(scores, dtype=float)
    scores = scores[:, None] if scores.ndim == 1 else scores
    names = "abcdefghijklmnopqrstuvwxyz"[: len(scores)]
    columns = [Objective(np.array(cost, dtype=float)[:, None], tolerance) for cost in costs]
    return places(names, [Objective(-scores, absolute=smallest), *columns])


def shares(found):
    return [found[name].p_frontier for name in sorted(found)]


# --- dominance ---


def test_a_cheaper_model_is_on_the_frontier_though_it_is_worse():
    found = place([0.95, 0.90, 0.5], [9, 1, 1], [9, 1, 2])
    assert shares(found) == [1, 1, 0]
    assert found["c"].dominated_by == {"b": 1.0}
    assert found["a"].dominated_by == {}


def test_equal_models_stay_together():
    assert shares(place([0.9, 0.9, 0.8], [1, 1, 1])) == [1, 1, 0]
    assert shares(place([0.9, 0.9], [1, 2])) == [1, 0]  # as good, and cheaper


def test_equal_within_a_tolerance():
    times = [1.00, 1.02, 1.10]
    assert shares(place([0.80, 0.81, 0.80], times)) == [1, 1, 0]
    assert shares(place([0.80, 0.81, 0.80], times, tolerance=0.03)) == [0, 1, 0]
    assert shares(place([0.81, 0.80, 0.80], times, tolerance=0.2)) == [1, 0, 0]
    assert shares(place([0.80, 0.80, 0.80], times, tolerance=0.2)) == [1, 1, 1]
    assert shares(place([0.80, 0.801], [1, 1], smallest=0.01)) == [1, 1]


def test_probabilities_over_draws():
    """b is cheaper in all four draws; a is better in three, equal in one."""
    found = place([[0.9, 0.9, 0.9, 0.8], [0.8, 0.8, 0.8, 0.8], [0.7, 0.85, 0.7, 0.7]], [2, 1, 1.5])
    assert shares(found) == [0.75, 1, 0.25]
    assert list(found["c"].dominated_by.items()) == [("b", 0.75)]
    assert found["a"].dominated_by == {"b": 0.25}


def test_who_dominates_most_surely_comes_first():
    draws = np.array([[0.9] * 100, [0.95] * 80 + [0.5] * 20, [0.95] * 4 + [0.5] * 96, [0.6] * 100])
    assert list(place(draws, [1, 1, 1, 1])["d"].dominated_by.items()) == [("a", 1.0), ("b", 0.8)]


def test_draws_without_a_score_do_not_count():
    found = place([[0.9, np.nan, np.nan, 0.5], [0.8, 0.8, np.nan, np.nan]], [1, 1])
    assert shares(found) == [1, 0.5]
    assert found["b"].dominated_by == {"a": 0.5}
    assert list(place([[np.nan, np.nan], [0.8, 0.7]], [1, 1])) == ["b"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=9))
def test_without_noise_it_is_the_pareto_frontier(points):
    def dominates(p, q):
        return p[0] >= q[0] and p[1] <= q[1] and p[2] <= q[2] and p != q

    expected = [float(not any(dominates(p, q) for p in points)) for q in points]
    scores, *costs = (np.array(column) for column in zip(*points, strict=True))
    assert shares(place(scores / 6, *costs)) == expected
    assert shares(place(scores / 6, *(costs[k] * 100 for k in (1, 0)))) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 2)), min_size=1, max_size=7),
    st.sampled_from([0.0, 0.03, 0.3]),
)
def test_with_one_cost_there_is_always_a_frontier(points, tolerance):
    scores, costs = zip(*points, strict=True)
    found = place(scores, costs, tolerance=tolerance, smallest=tolerance)
    assert max(shares(found)) == 1


# --- attainment ---


def brute_force(costs, scores, share, cost):
    """The best score that `share` of the draws attain at `cost`, by counting."""
    draws = scores.shape[1]
    bests = [scores[costs[:, b] <= cost, b].max(initial=-np.inf) for b in range(draws)]
    attained = [y for y in np.unique(scores) if np.mean([best >= y for best in bests]) >= share - 1e-12]
    return max(attained, default=None)


@pytest.mark.parametrize("share", LEVELS)
@pytest.mark.parametrize("noisy", [True, False])
def test_attainment_curves_are_those_of_counting(share, noisy):
    rng = RNG(6)
    scores = (rng.random((5, 37)) * 20).round() / 20
    costs = np.exp(rng.normal(size=(5, 37 if noisy else 1)))
    steps = attainment(costs, scores, share)
    wide = np.broadcast_to(costs, scores.shape)
    assert steps
    for cost, score in steps:
        assert score == brute_force(wide, scores, share, cost)
    assert all(left[0] < right[0] and left[1] < right[1] for left, right in pairwise(steps))


@pytest.mark.parametrize("share", LEVELS)
def test_attainment_agrees_with_moocore(share):
    moocore = pytest.importorskip("moocore", reason="moocore is not installed")
    rng = RNG(7)
    scores, costs = rng.random((4, 20)), np.sort(rng.random(4))
    rows = [(costs[k], -scores[k, b], b) for b in range(20) for k in range(4)]
    theirs = moocore.eaf(
        np.array([row[:2] for row in rows]), sets=np.array([row[2] for row in rows]), percentiles=[100 * share]
    )
    theirs = theirs[np.argsort(theirs[:, 0]), :2] * [1, -1]
    assert np.array(attainment(costs[:, None], scores, share)) == pytest.approx(theirs)


def test_a_cost_that_few_draws_have_is_not_attained():
    scores = np.array([[0.9, np.nan, np.nan, np.nan], [0.5, 0.6, 0.7, 0.8]])
    assert attainment(np.array([[1.0], [2.0]]), scores, 0.5) == [(2.0, 0.8)]
    assert attainment(np.array([[1.0], [2.0]]), scores, 0.25) == [(1.0, 0.9)]
    assert attainment(np.array([[1.0], [2.0]]), np.full((2, 4), np.nan), 0.5) == []


# --- from records to entries ---

SEEDS = range(4)
MODELS = {
    "lenet5": {seed: 0.80 + 0.01 * seed for seed in SEEDS},
    "resnet18": {seed: 0.94 + 0.01 * (seed % 2) for seed in SEEDS},
    "wide": {seed: 0.60 + 0.01 * seed for seed in SEEDS},
}


def tree(tmp_path, models=MODELS, **settings):
    return Tree(tmp_path / "results", models, **settings)


def timed(p50, spread=0.0, n=400):
    """A latency whose stretches differ by `spread`."""
    stretches = 1 + spread * np.repeat(RNG(8).normal(size=20), n // 20)
    return {"latency_ms": {**latency(p50), "samples": (p50 * stretches).round(4).tolist()}}


def entries(record):
    return {entry["cost"]: entry for entry in record["frontiers"]}


def points(entry):
    return {point["candidate"]: point for point in entry["points"]}


def test_the_entries_of_a_study(tmp_path):
    record = tree(tmp_path).run()
    found = entries(record)
    # No memory and no energy was measured.
    assert list(found) == ["macs", "params", "latency_ms_p50", "size_mb", "train_seconds"]
    entry = found["macs"]
    assert (entry["comparison"], entry["factor"], entry["dataset"]) == ("model", "model", "digits")
    assert entry["context"] == {"augmentation": "none", "recipe": "plain"}
    assert (entry["metric"], entry["unit"], entry["direction"]) == ("accuracy", "fraction", "max")
    found = points(entry)
    assert [found[name]["p_frontier"] for name in MODELS] == [1, 1, 0]
    assert found["wide"]["dominated_by"] == {"lenet5": 1.0}
    assert found["lenet5"]["score_lo"] < found["lenet5"]["score"] < found["lenet5"]["score_hi"]
    assert (found["lenet5"]["cost"], found["lenet5"]["cost_lo"]) == (10**6, None)
    assert [cost for cost, _ in entry["attainment"]["0.5"]] == [10**6, 10**7]
    assert entry["attainment"]["0.25"][0][1] > entry["attainment"]["0.75"][0][1]


def test_the_joint_frontier_of_the_rows(tmp_path):
    """The wide net has the MACs of 5 and its time: it is dominated; a slow one with few MACs is not dominated."""
    study = tree(tmp_path, profiles={("wide", CPU): {"macs": 1}})
    rows = {row["candidate"]: row for row in study.run()["rows"] if row["metric"] == "accuracy"}
    assert [rows[name]["p_frontier"] for name in MODELS] == [1, 1, 1]
    assert points(entries(study.run())["latency_ms_p50"])["wide"]["dominated_by"] == {"lenet5": 1.0}


def test_noise_of_times_reaches_the_frontier(tmp_path):
    """Two models of equal scores whose times differ by less than they vary."""
    same = {seed: np.arange(300) >= 20 + seed for seed in SEEDS}
    other = {seed: (np.arange(300) < 280 - seed) for seed in SEEDS}
    models = {"lenet5": same, "a": dict(same), "b": other}
    profiles = {("a", CPU): timed(1.0, 0.1), ("b", CPU): timed(1.01, 0.1), ("lenet5", CPU): timed(9.0)}
    record = tree(tmp_path, models, profiles=profiles, tolerance={"latency_ms_p50": 0}).run()
    found = points(entries(record)["latency_ms_p50"])
    assert found["a"]["cost_lo"] < 1 < found["a"]["cost_hi"]
    assert found["a"]["cost_hi"] - found["a"]["cost_lo"] == pytest.approx(2 * 1.96 * 0.1 * 1.25 / np.sqrt(20), rel=0.5)
    assert 0.05 < found["b"]["p_frontier"] < 0.95
    assert found["lenet5"]["p_frontier"] == 0
    assert found["lenet5"]["cost_lo"] == found["lenet5"]["cost_hi"] == 9.0
    study = tree(tmp_path / "within", models, profiles=profiles, tolerance={"latency_ms_p50": 0.5})
    within = points(entries(study.run())["latency_ms_p50"])
    # Now new images alone decide between them.
    assert within["a"]["p_frontier"] + within["b"]["p_frontier"] == pytest.approx(1, abs=0.1)
    assert within["a"]["p_frontier"] < found["a"]["p_frontier"]


def test_an_unknown_cost_has_no_place_and_takes_none(tmp_path):
    study = tree(tmp_path, profiles={("resnet18", CPU): NO_GPU | {"macs": None}})
    record = study.run()
    assert list(points(entries(record)["macs"])) == ["lenet5", "wide"]
    assert list(points(entries(record)["params"])) == ["lenet5", "resnet18", "wide"]
    rows = {row["candidate"]: row for row in record["rows"] if row["metric"] == "accuracy"}
    assert (rows["resnet18"]["p_frontier"], rows["resnet18"]["dominated_by"]) == (None, {})
    assert rows["lenet5"]["p_frontier"] == 1


def test_no_cost_no_entry(tmp_path):
    nothing = NO_GPU | {"macs": None, "params": None, "size_mb": None}
    record = tree(tmp_path, conditions=(GPU,), profiles={(name, GPU): nothing for name in MODELS}).run()
    assert list(entries(record)) == ["train_seconds"]


def test_less_is_better_of_a_loss(tmp_path):
    record = tree(tmp_path, metric="log_loss", rope={}).run()
    entry = entries(record)["macs"]
    assert points(entry)["wide"]["dominated_by"] == {"lenet5": 1.0}
    assert entry["attainment"]["0.25"][0][1] < entry["attainment"]["0.75"][0][1]


def test_another_model_moves_no_interval(tmp_path):
    profiles = {(name, CPU): timed(p50, 0.05) for name, p50 in {"lenet5": 1.0, "resnet18": 9.0, "wide": 3.0}.items()}
    both = {name: MODELS[name] for name in ("lenet5", "resnet18")}
    fewer = entries(tree(tmp_path / "fewer", both, profiles=profiles).run())
    more = entries(tree(tmp_path / "more", profiles=profiles).run())
    for cost, entry in fewer.items():
        for name, point in points(entry).items():
            other = points(more[cost])[name]
            for key in ("score", "score_lo", "score_hi", "cost", "cost_lo", "cost_hi"):
                assert point[key] == other[key], (cost, name, key)


def test_the_record_keeps_who_is_most_sure_first(tmp_path):
    study = tree(tmp_path)
    study.run()
    text = (study.results / "tiny" / "comparison.json").read_text()
    assert json.loads(text)["frontiers"]
    assert "NaN" not in text
    assert "Infinity" not in text


def test_stretches_of_requests():
    assert _blocks([1.0] * 39) == ()
    assert _blocks(list(np.repeat(np.arange(20.0), 7))) == tuple(np.arange(20.0))
