"""Requirements: read strictly, decided by the end of an interval, and the one candidate that is recommended."""

from __future__ import annotations

import numpy as np
import pytest
from compare_tree import CPU, NO_GPU, Tree, latency
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from bakeoff.compare import gates
from bakeoff.compare.requirement import Requirement, condition_of

FINE = {0: 0.97, 1: 0.98, 2: 0.97, 3: 0.98, 4: 0.97}
GOOD = {0: 0.98, 1: 0.98, 2: 0.98, 3: 0.97, 4: 0.98}
POOR = {0: 0.80, 1: 0.79, 2: 0.81, 3: 0.80, 4: 0.82}
EDGE = {0: 0.90, 1: 0.91, 2: 0.90, 3: 0.92, 4: 0.90}


def judged(tmp_path, accuracies, *must, prefer="latency_ms_p50", **tree):
    """Of a small study with these requirements: by model the candidates, the recommendation, and the rows."""
    body = Tree(tmp_path, accuracies, **tree).run(requirements={"must": list(must), "prefer": prefer})
    (gate,), (advice,) = body["gates"], body["recommendation"]
    return {candidate["model"]: candidate for candidate in gate["candidates"]}, advice, body["rows"]


# --- what is read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "op", "bound", "condition"),
    [
        ("accuracy >= 0.90", "accuracy", ">=", 0.9, None),
        ("  latency_ms_p95<100   on   CPU, 2 threads ", "latency_ms_p95", "<", 100.0, "CPU, 2 threads"),
        ("macs <= 1e9", "macs", "<=", 1e9, None),
        ("mcc > -.5", "mcc", ">", -0.5, None),
    ],
)
def test_a_requirement_is_read(text, column, op, bound, condition):
    found = Requirement.read(text)
    assert (found.column, found.op, found.bound, found.condition) == (column, op, bound, condition)
    assert Requirement.read(found.text) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "accuracy", "accuracy >=", "accuracy = 0.9", "accuracy == 0.9", "0.9 <= accuracy", "accuracy >= 0.9 and x",
        "accuracy >= 90%", "accuracy >= 1e999", "accuracy >= nan", "accuracy >= 1,0", "__import__('os') > 1",
        "accuracy >= 0.9 on", "a.b >= 1", "accuracy >= 0.9\x00",
    ],
)  # fmt: skip
def test_what_is_no_requirement_is_refused(text):
    with pytest.raises(ValueError, match=r"no requirement|too large"):
        Requirement.read(text)


def test_a_condition_is_named_whole_or_by_its_kind():
    conditions = ["CPU, 1 thread", "CPU, 4 threads", "GPU"]
    assert condition_of(None, conditions) == "CPU, 1 thread"
    assert condition_of("cuda", conditions) == "GPU"
    assert condition_of("cpu, 4 Threads", conditions) == "CPU, 4 threads"
    assert condition_of("cpu", ["auto, 1 thread"]) == "auto, 1 thread"
    with pytest.raises(ValueError, match="several conditions"):
        condition_of("cpu", conditions)
    with pytest.raises(ValueError, match="no condition"):
        condition_of("tpu", conditions)


# --- what is decided ----------------------------------------------------------------------------------------------

ends = st.tuples(*[st.floats(-10, 10)] * 2).map(sorted)


@given(
    ends,
    st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    st.floats(-10, 10),
    st.sampled_from(["<", "<=", ">", ">="]),
)
def test_a_narrower_interval_never_turns_pass_into_fail(wide, within, bound, op):
    wanted = Requirement("x", op, bound, None, "")
    lo, hi = wide
    narrow = sorted(min(max(lo + share * (hi - lo), lo), hi) for share in within)
    before, after = wanted.verdict(tuple(wide)), wanted.verdict(tuple(narrow))
    assert before in ("undecided", after)
    assert after in ("undecided", "pass" if all(map(wanted.holds, narrow)) else "fail")


@given(ends, st.floats(-10, 10), st.floats(0, 5))
def test_a_stricter_bound_is_never_met_where_the_milder_one_failed(interval, bound, more):
    mild, strict = (Requirement("x", ">=", value, None, "").verdict(tuple(interval)) for value in (bound, bound + more))
    order = ("fail", "undecided", "pass")
    assert order.index(strict) <= order.index(mild)


def test_the_bound_itself():
    assert Requirement.read("x >= 1").verdict((1.0, 1.0)) == "pass"
    assert Requirement.read("x > 1").verdict((1.0, 1.0)) == "fail"
    assert Requirement.read("x < 1").verdict((1.0, 1.0)) == "fail"
    assert Requirement.read("x < 1").verdict(None) == "undecided"


