"""What models cost, from the records of their profiles to the files of the comparison: nothing lost on the way."""

from __future__ import annotations

import csv
import math

import pytest
from compare_tree import BF16, CPU, ENVIRONMENT, GPU, NO_GPU, PROFILE, Tree, anchor, latency, memory, profile_body

from bakeoff.compare import caveats, drift
from bakeoff.compare.profiles import Profile
from bakeoff.errors import UserError
from bakeoff.provenance import write_record

MODELS = {"resnet18": {0: 0.93, 1: 0.94, 2: 0.93}, "lenet5": {0: 0.80, 1: 0.79, 2: 0.81}}
BUSY = "other processes used 1.0 of 2 cores"


def tree(tmp_path, models=MODELS, **settings):
    return Tree(tmp_path / "results", models, **settings)


def read_csv(of, name):
    with (of.results / "tiny" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def costs_of(record, model):
    return [row for row in record["costs"] if row["model"] == model]


# --- conditions ---


def test_every_condition_has_its_row_and_the_first_is_that_of_the_table(tmp_path):
    slow = {("resnet18", BF16): {"latency_ms": latency(70), "throughput": None}}
    study = tree(tmp_path, conditions=(CPU, BF16), profiles=slow)
    record = study.run()
    assert [(row["model"], row["condition"]) for row in record["costs"]] == [
        ("lenet5", CPU), ("lenet5", BF16), ("resnet18", CPU), ("resnet18", BF16),
    ]  # fmt: skip
    first, second = costs_of(record, "resnet18")
    assert (first["latency_ms_p50"], first["latency_ms_p90"], first["latency_ms_p99"]) == (10, 13, 20)
    assert (first["throughput"], first["throughput_lo"], first["throughput_hi"]) == (100, 90, None)
    assert (first["best_batch_size"], first["best_batch_memory_mb"]) == (32, 30)
    assert (first["train_memory_mb"], first["train_batch_size"]) == (80, 128)
    assert (first["joules_per_image"], first["energy_reason"]) == (None, "no counter here")
    assert (second["latency_ms_p50"], second["throughput"], second["best_batch_size"]) == (70, None, None)
    row = study.row("resnet18")
    assert (row["condition"], row["latency_ms_p50"], row["activations"], row["train_memory_mb"]) == (CPU, 10, 10**5, 80)
    other = [{**cell, "profiles": cell["profiles"][::-1]} for cell in study.cells]
    row = study.row("resnet18", cells=other)
    assert (row["condition"], row["latency_ms_p50"], row["throughput"]) == (BF16, 70, None)


def test_the_table_of_costs_is_the_record(tmp_path):
    study = tree(tmp_path, conditions=(CPU, GPU), profiles={("lenet5", CPU): {"marks": [BUSY, "another"]}})
    record = study.run()
    rows = read_csv(study, "costs.csv")
    assert [list(row) for row in rows] == [list(row) for row in record["costs"]]
    assert rows[0]["marks"] == f"{BUSY}; another"
    assert (rows[0]["latency_ms_p50"], rows[0]["peak_memory_mb"], rows[0]["params"]) == ("1.0", "", "1000")


def test_memory_that_was_not_measured_says_why(tmp_path):
    reasons = {"one_image": "with compile", "best_batch": "with compile", "training_step": "measured with eager"}
    record = tree(tmp_path, profiles={("lenet5", CPU): {"memory": memory(**reasons)}}).run()
    said = {row["model"]: row["memory_reason"] for row in record["costs"]}
    assert said == {
        "lenet5": "one image, best batch: with compile; training step: measured with eager",
        "resnet18": None,
    }


def test_a_profile_that_several_cells_share_is_one_row(tmp_path):
    assert len(tree(tmp_path, augmentations=("none", "flip")).run()["costs"]) == 2


def test_a_cell_needs_a_condition(tmp_path):
    study = tree(tmp_path)
    with pytest.raises(UserError, match=r"cells\.0\.profiles"):
        study.run(cells=[{**cell, "profiles": []} for cell in study.cells])


# --- failures ---


def test_what_failed_says_why_and_keeps_what_needs_no_machine(tmp_path):
    study = tree(tmp_path, conditions=(GPU, CPU), profiles={(model, GPU): NO_GPU for model in MODELS})
    record = study.run()
    row = study.row("resnet18")
    assert (row["params"], row["macs"], row["activations"], row["size_mb"]) == (10_000, 10**7, 10**5, 0.04)
    assert (row["latency_ms_p50"], row["throughput"], row["p_frontier"]) == (None, None, None)
    assert (row["condition"], row["cost_failure"], row["cost_reason"]) == (GPU, "no GPU", NO_GPU["reason"])
    failed, done = costs_of(record, "resnet18")
    assert (failed["status"], failed["failure"], failed["hardware"]) == ("failed", "no GPU", None)
    assert (done["status"], done["failure"], done["reason"], done["latency_ms_p50"]) == ("done", None, None, 10)
    assert "no cost of lenet5, resnet18 (GPU): no GPU" in record["warnings"]
    assert record["hardware"]["profiling"] == ["a cpu, 1 thread"]


def test_what_no_condition_changes_is_taken_from_any(tmp_path):
    """A first profile that is not there yet, or ran out of memory before anything was counted."""
    study = tree(tmp_path, conditions=(CPU, BF16))
    (study.results / "profiles" / f"{study.cells[0]['profiles'][0]['name']}.json").unlink()
    row = study.row("resnet18", partial=True)
    assert (row["params"], row["macs"], row["latency_ms_p50"]) == (10_000, 10**7, None)
    assert (row["condition"], row["cost_failure"], row["cost_reason"]) == (CPU, "missing", "not measured yet")


def test_a_control_method_has_a_reason_and_no_failure(tmp_path):
    skipped = {name: None for name, value in profile_body("lenet5").items() if not isinstance(value, str | list)}
    skipped |= {"status": "skipped", "reason": "it is fitted to images", "failure": "control", "device": "cpu"}
    skipped |= {"threads": 1, "environment": ENVIRONMENT}
    record = tree(tmp_path, profiles={("lenet5", CPU): skipped}).run()
    (cost,) = costs_of(record, "lenet5")
    assert (cost["failure"], cost["reason"], cost["params"]) == (None, "it is fitted to images", None)
    assert "no cost of lenet5: it is fitted to images" in record["warnings"]


def test_a_long_list_of_models_is_cut(tmp_path):
    models = {f"m{i}": {0: 0.8} for i in range(8)} | {"lenet5": {0: 0.8}}
    record = tree(tmp_path, models, profiles={(model, CPU): NO_GPU for model in models}).run()
    assert "no cost of lenet5, m0, m1, m2, m3, m4 and 3 more: no GPU" in record["warnings"]


def test_a_warning_names_data_sets_and_conditions_where_there_are_several(tmp_path):
    conditions = (CPU, BF16, GPU)
    study = tree(tmp_path, conditions=conditions, profiles={("lenet5", name): NO_GPU for name in (BF16, GPU)})
    record = study.run()
    assert [w for w in record["warnings"] if w.startswith("no cost")] == [
        "no cost of lenet5 (CPU, 1 thread, bf16 and GPU): no GPU"
    ]
    twice = [{**row, "dataset": dataset} for dataset in ("a", "b") for row in record["costs"]]
    (warning,) = caveats._lacks(twice)
    assert warning == "no cost of a/lenet5, b/lenet5 (CPU, 1 thread, bf16 and GPU): no GPU"


def test_two_machines_under_one_condition_do_not_compare(tmp_path):
    other = {"environment": {**ENVIRONMENT, "cpu": "another cpu"}}
    study = tree(tmp_path, conditions=(CPU, GPU), profiles={("lenet5", CPU): other})
    assert [warning for warning in study.run()["warnings"] if "do not compare" in warning] == [
        "latencies and throughputs (CPU, 1 thread) were measured on 2 kinds of machine and do not compare: "
        "a cpu, 1 thread; another cpu, 1 thread"
    ]


# --- marks ---


def test_a_mark_reaches_every_file(tmp_path):
    study = tree(tmp_path, conditions=(CPU, BF16), profiles={("resnet18", CPU): {"marks": [BUSY]}})
    record = study.run()
    assert study.row("resnet18")["latency_marks"] == [BUSY]
    assert study.row("lenet5")["latency_marks"] == []
    assert [row["marks"] for row in costs_of(record, "resnet18")] == [[BUSY], []]
    assert [cell["latency_marks"] for cell in record["cells"]] == [[], [BUSY]]
    rows = {row["candidate"]: row["latency_marks"] for row in read_csv(study, "comparison.csv")}
    assert rows == {"resnet18": BUSY, "lenet5": ""}
    assert "1 of 4 latencies were measured under disturbance: see marks in costs.csv" in record["warnings"]


def test_a_row_that_is_averaged_over_models_has_the_marks_of_all(tmp_path):
    marks = {("resnet18", CPU): {"marks": [BUSY]}, ("lenet5", CPU): {"marks": ["did not settle", BUSY]}}
    study = tree(tmp_path, augmentations=("none", "flip"), profiles=marks)
    comparisons = [{"factor": "augmentation", "baseline": "none", "within": ["dataset", "recipe"]}]
    row = study.row("flip", comparisons=comparisons)
    assert row["latency_marks"] == ["did not settle", BUSY]
    assert (row["params"], row["latency_ms_p50"], row["condition"]) == (None, None, CPU)


def test_counters_that_differ_are_named(tmp_path):
    note = "fvcore counts 20 % less: it does not know aten::foo"
    record = tree(tmp_path, profiles={("resnet18", CPU): {"macs_note": note}}).run()
    assert {row["macs_note"] for row in record["rows"] if row["candidate"] == "resnet18"} == {note}
    assert "the two counters of MACs differ on resnet18: see macs_note in costs.csv" in record["warnings"]


# --- drift between profiles ---


def anchored(**times):
    """Profiles by name, each with the time of its anchor, all on one machine."""
    return {name: Profile(CPU, CPU, "done", hardware="a cpu", anchor_ms=time) for name, time in times.items()}


def drifted(profiles):
    return {name: profile.marks for name, profile in drift.marked(profiles).items() if profile.marks}


def test_no_drift_no_mark():
    assert drifted(anchored(a=1.0, b=1.01, c=0.99, d=1.029)) == {}
    assert drifted(anchored(a=1.0)) == {}
    assert drifted({}) == {}


def test_the_one_that_is_off_is_marked_with_how_much():
    (mark,) = drifted(anchored(a=1.0, b=1.05, c=1.0))["b"]
    assert mark == "the anchor net took 5.0 % more time than the median of this study's profiles"
    assert drifted(anchored(a=1.0, b=0.9, c=1.0))["b"][0].startswith("the anchor net took 10.0 % less time")
    assert list(drifted(anchored(a=1.0, b=1.05, c=1.0))) == ["b"]


def test_where_half_are_off_all_are_marked():
    assert list(drifted(anchored(a=1.0, b=1.0, c=1.1, d=1.1))) == ["a", "b", "c", "d"]


def test_other_machines_and_conditions_are_apart():
    profiles = anchored(a=1.0, b=2.0, c=3.0)
    profiles["b"] = Profile(CPU, CPU, "done", hardware="another cpu", anchor_ms=2.0)
    profiles["c"] = Profile(BF16, BF16, "done", hardware="a cpu", anchor_ms=3.0)
    assert drifted(profiles) == {}


def test_what_has_no_times_has_no_drift():
    profiles = anchored(a=1.0, b=1.0) | {"c": Profile(CPU, CPU, "failed"), "d": Profile(CPU, CPU, "done", hardware="x")}
    assert drifted(profiles) == {}


def test_drift_is_added_to_the_records_own_marks(tmp_path):
    models = {**MODELS, "tiny_vit": {0: 0.9, 1: 0.9, 2: 0.9}}
    off = {("resnet18", CPU): {"anchor": anchor(1.08), "marks": [BUSY]}}
    record = tree(tmp_path, models, profiles=off).run()
    marks = {row["model"]: row["marks"] for row in record["costs"]}
    assert marks["lenet5"] == marks["tiny_vit"] == []
    assert marks["resnet18"] == [BUSY, "the anchor net took 8.0 % more time than the median of this study's profiles"]
    assert math.isclose(costs_of(record, "resnet18")[0]["anchor_ms"], 1.08)


def test_an_anchor_measured_once_counts(tmp_path):
    once = {("lenet5", CPU): {"anchor": {"before_ms": 1.0, "after_ms": None, "drift": None}}}
    (cost,) = costs_of(tree(tmp_path, profiles=once).run(), "lenet5")
    assert cost["anchor_ms"] == 1


def test_the_profile_of_another_model_is_refused(tmp_path):
    study = tree(tmp_path)
    ref = study.cells[0]["profiles"][0]
    spec = {"model": {"name": "resnet18"}, "condition": CPU}
    path = study.results / "profiles" / f"{ref['name']}.json"
    write_record(path, "profile", spec, PROFILE, profile_body("lenet5"))
    with pytest.raises(UserError, match="is the profile of 'lenet5', though it stands for 'resnet18'"):
        study.run()
