"""The whole step on a small tree of results."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from compare_tree import CLASSES, METRICS, Y_TRUE, N, Tree

from bakeoff.errors import Refused, UserError
from bakeoff.provenance import read_record

ROW_KEYS = [
    "dataset", "comparison", "factor", "context", "model", "augmentation", "recipe", "metric", "unit", "direction",
    "candidate", "baseline", "n_ok", "n_base", "n_pairs", "seeds_used", "seeds_dropped", "mean", "std", "mean_lo",
    "mean_hi", "base_mean", "base_std", "diff", "diff_ci_lo", "diff_ci_hi", "boot_lo", "boot_hi", "bca_lo", "bca_hi",
    "t", "df", "p_raw", "p_exact", "p_wilcoxon", "p_welch", "p_nb", "p_used", "p_method", "p_adj", "family",
    "family_size", "stars", "dagger", "verdict", "scope", "d_z", "rel_err_reduction", "d_av", "wins", "ties",
    "losses", "p_outperform", "p_outperform_lo", "p_outperform_hi", "seed_correlation", "p_tost",
    "p_tost_adj", "rope",
    "images_diff", "images_lo", "images_hi", "images_p", "images_method", "crossed_method", "crossed_diff",
    "crossed_lo", "crossed_hi", "crossed_df", "crossed_p", "crossed_p_adj", "var_seed", "var_image", "var_inter",
    "gain_double_seeds", "gain_double_images", "mde80", "seeds_for_rope", "seeds_for_observed", "images_for_rope",
    "completion", "worst_diff", "worst_p", "rank", "rank_lo", "rank_hi", "rank_scope", "p_best", "tied_with_best",
    "p_frontier", "dominated_by", "params", "trainable_params", "macs", "activations", "size_mb", "latency_ms_p50",
    "latency_ms_p95", "throughput", "peak_memory_mb", "train_memory_mb", "joules_per_image", "condition",
    "cost_failure", "cost_reason", "latency_marks", "macs_note", "train_seconds", "status", "warnings", "sentence",
    "sentence_ja", "gate",
]  # fmt: skip

LENET = {0: 0.80, 1: 0.79, 2: 0.81, 3: 0.80, 4: 0.82, 5: 0.81}
RESNET = {0: 0.93, 1: 0.94, 2: 0.93, 3: 0.95, 4: 0.94, 5: 0.93}


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "results", {"resnet18": RESNET, "lenet5": LENET})


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_row_of_a_better_model(tree):
    row = tree.row("resnet18")
    assert list(row) == ROW_KEYS
    assert (row["status"], row["verdict"], row["stars"], row["dagger"]) == ("ok", "better", "★★", "")
    assert row["diff"] == pytest.approx(np.mean(list(RESNET.values())) - np.mean(list(LENET.values())), abs=0.003)
    assert row["diff_ci_lo"] < row["boot_lo"] < row["diff"] < row["boot_hi"] < row["diff_ci_hi"]
    assert (row["n_ok"], row["n_base"], row["n_pairs"], row["df"]) == (6, 6, 6, 5)
    assert (row["p_method"], row["family"], row["family_size"]) == ("paired_t", "model/digits/accuracy", 1)
    assert row["p_adj"] == row["p_used"] == row["p_raw"] < 0.001
    assert row["p_exact"] == 2 / 2**6
    assert row["crossed_diff"] == pytest.approx(row["diff"])
    assert row["crossed_lo"] < row["diff"] < row["crossed_hi"]
    assert row["crossed_p_adj"] == row["crossed_p"] < 0.001
    assert row["mde80"] > 0
    assert (row["rank"], row["rank_lo"], row["rank_hi"], row["tied_with_best"]) == (1, 1, 1, True)
    assert (row["p_frontier"], row["macs"], row["latency_ms_p95"], row["peak_memory_mb"]) == (1, 10**7, 15.0, None)
    assert row["train_seconds"] == 4.5
    assert row["context"] == {"augmentation": "none", "recipe": "plain"}


def test_a_difference_that_rests_on_the_test_images_is_starred_but_not_called_better(tmp_path):
    """Every retraining wins the same 40 images and loses the same 30: sure on this test set, not on another."""
    image = np.arange(N)
    lenet = {seed: (image >= 40 + seed) & (image < 290) for seed in range(6)}
    resnet = {seed: (image < 40) | (image >= 70 + seed % 2) & (image < 290) for seed in range(6)}
    row = Tree(tmp_path / "results", {"lenet5": lenet, "resnet18": resnet}).row("resnet18")
    assert row["stars"] == "★★"
    assert row["diff_ci_lo"] > 0 > row["crossed_lo"]
    assert row["crossed_p_adj"] > 0.05
    assert row["var_image"] > 100 * row["var_seed"]
    assert row["verdict"] == "inconclusive"
    assert row["warnings"] == [
        "better on this test set, but not shown for new images",
        "no number of seeds would show a difference of the margin for new images: the test set is too small",
    ]


def test_the_row_of_the_baseline(tree):
    row = tree.row("lenet5")
    assert (row["status"], row["verdict"], row["stars"], row["rank"]) == ("baseline", "baseline", "", 2)
    assert row["mean"] == row["base_mean"]
    assert {row[key] for key in ("diff", "p_raw", "p_used", "p_adj", "family", "n_pairs", "crossed_p", "mde80")} == {
        None
    }
    assert row["p_frontier"] == 1  # the cheaper of the two
    assert row["tied_with_best"] is False


def test_other_metrics_are_exploratory(tree):
    row = tree.row("resnet18", "log_loss")
    assert (row["verdict"], row["stars"], row["p_adj"], row["family"], row["crossed_p"]) == (
        "exploratory", "", None, None, None,
    )  # fmt: skip
    assert row["p_raw"] < 0.001
    assert row["diff"] < 0
    assert row["rank"] == 1  # less is better


def test_a_worse_model_gets_no_star(tree):
    comparisons = [{"factor": "model", "baseline": "resnet18"}]
    row = tree.row("lenet5", comparisons=comparisons)
    assert (row["verdict"], row["stars"]) == ("worse", "▼▼")


def test_all_files_are_written_and_say_the_same(tree):
    record = tree.run()
    folder = tree.results / "tiny"
    assert {path.name for path in folder.iterdir()} == {
        "comparison.json", "comparison.csv", "costs.csv", "coverage.csv", "runs.csv", "curves.csv", "confusion.json",
        "diagnostics.json", "errors.npz", "explanations.npz",
    }  # fmt: skip
    rows = read_csv(folder / "comparison.csv")
    assert list(rows[0]) == ROW_KEYS
    assert len(rows) == len(record["rows"]) == 2 * len(METRICS)
    resnet = next(row for row in rows if (row["candidate"], row["metric"]) == ("resnet18", "accuracy"))
    (same,) = [r for r in record["rows"] if (r["candidate"], r["metric"]) == ("resnet18", "accuracy")]
    assert float(resnet["p_used"]) == same["p_used"]
    assert (resnet["context"], resnet["seeds_used"], resnet["macs"]) == (
        "augmentation=none recipe=plain", "0 1 2 3 4 5", "10000000",
    )  # fmt: skip
    assert (resnet["peak_memory_mb"], resnet["warnings"]) == ("", "")
    assert record["primary_metric"] == {"name": "accuracy", "unit": "fraction", "direction": "max"}
    machines = {"training": ["a cpu, 1 thread"], "profiling": ["a cpu, 1 thread"]}
    assert record["hardware"] == {**machines, "precision": []}
    assert record["warnings"] == []
    assert record["spec"] == tree.spec

    lenet, _ = record["cells"]
    assert (lenet["model"], lenet["done"], lenet["device"], lenet["params"]) == ("lenet5", 6, "cpu", 1000)
    accuracy = lenet["metrics"]["accuracy"]
    assert accuracy["lo"] < accuracy["mean"] < accuracy["hi"]
    assert (accuracy["n"], accuracy["unit"], accuracy["direction"]) == (6, "fraction", "max")

    runs = read_csv(folder / "runs.csv")
    assert len(runs) == 2 * 6 * len(METRICS)
    assert runs[0]["metric"] == "accuracy"
    assert float(runs[0]["value"]) == pytest.approx(0.8)


def test_curves_and_confusion(tree):
    for seed in LENET:
        tree.remeasure("lenet5", seed, confusion=[[80, 20, 0], [0, 100, 0], [0, 0, 0]])
    tree.run()
    first, second, *_ = read_csv(tree.results / "tiny" / "curves.csv")
    assert (first["model"], first["epoch"], first["n"], second["epoch"]) == ("lenet5", "1", "6", "2")
    assert float(first["train_accuracy_mean"]) == pytest.approx(0.525)
    assert float(first["train_accuracy_std"]) == pytest.approx(np.std(np.arange(6) / 100, ddof=1))
    assert (first["val_loss_mean"], float(second["val_loss_mean"])) == ("", pytest.approx(0.4))

    confusion = read_record(tree.results / "tiny" / "confusion.json", "confusion")["cells"][0]
    assert (confusion["model"], confusion["n_runs"], confusion["class_names"]) == ("lenet5", 6, ["a", "b", "c"])
    assert confusion["mean_counts"][0] == [80, 20, 0]
    assert confusion["rates"] == [[0.8, 0.2, 0.0], [0.0, 1.0, 0.0], [None, None, None]]


def test_a_diverged_run_is_kept_counted_and_its_pair_named(tmp_path):
    tree = Tree(tmp_path / "results", {"resnet18": {**RESNET, 3: None}, "lenet5": LENET})
    row = tree.row("resnet18")
    assert (row["n_ok"], row["n_base"], row["n_pairs"]) == (5, 6, 5)
    assert (row["seeds_used"], row["seeds_dropped"]) == ([0, 1, 2, 4, 5], [3])
    assert row["warnings"] == ["resnet18 diverged at seed 3: dropped"]
    assert (row["stars"], row["dagger"]) == ("★★", "†")  # five pairs: the exact test cannot confirm it
    record = tree.run()
    assert "1 of 12 runs diverged" in record["warnings"]
    assert [(c["model"], c["done"], c["diverged"]) for c in record["cells"]] == [("lenet5", 6, 0), ("resnet18", 5, 1)]
    (diverged,) = [
        r
        for r in read_csv(tree.results / "tiny" / "runs.csv")
        if r["status"] == "diverged" and r["metric"] == "accuracy"
    ]
    assert (diverged["seed"], diverged["value"]) == ("3", "")


def test_a_missing_run_is_refused_unless_the_study_is_partial(tree):
    shutil.rmtree(tree.folder("resnet18", 2))
    (tree.folder("resnet18", 4) / "metrics.json").unlink()
    with pytest.raises(Refused, match=r"seed2/run\.json: is missing"):
        tree.run()
    assert not (tree.results / "tiny").exists()

    record = tree.run(partial=True)
    assert record["partial"] is True
    assert "2 of 12 runs are missing" in record["warnings"]
    coverage_file = tree.results / "tiny" / "partial" / "coverage.csv"
    (coverage,) = [row for row in read_csv(coverage_file) if row["model"] == "resnet18"]
    assert (coverage["expected"], coverage["done"], coverage["missing"], coverage["missing_seeds"]) == (
        "6", "4", "2", "2 4",
    )  # fmt: skip
    row = tree.row("resnet18", partial=True)
    assert row["seeds_dropped"] == [2, 4]
    assert row["warnings"] == [
        "resnet18 is missing at seed 2 4: dropped",
        "2 of 6 seeds lost: what is left may be a selection",
    ]


def test_a_partial_study_without_profiles_or_whole_cells(tree):
    shutil.rmtree(tree.results / "profiles")
    for seed in RESNET:
        shutil.rmtree(tree.folder("resnet18", seed))
    row = tree.row("resnet18", partial=True)
    assert (row["status"], row["verdict"], row["n_ok"], row["mean"], row["rank"]) == (
        "no_pairs", "not testable", 0, None, None,
    )  # fmt: skip
    warnings = tree.run(partial=True)["warnings"]
    assert "no cost of lenet5, resnet18: missing" in warnings
    assert "1 of 1 candidates could not be tested and are outside the correction" in warnings


def test_a_study_without_any_run(tree):
    shutil.rmtree(tree.results / "runs")
    with pytest.raises(UserError, match="no run of study 'tiny' exists yet"):
        tree.run(partial=True)


def edited(path):
    path.write_text(path.read_text().replace('"done"', '"diverged"'))


def garbled(path):
    path.write_bytes(path.read_bytes()[:-1] + b"x")


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("run.json", edited, "was changed after it was written"),
        ("metrics.json", edited, "was changed after it was written"),
        ("predictions.npz", garbled, "is not the file that run.json describes"),
        ("history.csv", garbled, "is not the file that run.json describes"),
        ("history.csv", lambda path: path.unlink(), "is missing"),
        ("run.json", lambda path: path.write_text("{"), "is no record"),
    ],
)
@pytest.mark.parametrize("partial", [False, True])
def test_a_damaged_file_is_refused_and_named(tree, name, damage, said, partial):
    file = tree.folder("resnet18", 1) / name
    damage(file)
    with pytest.raises(Refused) as refusal:
        tree.run(partial=partial)
    assert str(refusal.value).startswith(f"{file}: ")
    assert said in str(refusal.value)
    assert not (tree.results / "tiny").exists()


@pytest.mark.parametrize(
    ("field", "value", "file"),
    [
        ("train_code", "9" * 16, "run.json"), ("evaluate_code", "9" * 16, "metrics.json"),
        ("evaluate_spec", "9" * 12, "metrics.json"), ("spec", "9" * 12, "run.json"),
    ],
)  # fmt: skip
def test_other_code_or_settings_are_refused(tree, field, value, file):
    cells = [{**cell, field: value} for cell in tree.cells]
    with pytest.raises(Refused, match=file):
        tree.run(cells=cells)


@pytest.mark.parametrize(("field", "value"), [("code", "9" * 16), ("spec", "9" * 12)])
def test_a_profile_by_other_code_or_settings_is_refused(tree, field, value):
    cells = [{**cell, "profiles": [{**cell["profiles"][0], field: value}]} for cell in tree.cells]
    with pytest.raises(Refused, match="lenet5-"):
        tree.run(cells=cells)


def test_a_run_copied_to_another_seed_is_refused(tree):
    shutil.rmtree(tree.folder("lenet5", 1))
    shutil.copytree(tree.folder("lenet5", 0), tree.folder("lenet5", 1))
    with pytest.raises(Refused, match=r"seed1/run\.json: is of seed 0"):
        tree.run()


def test_metrics_of_another_run_are_refused(tree):
    tree.remeasure("lenet5", 1, run_digest="0" * 64)
    with pytest.raises(Refused, match=r"seed1/metrics\.json: was made from another run\.json"):
        tree.run()
    tree.remeasure("lenet5", 1, predictions_sha256="0" * 64)
    with pytest.raises(Refused, match=r"seed1/metrics\.json: was made from other predictions"):
        tree.run()
    tree.remeasure("lenet5", 1, {"accuracy": 99.0})
    with pytest.raises(Refused, match=r"seed1/metrics\.json: accuracy is 99\.0"):
        tree.run()


def test_other_test_images_are_refused(tree):
    shutil.rmtree(tree.folder("resnet18", 5))
    tree.y_true = (Y_TRUE + 1) % CLASSES
    cell = next(cell for cell in tree.cells if cell["model"] == "resnet18")
    tree.write_run(tree.folder("resnet18", 5), {"model": "resnet18", "augmentation": "none"}, cell, 5, 0.9)
    with pytest.raises(Refused, match=r"seed5/predictions\.npz: has other test images or labels than .*lenet5"):
        tree.run()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"comparisons": [{"baseline": "lenet"}]}, "choose from lenet5, resnet18"),
        ({"metric": "top5"}, "choose from accuracy, balanced_accuracy, log_loss"),
        ({"alpha": [0.01, 0.05]}, "must descend"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_spec_is_a_sentence(tree, changes, said):
    with pytest.raises(UserError, match=said):
        tree.run(**changes)


def test_an_axis_that_is_not_held_fixed_is_averaged_inside_each_seed(tmp_path):
    tree = Tree(tmp_path / "results", {"resnet18": RESNET, "lenet5": LENET}, augmentations=("none", "flip"))
    comparisons = [{"factor": "model", "baseline": "lenet5", "within": ["dataset", "recipe"]}]
    row = tree.row("resnet18", comparisons=comparisons)
    assert (row["augmentation"], row["recipe"], row["context"]) == (None, "plain", {"recipe": "plain"})
    assert (row["n_ok"], row["n_pairs"], row["params"]) == (6, 6, 10_000)

    by_augmentation = tree.run(comparisons=[{"factor": "augmentation", "baseline": "none"}])
    candidates = [r for r in by_augmentation["rows"] if r["metric"] == "accuracy" and r["status"] != "baseline"]
    assert {row["context"]["model"] for row in candidates} == {"lenet5", "resnet18"}
    assert [(row["status"], row["verdict"], row["family_size"], row["p_adj"]) for row in candidates] == [
        ("identical", "inconclusive", 2, 1.0)
    ] * 2


def test_the_order_of_cells_and_seeds_does_not_matter(tree):
    rows = tree.run()["rows"]
    shuffled = [{**cell, "seeds": cell["seeds"][::-1]} for cell in tree.cells[::-1]]
    assert tree.run(cells=shuffled)["rows"] == rows


def test_seeds_that_were_never_planned_are_not_lost(tmp_path):
    tree = Tree(tmp_path / "results", {"lenet5": dict.fromkeys(range(5), 0.9), "five-nets": {0: 0.95}})
    row = tree.row("five-nets")
    assert row["verdict"] == "not testable"
    assert not [warning for warning in row["warnings"] if "lost" in warning]
