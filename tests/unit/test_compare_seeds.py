"""Seeds that repeat nothing, spreads that are far off, and test sets on which accuracy misleads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from compare_tree import CPU, Tree

from bakeoff.compare import balance
from bakeoff.compare.seeds import Spread, listed

MODELS = {"resnet18": {0: 0.93, 1: 0.94, 2: 0.93, 3: 0.95}, "lenet5": {0: 0.80, 1: 0.79, 2: 0.81, 3: 0.80}}
SKIPPED = {"status": "skipped", "failure": "fitted", "reason": "is fitted, not trained", "latency_ms": None}


def logits(wrong, n=300, shift=0.0):
    """Predictions of three classes of which the first `wrong` are wrong."""
    truth = np.arange(n) % 3
    predicted = np.where(np.arange(n) < wrong, (truth + 1) % 3, truth)
    return np.eye(3, dtype=np.float32)[predicted] + np.float32(shift)


def with_twins(tmp_path, side="resnet18", **settings):
    """A study whose seeds 0, 1 and 3 of one model are one run."""
    twins = {0: logits(20), 1: logits(20), 2: logits(24), 3: logits(20)}
    return Tree(tmp_path / "results", {**MODELS, side: twins}, **settings)


@pytest.mark.parametrize("side", ["resnet18", "lenet5"])
def test_seeds_that_are_one_run_earn_no_star_on_either_side(tmp_path, side):
    study = with_twins(tmp_path, side)
    record = study.run()
    assert record["warnings"][0] == (
        f"ERROR: digits/{side}/none/plain: seeds 0, 1 and 3 gave the same predictions, so the seed has no effect and "
        "they are one run: nothing is tested with it, and there are no stars"
    )
    row = study.row("resnet18")
    assert (row["verdict"], row["status"], row["stars"], row["n_pairs"]) == ("not testable", "identical_seeds", "", 4)
    assert row["diff"] is not None
    tests = ("p_raw", "p_exact", "p_used", "p_adj", "crossed_p", "p_tost", "mde80", "d_z", "diff_ci_lo", "boot_lo")
    assert {row[name] for name in tests} == {None}
    assert f"digits/{side}/none/plain: seeds 0, 1 and 3 gave the same predictions: nothing is tested" in row["warnings"]


def test_what_is_not_tested_has_a_rank_and_nothing_more(tmp_path):
    study = with_twins(tmp_path)
    best, other = study.row("resnet18"), study.row("lenet5")
    assert (best["rank"], best["rank_lo"], best["mean_lo"], best["p_frontier"]) == (1, None, None, None)
    assert (other["rank"], other["tied_with_best"]) == (2, None)
    assert other["rank_lo"] is not None


def test_other_rows_keep_their_stars(tmp_path):
    study = Tree(tmp_path / "results", {**MODELS, "vit": {seed: logits(20) for seed in range(4)}})
    assert study.row("vit")["verdict"] == "not testable"
    row = study.row("resnet18")
    assert (row["verdict"], row["family_size"]) == ("better", 1)


def test_methods_without_randomness_are_noted_and_tested(tmp_path):
    study = with_twins(tmp_path, profiles={("resnet18", CPU): SKIPPED})
    record = study.run()
    assert record["warnings"][-1] == (
        "note: resnet18: the same predictions at every seed, as of methods without randomness"
    )
    assert not [text for text in record["warnings"] if text.startswith("ERROR")]
    assert study.row("resnet18")["verdict"] == "better"


def test_of_methods_without_randomness_the_worse_is_not_called_as_good(tmp_path):
    """All differences are one number, and the exact test of three seeds can call nothing significant."""
    steady = {"good": dict.fromkeys(range(3), logits(10)), "bad": dict.fromkeys(range(3), logits(270))}
    skipped = {(model, CPU): SKIPPED for model in steady}
    study = Tree(tmp_path / "results", {**steady, "lenet5": {0: 0.80, 1: 0.79, 2: 0.81}}, profiles=skipped)
    assert (study.row("good")["tied_with_best"], study.row("bad")["tied_with_best"]) == (True, None)


def test_two_methods_without_randomness_are_one_run_each_however_many_seeds(tmp_path):
    """Ten equal differences would be called significant by any test over seeds."""
    steady = {"lenet5": dict.fromkeys(range(10), logits(60)), "vit": dict.fromkeys(range(10), logits(20))}
    study = Tree(tmp_path / "results", steady, profiles={(model, CPU): SKIPPED for model in steady})
    row = study.row("vit")
    assert (row["status"], row["n_ok"], row["n_pairs"], row["stars"], row["p_used"]) == ("one_seed", 1, 1, "", None)
    assert row["warnings"] == [
        "one seed: cannot say for new seeds; the test over images is of these trained models only"
    ]
    assert row["images_p"] < 1e-6
    assert not [text for text in study.run()["warnings"] if text.startswith("ERROR")]


def test_runs_of_files_of_others_are_without_randomness(tmp_path):
    study = with_twins(tmp_path, sources={"resnet18": "onnx"})
    record = study.run()
    assert record["warnings"][-1].startswith("note: resnet18: the same predictions at every seed")
    assert study.row("resnet18")["verdict"] == "better"


def test_what_was_measured_by_another_back_end_is_told(tmp_path):
    study = Tree(tmp_path / "results", MODELS, profiles={("resnet18", CPU): {"backend": "onnxruntime"}})
    text = "latencies and throughputs (CPU, 1 thread) were measured by eager and onnxruntime: see backend in costs.csv"
    assert text in study.run()["warnings"]


def test_a_cell_says_how_much_its_seeds_should_differ(tmp_path):
    record = Tree(tmp_path / "results", MODELS).run()
    lenet = next(cell for cell in record["cells"] if cell["model"] == "lenet5")
    # 300 images, 20 % errors: sqrt(0.2 / 600); scores 0.80, 0.79, 0.81, 0.80.
    assert lenet["seed_std_expected"] == pytest.approx(math.sqrt(0.2 / 600))
    assert lenet["seed_std_ratio"] == pytest.approx(math.sqrt(0.0002 / 3) / math.sqrt(0.2 / 600))
    assert not [text for text in record["warnings"] if "2304.01910" in text]


def test_one_seed_and_seeds_that_failed_have_no_spread(tmp_path):
    one = Tree(tmp_path / "one", {model: {0: scores[0]} for model, scores in MODELS.items()}).run()
    twins = with_twins(tmp_path).run()
    for cell in (*one["cells"], next(cell for cell in twins["cells"] if cell["model"] == "resnet18")):
        assert (cell["seed_std_expected"], cell["seed_std_ratio"]) == (None, None)


def test_a_spread_far_off_is_said_with_its_numbers(tmp_path):
    unstable = dict(enumerate((0.95, 0.6, 0.9, 0.5, 0.8, 0.7)))
    frozen = {seed: logits(60, shift=0.1 * seed) for seed in range(6)}
    record = Tree(tmp_path / "results", {"lenet5": unstable, "frozen": frozen}).run()
    low, high = sorted(text for text in record["warnings"] if "2304.01910" in text)
    assert low == (
        "digits/frozen/none/plain: accuracy varies by 0 points over 6 seeds (standard deviation), 0 times the "
        "1.8 points that 300 test images with 20 % errors let expect (arXiv:2304.01910): seeds hardly change "
        "anything: are they applied?"
    )
    assert "varies by 17 points over 6 seeds" in high
    assert high.endswith("8.4 times the 2.1 points that 300 test images with 26 % errors let expect "
                         "(arXiv:2304.01910): unstable training")  # fmt: skip


@pytest.mark.parametrize(
    ("spread", "said"),
    [
        (Spread(10, 0.2, 10_000, math.sqrt(0.2 / 20_000)), None),
        (Spread(10, 0.2, 10_000, math.sqrt(0.2 / 20_000) * 0.3), "seeds hardly change anything: are they applied?"),
        (Spread(10, 0.2, 10_000, math.sqrt(0.2 / 20_000) * 0.36), None),
        (Spread(10, 0.2, 10_000, math.sqrt(0.2 / 20_000) * 3.1), "unstable training"),
        # By luck: one of ten studies of three seeds has such a spread.
        (Spread(3, 0.2, 10_000, math.sqrt(0.2 / 20_000) * 0.3), None),
        # Three errors in 300 images: equal counts are nothing strange.
        (Spread(4, 0.01, 300, 0.0), None),
        (Spread(5, 0.0, 300, 0.0), None),
    ],
)
def test_a_spread_is_spoken_of_when_it_is_far_off_and_not_by_luck(spread, said):
    assert spread.verdict == said


def test_no_errors_let_expect_no_spread():
    assert (Spread(5, 0.0, 300, 0.0).expected, Spread(5, 0.0, 300, 0.0).ratio) == (0.0, None)


def test_seeds_in_words():
    assert (listed([3]), listed([0, 1]), listed([0, 1, 7])) == ("3", "0 and 1", "0, 1 and 7")


# --- balance ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "warned"),
    [
        ((100, 100, 100), None),
        ((120, 100, 80), None),  # 1.5 to 1 is not over 1.5
        ((200, 70, 30), "200 test images of a and 30 of c, 6.7 to 1: accuracy misleads"),
        ((200, 100, 0), "200 test images of a and 0 of c: accuracy misleads"),
    ],
)
def test_unbalanced_test_images_are_warned_of(tmp_path, counts, warned):
    y_true = np.repeat(np.arange(3), counts)
    record = Tree(tmp_path / "results", MODELS, y_true=y_true).run()
    (test_set,) = record["test_sets"]
    assert (test_set["dataset"], test_set["n_test"], test_set["classes"]) == ("digits", 300, 3)
    assert (test_set["largest_count"], test_set["smallest_count"]) == (max(counts), min(counts))
    assert test_set["unbalanced"] is (warned is not None)
    said = [text for text in record["warnings"] if "misleads" in text]
    assert len(said) == (warned is not None)
    assert all(f"digits: {warned}" in text and "balanced accuracy" in text for text in said)


def test_a_study_without_a_finished_run_has_no_test_sets(tmp_path):
    record = Tree(tmp_path / "results", {model: dict.fromkeys(range(2)) for model in MODELS}).run()
    assert record["test_sets"] == []
    assert balance.UNBALANCED == 1.5
