"""The grid as an experiment of several factors: main effects, and whether one factor's effect depends on another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare_tree import Tree
from grid_fixture import grid
from scipy import stats

from bakeoff.compare import table
from bakeoff.compare.factorial import _contrasts, factorial, repeated
from bakeoff.compare.families import adjust
from bakeoff.compare.load import _amount_series

MODELS, AUGMENTATIONS = ("base", "big", "small"), ("none", "flip", "mix")
NOISE = np.random.default_rng(5).normal(0, 0.002, (3, 3, 2, 5))
BOTH = ({"baseline": "base"}, {"factor": "augmentation", "baseline": "none"})


def score(model: str, augmentation: str, recipe: str, seed: int, **_: str) -> float:
    i, j, k = MODELS.index(model), AUGMENTATIONS.index(augmentation), ("default", "long").index(recipe)
    helps_big_only = 0.03 if (model, augmentation) == ("big", "mix") else 0.0
    return (
        0.8 + 0.02 * i + (0.01 if augmentation == "flip" else 0.0) + helps_big_only + 0.005 * k + NOISE[i, j, k, seed]
    )


def views(run: Any = score, **settings: Any) -> list[dict[str, Any]]:
    settings = {"models": MODELS, "augmentations": AUGMENTATIONS, "comparisons": BOTH, **settings}
    found = factorial(*grid(run, **settings))
    json.dumps(found, allow_nan=False)
    return found


def view(run: Any = score, **settings: Any) -> dict[str, Any]:
    (found,) = views(run, **settings)
    return found


def of(rows: list[dict[str, Any]], **levels: str) -> dict[str, Any]:
    (found,) = [row for row in rows if row["levels"] == levels]
    return found


def test_one_factor_is_no_factorial_view() -> None:
    assert views(augmentations=("none",)) == []


def test_factors_have_the_baselines_of_the_comparisons() -> None:
    assert view()["factors"] == {"model": ["base", "big", "small"], "augmentation": ["none", "flip", "mix"]}
    without = view(comparisons=({"baseline": "big"},))
    assert without["factors"] == {"model": ["big", "base", "small"], "augmentation": ["none", "flip", "mix"]}


def test_a_main_effect_is_the_mean_over_the_other_factor_inside_each_seed() -> None:
    row = of(view()["main"], augmentation="flip")
    d = 0.01 + (NOISE[:, 1, 0] - NOISE[:, 0, 0]).mean(axis=0)  # over models, at each seed
    test = stats.ttest_1samp(d, 0)
    assert row["diff"] == pytest.approx(d.mean())
    assert row["p_raw"] == pytest.approx(test.pvalue)
    assert (row["diff_ci_lo"], row["diff_ci_hi"]) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert (row["n_pairs"], row["averaged_over"], row["p_exact"]) == (5, 3, 2 / 2**5)


def test_main_effects_of_a_factor_are_one_family() -> None:
    rows = [row for row in view()["main"] if row["factor"] == "augmentation"]
    assert [row["family_size"] for row in rows] == [2, 2]
    assert [row["p_adj"] for row in rows] == adjust([row["p_raw"] for row in rows], "holm")


def test_an_interaction_is_a_difference_of_differences() -> None:
    (found,) = view()["interactions"]
    assert (found["factor"], found["between"]) == ("augmentation", "model")
    row = of(found["differences"], model="big", augmentation="mix")
    d = 0.03 + NOISE[1, 2, 0] - NOISE[1, 0, 0] - NOISE[0, 2, 0] + NOISE[0, 0, 0]
    assert row["diff"] == pytest.approx(d.mean())
    assert row["p_raw"] == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    assert (row["verdict"], row["stars"], row["family_size"]) == ("better", "★★", 4)
    others = [r for r in found["differences"] if r is not row]
    assert {r["verdict"] for r in others} == {"inconclusive"}


def test_simple_effects_are_those_within_each_level() -> None:
    (found,) = view()["interactions"]
    assert len(found["simple"]) == 6
    row = of(found["simple"], model="big", augmentation="mix")
    assert row["diff"] == pytest.approx(0.03 + (NOISE[1, 2, 0] - NOISE[1, 0, 0]).mean())


def test_the_whole_interaction_has_one_test() -> None:
    overall = view()["interactions"][0]["overall"]
    assert (overall["df1"], overall["df2"]) == (4, 16)
    assert overall["p"] < 0.01
    flat = view(lambda model, augmentation, recipe, seed, **_: 0.8 + NOISE[MODELS.index(model), 0, 0, seed] * (
        1 + AUGMENTATIONS.index(augmentation)
    ))  # fmt: skip
    assert flat["interactions"][0]["overall"]["p"] > 0.05


def test_splits_drawn_anew_have_the_corrected_test_and_no_f() -> None:
    plain, resampled = view(), view(split="resampled", n_train=900, n_test=900)
    for before, after in zip(plain["main"], resampled["main"], strict=True):
        assert after["p_method"] == "nadeau_bengio"
        assert after["p_used"] > after["p_raw"] == before["p_used"]
    (found,) = resampled["interactions"]
    assert found["overall"] is None
    assert "drew its own split" in found["why"]


def test_three_factors_have_three_interactions_averaged_over_the_third() -> None:
    found = view(recipes=("default", "long"))
    assert [(one["between"], one["factor"]) for one in found["interactions"]] == [
        ("model", "augmentation"), ("model", "recipe"), ("augmentation", "recipe"),
    ]  # fmt: skip
    row = of(found["interactions"][1]["simple"], model="small", recipe="long")
    assert row["diff"] == pytest.approx(0.005 + (NOISE[2, :, 1] - NOISE[2, :, 0]).mean())
    assert row["averaged_over"] == 3
    assert of(found["main"], recipe="long")["averaged_over"] == 9


def test_each_data_set_is_a_view_of_its_own() -> None:
    assert [one["dataset"] for one in views(datasets=("digits", "letters"))] == ["digits", "letters"]


def test_a_seed_that_any_cell_lost_is_lost_to_the_averages_over_it() -> None:
    def run(model: str, augmentation: str, recipe: str, seed: int, **_: str) -> float | None:
        return None if (model, augmentation, seed) == ("big", "mix", 2) else score(model, augmentation, recipe, seed)

    found = view(run)
    assert of(found["main"], augmentation="mix")["seeds_used"] == [0, 1, 3, 4]
    assert of(found["main"], augmentation="flip")["n_pairs"] == 5
    assert found["interactions"][0]["overall"]["df2"] == 12


def test_cells_made_from_others_take_no_part() -> None:
    found = view(combined=("small",))
    assert found["factors"]["model"] == ["base", "big"]
    assert found["without"] == ["small"]
    assert of(found["main"], augmentation="flip")["averaged_over"] == 2


def test_a_grid_with_holes_has_no_overall_test_and_says_so() -> None:
    questions, loaded = grid(score, models=MODELS, augmentations=AUGMENTATIONS, comparisons=BOTH)
    left = tuple(cell for cell in questions.cells if (cell.model, cell.augmentation) != ("big", "mix"))
    (found,) = factorial(questions.model_copy(update={"cells": left}), loaded)
    interaction = found["interactions"][0]
    assert interaction["overall"] is None
    assert interaction["why"] == "the grid has holes: not every pair of levels has runs of the same settings"
    assert of(interaction["differences"], model="big", augmentation="mix")["status"] == "no_pairs"
    assert of(found["main"], augmentation="mix")["averaged_over"] == 2


def test_too_few_seeds_and_constant_effects_are_said() -> None:
    two = view(seeds=(0, 1))
    assert two["interactions"][0]["why"] == "2 seeds have all cells, fewer than 3"
    assert {row["verdict"] for row in two["main"]} == {"not testable"}
    constant = view(
        lambda model, augmentation, **_: 0.5 + MODELS.index(model) / 8 + AUGMENTATIONS.index(augmentation) / 8
    )
    assert constant["interactions"][0]["why"] == "the effects do not vary over seeds"
    assert {row["status"] for row in constant["main"]} == {"zero_variance"}
    assert {row["status"] for row in constant["interactions"][0]["differences"]} == {"identical"}


def test_less_is_better_where_the_metric_says_so() -> None:
    row = of(view(direction="min", metric="log_loss")["main"], model="big")
    assert row["diff"] > 0
    assert row["verdict"] == "worse"


def test_contrasts_that_vary_alike_have_epsilon_one() -> None:
    """Two contrasts of equal variance and no covariance: nothing to correct."""
    effects = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]) + 0.3
    found = repeated(effects @ _contrasts(3), _contrasts(3))
    assert found is not None
    assert found.epsilon == pytest.approx(1.0)
    assert found.f == pytest.approx(4 * 2 * 0.09 / (2 * 2 / 3))


def test_one_contrast_alone_is_the_paired_t_test() -> None:
    values = np.random.default_rng(1).normal(0.9, 0.01, (6, 2))
    found = repeated(values, _contrasts(2))
    test = stats.ttest_rel(values[:, 0], values[:, 1])
    assert found is not None
    assert (found.f, found.p, found.epsilon) == pytest.approx((test.statistic**2, test.pvalue, 1.0))


# --- beside the rows ----------------------------------------------------------------------------------------------


def test_recipes_are_compared_as_models_are() -> None:
    """A comparison along recipes within models and augmentations, and one that averages over both."""
    within = {"factor": "recipe", "baseline": "default"}
    settings = {"models": MODELS, "augmentations": AUGMENTATIONS, "recipes": ("default", "long")}
    both = (within, {**within, "within": ["dataset"], "name": "overall"})
    rows = [row for row in table.rows(*grid(score, **settings, comparisons=both)) if row["candidate"] == "long"]
    assert len(rows) == 9 + 1
    one = next(row for row in rows if row["context"] == {"model": "small", "augmentation": "mix"})
    assert (one["factor"], one["recipe"], one["family_size"]) == ("recipe", "long", 9)
    assert one["diff"] == pytest.approx(0.005 + (NOISE[2, 2, 1] - NOISE[2, 2, 0]).mean())
    overall = rows[-1]
    assert (overall["context"], overall["model"]) == ({}, None)
    assert overall["diff"] == pytest.approx(0.005 + (NOISE[:, :, 1] - NOISE[:, :, 0]).mean())


def test_the_step_writes_the_views_beside_the_rows(tmp_path: Path) -> None:
    by_seed = {"lenet5": {0: 0.8, 1: 0.81, 2: 0.83}, "resnet18": {0: 0.85, 1: 0.84, 2: 0.86}}
    found = Tree(tmp_path / "results", by_seed, augmentations=("none", "flip")).run()
    assert found["across"] == []
    assert found["factorial"][0]["factors"] == {"model": ["lenet5", "resnet18"], "augmentation": ["none", "flip"]}
    assert {cell["n_train"] for cell in found["cells"]} == {900}


def test_recipes_that_differ_in_their_images_alone_are_one_series() -> None:
    few, every, longer = (
        _amount_series({"train_images": amount, "epochs": epochs})
        for amount, epochs in ((100, 3), ("all", 3), (100, 9))
    )
    assert few == every != longer
    assert _amount_series(None) is None