def test_each_candidate_by_the_end_of_its_interval(tmp_path):
    models = {"resnet18": FINE, "lenet5": POOR, "mid": EDGE}
    found, advice, rows = judged(tmp_path, models, "accuracy >= 0.9", "size_mb < 0.03", "log_loss <= 0.2")
    assert {name: [c["verdict"] for c in of["checks"]] for name, of in found.items()} == {
        "resnet18": ["pass", "fail", "pass"],
        "lenet5": ["fail", "pass", "undecided"],
        "mid": ["undecided", "pass", "pass"],
    }
    accuracy = found["mid"]["checks"][0]
    assert accuracy["lo"] < 0.9 < accuracy["value"] < accuracy["hi"]
    assert accuracy["scope"] == "seeds+images"
    assert found["resnet18"]["checks"][2]["scope"] == "seeds"  # log_loss of this tree is none of its images
    assert {row["model"]: row["gate"] for row in rows} == {"resnet18": "fail", "lenet5": "fail", "mid": "undecided"}
    assert advice["verdict"] == "undecided"
    assert advice["nearest"]["model"] == "mid"
    assert "size_mb < 0.03 stops resnet18" in advice["sentence"]
    assert "resnet18はsize_mb < 0.03を満たさない" in advice["sentence_ja"]


def test_all_right_is_no_proof_of_all_right():
    table = np.ones((5, 300))
    lo, hi = gates._proportion(table)
    assert lo == pytest.approx(0.025 ** (1 / 300))  # the exact binomial bound: 1 - 3.69/N
    assert hi == 1.0
    table[:, 0] = 0.0  # one image that all seeds get wrong: not 1500 answers, but 300
    assert gates._proportion(table)[0] == pytest.approx(0.98157, abs=1e-4)  # Clopper-Pearson of 299 of 300


@pytest.mark.parametrize("right", [0, 1, 150, 299, 300])
def test_one_run_has_the_exact_binomial_interval(right):
    table = (np.arange(300) < right).astype(float)[None]
    assert gates._proportion(table) == pytest.approx(proportion_confint(right, 300, method="beta"), abs=1e-12)


def test_a_model_at_the_bound_rarely_passes_by_luck():
    """True accuracy 0.99, images half as hard for all seeds: the t interval would pass it in 4 to 9 % of studies."""
    rng, threshold, n = np.random.default_rng(1), norm.ppf(0.99), 400
    passed = {"t": 0, "ours": 0}
    for _ in range(n):
        hardness = np.sqrt(0.8) * rng.normal(size=450) + np.sqrt(0.2) * rng.normal(size=(5, 450))
        table = (hardness < threshold).astype(float)
        passed["ours"] += gates._proportion(table)[0] >= 0.99
        passed["t"] += (gates._mean(table) or (1.0,))[0] >= 0.99
    assert passed["ours"] / n <= 0.04 < passed["t"] / n


def test_failed_runs_keep_a_candidate_from_passing(tmp_path):
    models = {"resnet18": {**FINE, 5: None}, "lenet5": {**POOR, 5: None}, "mid": {0: None, 1: None}}
    found, advice, _ = judged(tmp_path, models, "size_mb < 1", "accuracy >= 0.9")
    assert found["lenet5"]["verdict"] == "fail"
    assert (found["resnet18"]["verdict"], found["resnet18"]["reason"]) == ("undecided", "1 of 6 runs failed")
    assert [check["verdict"] for check in found["mid"]["checks"]] == ["pass", "undecided"]
    assert advice["verdict"] == "undecided"
    assert "runs that failed or are missing leave resnet18 undecided" in advice["sentence"]
    assert advice["sentence"].endswith("the nearest is resnet18: not all of its runs finished.")


def test_a_cost_alone_recommends_nobody_who_never_finished(tmp_path):
    found, advice, _ = judged(tmp_path, {"resnet18": FINE, "lenet5": {0: None, 1: None}}, "size_mb < 1")
    assert (found["lenet5"]["verdict"], found["lenet5"]["reason"]) == ("undecided", "no run finished")
    assert advice["model"] == "resnet18"


def test_disturbed_and_missing_costs_decide_nothing(tmp_path):
    profiles = {("resnet18", CPU): {"marks": ["a neighbour was loud"]}, ("mid", CPU): {**NO_GPU, "status": "failed"}}
    models = {"resnet18": FINE, "lenet5": POOR, "mid": EDGE}
    found, _, _ = judged(tmp_path, models, "latency_ms_p95 < 1000", "size_mb < 1000", profiles=profiles)
    checks = {name: of["checks"] for name, of in found.items()}
    assert {n: of[0]["verdict"] for n, of in checks.items() if n != "lenet5"} == dict.fromkeys(
        ("resnet18", "mid"), "undecided"
    )
    assert checks["lenet5"][0]["verdict"] == "pass"
    assert checks["resnet18"][0]["reason"] == "disturbed: a neighbour was loud"
    assert checks["mid"][0]["reason"] == "no GPU"
    assert {of[1]["verdict"] for of in checks.values()} == {"pass"}  # a size is not timed


def test_two_counters_that_disagree_leave_both_numbers_possible(tmp_path):
    profiles = {("lenet5", CPU): {"macs": 100, "macs_fvcore": 120, "macs_note": "differ by 20 %"}}
    found, _, _ = judged(tmp_path, {"lenet5": POOR}, "macs < 110", "macs <= 120", "macs < 100", profiles=profiles)
    assert [check["verdict"] for check in found["lenet5"]["checks"]] == ["undecided", "pass", "fail"]


