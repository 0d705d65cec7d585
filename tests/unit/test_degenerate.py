"""Too few seeds, seeds that say nothing, runs that failed: what a row does then. A test for each such situation."""

from __future__ import annotations

import numpy as np
import pytest
from compare_tree import N, Tree
from pydantic import ValidationError

from bakeoff.compare.spec import CompareSettings
from bakeoff.errors import Refused

LENET = {0: 0.80, 1: 0.79, 2: 0.81, 3: 0.80, 4: 0.82, 5: 0.81, 6: 0.79, 7: 0.80}
RESNET = {0: 0.93, 1: 0.94, 2: 0.93, 3: 0.95, 4: 0.94, 5: 0.93, 6: 0.95, 7: 0.92}
NO_TEST = ("p_used", "p_adj", "p_nb", "family")


def first(n, scores):
    return dict(list(scores.items())[:n])


def row(tmp_path, resnet, lenet=LENET, metric="accuracy", **settings):
    return Tree(tmp_path / "results", {"resnet18": resnet, "lenet5": lenet}).row("resnet18", metric, **settings)


def test_one_seed_says_what_the_images_say_and_no_more(tmp_path):
    found = row(tmp_path, {0: 0.93}, {0: 0.80})
    assert (found["status"], found["verdict"], found["stars"], found["scope"]) == (
        "one_seed",
        "not testable",
        "",
        "images",
    )
    assert found["images_method"] == "mcnemar"
    assert found["images_p"] < 1e-4
    assert found["images_diff"] == pytest.approx(found["diff"])
    assert found["images_lo"] < found["images_diff"] < found["images_hi"]
    assert [found[name] for name in ("diff_ci_lo", "bca_lo", "crossed_p", "t", "seed_correlation", "d_av")] == [
        None
    ] * 6
    assert found["warnings"] == [
        "one seed: cannot say for new seeds; the test over images is of these trained models only"
    ]
    assert "one seed cannot say what another would give" in found["sentence"]


def test_two_seeds_have_an_interval_and_no_star(tmp_path):
    found = row(tmp_path, first(2, RESNET), first(2, LENET))
    assert (found["status"], found["verdict"], found["stars"], found["df"]) == ("two_seeds", "not testable", "", 1)
    assert found["p_exact"] == 0.5
    assert found["images_method"] == "seed_averaged"
    assert "so few seeds allow no test" in found["sentence"]


@pytest.mark.parametrize(
    ("n", "floor", "dagger"), [(3, 0.25, "†"), (4, 0.125, "†"), (5, 0.0625, "†"), (6, 0.03125, "")]
)
def test_up_to_five_seeds_a_star_rests_on_normality(tmp_path, n, floor, dagger):
    found = row(tmp_path, first(n, RESNET), first(n, LENET))
    assert found["stars"] == "★★"
    assert (found["p_exact"], found["dagger"]) == (floor, dagger)
    assert ("rests on the differences being normal" in found["sentence"]) == bool(dagger)


def test_all_differences_equal_and_not_zero(tmp_path):
    base = {seed: 0.70 + 0.01 * (seed % 3) for seed in range(10)}
    found = row(tmp_path, {seed: score + 0.02 for seed, score in base.items()}, base)
    assert (found["status"], found["p_method"], found["stars"]) == ("zero_variance", "sign_flip", "★★")
    assert (found["t"], found["d_z"], found["bca_lo"], found["mde80"], found["seeds_for_observed"]) == (None,) * 5
    assert found["p_used"] == 2 / 2**10
    assert found["diff_ci_lo"] == found["diff_ci_hi"] == pytest.approx(0.02)
    assert "all 10 differences are equal: no t-test; p is that of the exact sign-flip test" in found["warnings"]
    assert "differences without spread have no t" in found["sentence"]


def test_all_differences_zero(tmp_path):
    found = row(tmp_path, LENET)
    assert (found["status"], found["p_used"], found["stars"], found["ties"]) == ("identical", 1.0, "", 8)
    assert "one model under two names" in found["warnings"][0]
    assert "leaves no difference to test" in found["sentence"]


def test_a_metric_at_its_ceiling_asks_for_a_harder_one(tmp_path):
    perfect = dict.fromkeys(range(4), 1.0)
    found = row(tmp_path, perfect, perfect)
    assert found["status"] == "identical"
    assert "all 8 scores are the best there is: take a harder metric or test set" in found["warnings"]


def test_one_side_constant_is_tested_and_noted(tmp_path):
    image = np.arange(N)
    # Other images each time, as many of them.
    steady = {seed: (image + 7 * seed) % N < 240 for seed in range(6)}
    found = row(tmp_path, first(6, RESNET), steady)
    assert (found["status"], found["p_method"], found["seed_correlation"]) == ("ok", "paired_t", None)
    assert "the baseline scores the same at every seed" in found["warnings"]


def test_a_failed_seed_is_dropped_named_and_imagined_at_its_worst(tmp_path):
    found = row(tmp_path, {**RESNET, 3: None})
    assert (found["n_pairs"], found["seeds_dropped"], found["completion"], found["dagger"]) == (7, [3], 7 / 8, "")
    assert found["warnings"] == ["resnet18 diverged at seed 3: dropped"]
    # Seed 3 as bad as the worst of its side, 0.92: 0.12 above lenet5's 0.80.
    others = sum(RESNET[seed] - LENET[seed] for seed in LENET if seed != 3)
    assert found["worst_diff"] == pytest.approx((others + 0.12) / 8)
    assert found["worst_p"] < 0.001


def test_more_than_a_fifth_failed_is_marked(tmp_path):
    found = row(tmp_path, {**RESNET, 1: None, 3: None})
    assert found["completion"] == 0.75
    assert found["dagger"] == "‡"
    assert "2 of 8 seeds lost: what is left may be a selection" in found["warnings"]
    assert "Only 75% of the planned runs of the candidate ended well." in found["sentence"]
    five = row(tmp_path / "five", {**first(5, RESNET), 1: None, 3: None}, first(5, LENET))
    assert five["dagger"] == "†‡"


def test_a_failed_baseline_is_no_win(tmp_path):
    """Its failed run counts as its worst, which the candidate has to beat."""
    found = row(tmp_path, RESNET, {**LENET, 0: None})
    assert found["completion"] == 1
    assert found["worst_diff"] is not None
    none_failed = row(tmp_path / "none", RESNET)
    assert (none_failed["worst_diff"], none_failed["worst_p"], none_failed["completion"]) == (None, None, 1)


def test_no_shared_seed_is_welchs_test_and_a_nested_one(tmp_path):
    found = row(tmp_path, {seed + 20: score for seed, score in RESNET.items()})
    assert (found["status"], found["p_method"], found["scope"]) == ("unpaired", "welch", "seeds+images")
    assert found["p_welch"] == found["p_used"] == found["p_raw"]
    assert (found["p_wilcoxon"], found["wins"], found["var_seed"], found["gain_double_seeds"]) == (None,) * 4
    assert found["crossed_lo"] < found["diff"] < found["crossed_hi"]
    assert "no seed is shared: unpaired (Welch)" in found["warnings"]
    assert "none shared" in found["sentence"]


def test_a_metric_without_a_value_is_a_failed_run(tmp_path):
    tree = Tree(tmp_path / "results", {"resnet18": RESNET, "lenet5": LENET})
    tree.remeasure("resnet18", 2, {"log_loss": None})
    found = tree.row("resnet18", "log_loss")
    assert (found["n_ok"], found["n_pairs"], found["completion"]) == (7, 7, 7 / 8)
    assert "resnet18 has no log_loss at seed 2: dropped" in found["warnings"]
    assert found["worst_diff"] is not None


@pytest.mark.parametrize("value", [1.2, -0.1, 93.0])
def test_an_accuracy_outside_of_its_range_is_refused(tmp_path, value):
    tree = Tree(tmp_path / "results", {"resnet18": RESNET, "lenet5": LENET})
    tree.remeasure("resnet18", 2, {"accuracy": value})
    with pytest.raises(Refused, match=rf"seed2/metrics\.json: accuracy is {value}"):
        tree.run()


def test_more_seeds_than_were_planned_is_optional_stopping(tmp_path):
    found = row(tmp_path, RESNET, seeds_planned=5)
    assert "8 seeds, though 5 were planned" in found["warnings"][0]
    assert not row(tmp_path / "as_planned", RESNET, seeds_planned=8)["warnings"]


def test_splits_drawn_anew(tmp_path):
    found = row(tmp_path, RESNET, split="resampled", n_train=900, n_test=100)
    assert (found["p_method"], found["p_used"]) == ("nadeau_bengio", found["p_nb"])
    assert found["p_nb"] > found["p_raw"]
    assert (found["crossed_p"], found["images_p"], found["scope"]) == (None, None, "seeds")
    assert "corrected resampled t-test" in found["sentence"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"split": "resampled"}, "needs n_train and n_test"),
        ({"split": "resampled", "n_train": 100}, "needs n_train and n_test"),
        ({"n_train": 100, "n_test": 10}, "those of split: resampled"),
        ({"split": "cv"}, "split"),
        ({"seeds_planned": 0}, "seeds_planned"),
    ],
)
def test_wrong_settings_of_splits(settings, said):
    with pytest.raises(ValidationError, match=said):
        CompareSettings(**settings)


def test_seeds_that_hardly_vary_together_are_noted_where_nothing_is_found(tmp_path):
    lenet = dict(enumerate((0.80, 0.84, 0.79, 0.83, 0.80, 0.82)))
    resnet = dict(enumerate((0.84, 0.80, 0.83, 0.79, 0.82, 0.81)))
    found = row(tmp_path, resnet, lenet)
    assert found["seed_correlation"] < -0.5
    assert any("hardly vary together (r < 0.2)" in warning for warning in found["warnings"])
    assert not any(
        "hardly" in warning
        for warning in row(tmp_path / "sure", {s: v + 0.1 for s, v in resnet.items()}, lenet)["warnings"]
    )


def test_a_test_set_too_small_for_any_number_of_seeds_is_named(tmp_path):
    """Both miss 40 images, each its own, whatever the seed: 300 images cannot tell half a point."""
    image = np.arange(N)
    lenet = {seed: (image >= 40 + seed % 3) & (image < 290) for seed in range(16)}
    resnet = {seed: image < 250 + (2 * seed) % 3 - 1 for seed in range(16)}
    found = row(tmp_path, resnet, lenet)
    assert found["verdict"] == "inconclusive"
    assert found["gain_double_images"] > 0.25 > 0.05 > found["gain_double_seeds"]
    assert found["images_for_rope"] > 5_000
    assert any("no number of seeds would show a difference of the margin" in text for text in found["warnings"])
    assert "The test set, not the seeds, is the limit" in found["sentence"]