def test_a_time_of_another_device_than_was_asked_for_decides_nothing(tmp_path):
    auto = "auto, 1 thread"
    profiles = {("lenet5", auto): {"condition": "GPU"}, ("mid", auto): {"condition": CPU}}
    models = {"lenet5": POOR, "mid": EDGE}
    wanted = "latency_ms_p95 < 1000 on cpu"
    found, _, _ = judged(tmp_path, models, wanted, conditions=(auto,), profiles=profiles)
    assert {name: (c["verdict"], c["checks"][0]["reason"]) for name, c in found.items()} == {
        "lenet5": ("undecided", "measured under GPU"),
        "mid": ("pass", None),
    }


def test_a_latency_has_the_interval_of_its_timings(tmp_path):
    rng = np.random.default_rng(0)
    slow = np.repeat(rng.uniform(1, 3, 20), 50)  # stretches that differ: the 95th percentile hangs on few of them
    samples = (slow + rng.normal(0, 0.01, 1000)).tolist()
    times = {**latency(2.0), "p95": float(np.percentile(samples, 95)), "samples": samples}
    profiles = {("lenet5", CPU): {"latency_ms": times}}
    bound = times["p95"] + 0.01
    found, _, _ = judged(tmp_path, {"lenet5": POOR}, f"latency_ms_p95 < {bound:.3f} on cpu", profiles=profiles)
    (check,) = found["lenet5"]["checks"]
    assert check["lo"] < check["value"] < bound < check["hi"]
    assert (check["verdict"], check["scope"], check["condition"]) == ("undecided", "timings", CPU)


# --- what is recommended ------------------------------------------------------------------------------------------


def test_the_cheapest_of_those_that_cannot_be_told_from_the_best(tmp_path):
    models = {"resnet18": GOOD, "mid": FINE, "lenet5": POOR}
    found, advice, _ = judged(tmp_path, models, "accuracy >= 0.9")
    assert [name for name, of in found.items() if of["verdict"] == "pass"] == ["mid", "resnet18"]
    assert (advice["verdict"], advice["model"], advice["number"]["pass"]) == ("pass", "mid", 2)
    assert advice["tied"] == ["digits/mid/none/plain", "digits/resnet18/none/plain"]
    assert advice["sentence"].startswith("On digits, mid is recommended: of the 2 of 3 candidates")
    assert "it costs least (latency_ms_p50 5) among those" in advice["sentence"]
    assert advice["sentence_ja"].startswith("digitsではmidを推奨する。")


def test_the_best_where_the_tests_tell_it_from_the_others(tmp_path):
    models = {"resnet18": FINE, "mid": EDGE, "lenet5": POOR}
    _, advice, _ = judged(tmp_path, models, "accuracy >= 0.5")
    assert (advice["model"], advice["tied"]) == ("resnet18", ["digits/resnet18/none/plain"])
    assert "the tests tell all others from it" in advice["sentence"]


def test_of_equal_costs_the_better_one(tmp_path):
    models = {"mid": FINE, "other": GOOD}  # both nets of this tree cost the same
    _, advice, _ = judged(tmp_path, models | {"lenet5": POOR}, "accuracy >= 0.9", prefer="size_mb")
    assert advice["model"] == "other"
    assert "none that the tests do not tell from it costs less" in advice["sentence"]


def test_disturbed_times_choose_nothing(tmp_path):
    marks = {(name, CPU): {"marks": ["loud"]} for name in ("mid", "resnet18")}
    models = {"resnet18": GOOD, "mid": FINE, "lenet5": POOR}
    _, advice, _ = judged(tmp_path, models, "accuracy >= 0.9", profiles=marks)
    assert (advice["model"], advice["cost"]) == ("resnet18", None)
    assert "no latency_ms_p50 is known to choose by" in advice["sentence"]


def test_one_seed_allows_no_test_and_says_so(tmp_path):
    models = {"resnet18": {0: 0.98}, "mid": {0: 0.97}, "lenet5": {0: 0.8}}
    found, advice, _ = judged(tmp_path, models, "accuracy >= 0.9")
    assert found["mid"]["checks"][0]["scope"] == "images"
    assert advice["model"] == "resnet18"
    assert "so few seeds allow no test of that" in advice["sentence"]


def test_none_passes_and_what_stops_each(tmp_path):
    models = {"resnet18": FINE, "lenet5": POOR}
    _, advice, _ = judged(tmp_path, models, "accuracy >= 0.9", "params < 5000")
    assert (advice["verdict"], advice["model"], advice["nearest"]["model"]) == ("fail", None, "lenet5")
    assert advice["sentence"].startswith(
        "On digits, none of 2 candidates meets every requirement (accuracy >= 0.9 stops lenet5; params < 5000 stops "
        "resnet18); the nearest is lenet5: accuracy 80.40% ["
    )


def test_a_study_without_requirements_has_no_gates(tmp_path):
    body = Tree(tmp_path, {"lenet5": POOR}).run()
    assert (body["gates"], body["recommendation"]) == ([], [])
    assert {row["gate"] for row in body["rows"]} == {None}
