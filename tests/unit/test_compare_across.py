"""Several data sets: what is averaged, what is left out, what is tested, and what is not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from grid_fixture import grid
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.compare.datasets import MIN_DATASETS, across, block, decimals
from bakeoff.compare.friedman import beside, cliques, friedman, ranks
from bakeoff.compare.signed_rank import MAX_EXACT, signed_rank

TWELVE = tuple(f"set{i:02}" for i in range(12))


def level(name: str) -> float:
    """A number of its own for each name, the same in every run of Python."""
    return (sum(map(ord, name)) % 17) / 100


def entry(score: Any, **grid_settings: Any) -> dict[str, Any]:
    (found,) = across(*grid(score, **grid_settings))
    json.dumps(found, allow_nan=False)
    return found


def row(found: dict[str, Any], candidate: str) -> dict[str, Any]:
    return next(row for row in found["candidates"] if row["candidate"] == candidate)


def better_by(gain: float) -> Any:
    def score(dataset: str, model: str, seed: int, **_: str) -> float:
        return 0.7 + level(dataset) + 0.001 * seed + (gain * (1 + level(dataset)) if model == "other" else 0.0)

    return score


# --- what is tested -----------------------------------------------------------------------------------------------


def test_one_data_set_is_no_sample() -> None:
    assert across(*grid(better_by(0.01))) == []


def test_below_five_data_sets_there_is_no_inference_but_a_table() -> None:
    found = entry(better_by(0.01), datasets=TWELVE[:4])
    other = row(found, "other")
    assert (other["wins"], other["ties"], other["losses"]) == (4, 0, 0)
    assert other["diff"] == pytest.approx(other["mean"] - row(found, "base")["mean"])
    assert [other[name] for name in ("p_raw", "p_adj", "stars", "verdict")] == [None, None, "", "not testable"]
    assert found["untested"] == (
        "4 data sets have a score of every candidate: fewer than 5 allow no inference to new data sets"
    )
    assert not found["pairs"]
    assert found["friedman"] is None


def test_seeds_are_averaged_before_data_sets_are_counted() -> None:
    few, many = (entry(better_by(0.01), datasets=TWELVE, seeds=tuple(range(n))) for n in (1, 9))
    assert row(few, "other")["p_raw"] == row(many, "other")["p_raw"] == pytest.approx(2 / 2**12)
    assert row(many, "other")["scores"]["set00"] == pytest.approx(better_by(0.01)("set00", "other", 4))


def test_two_models_have_the_signed_rank_test_alone() -> None:
    found = entry(better_by(0.01), datasets=TWELVE)
    assert found["friedman"] is None
    assert found["nemenyi"] is None
    assert row(found, "other")["verdict"] == "better"
    assert row(found, "other")["stars"] == "★★"


def test_less_is_better_where_the_metric_says_so() -> None:
    found = entry(better_by(0.01), datasets=TWELVE, direction="min", metric="log_loss")
    other = row(found, "other")
    assert (other["losses"], other["verdict"], other["stars"], other["mean_rank"]) == (12, "worse", "▼▼", 2.0)


def test_five_data_sets_cannot_show_a_difference_and_that_is_said() -> None:
    found = entry(better_by(0.01), datasets=TWELVE[:MIN_DATASETS])
    assert row(found, "other")["p_raw"] == 2 / 2**5
    assert row(found, "other")["verdict"] == "inconclusive"
    assert "no test against the baseline can go below p = 0.062 here: no difference can be shown" in found["warnings"]


def test_small_numbers_of_data_sets_are_warned_of_up_to_ten() -> None:
    def warned(n: int) -> bool:
        return any("are few" in text for text in entry(better_by(0.01), datasets=TWELVE[:n])["warnings"])

    assert [warned(10), warned(11)] == [True, False]


def test_several_models_have_friedman_cliques_and_nemenyi() -> None:
    steps = {"base": 0.0, "near": 0.0001, "far": 0.05, "farther": 0.1}

    def score(dataset: str, model: str, seed: int, **_: str) -> float:
        sign = -1 if model == "near" and int(dataset[3:]) % 2 else 1
        return 0.7 + level(dataset) + sign * steps[model] * (1 + level(dataset))

    found = entry(score, datasets=TWELVE, models=tuple(steps))
    assert found["friedman"]["df"] == 3
    assert found["cliques"] == [["base", "near"]]
    assert found["cliques_beside"] == []
    assert len(found["pairs"]) == 6
    assert found["nemenyi"]["cd"] == pytest.approx(2.569 * (20 / 72) ** 0.5, abs=1e-3)
    assert [row(found, name)["verdict"] for name in steps] == ["baseline", "inconclusive", "better", "better"]
    assert found["family_size"] == 3


def test_contexts_are_one_family() -> None:
    found = across(*grid(better_by(0.01), datasets=TWELVE, augmentations=("none", "flip")))
    assert [one["context"]["augmentation"] for one in found] == ["flip", "none"]
    assert {one["family_size"] for one in found} == {2}
    assert row(found[0], "other")["p_adj"] == pytest.approx(2 * row(found[0], "other")["p_raw"])


def test_a_comparison_along_recipes_ranks_recipes() -> None:
    def score(dataset: str, recipe: str, seed: int, **_: str) -> float:
        return 0.7 + level(dataset) + (0.02 * (1 + level(dataset)) if recipe == "long" else 0.0)

    found = entry(
        score,
        datasets=TWELVE,
        recipes=("short", "long"),
        comparisons=({"factor": "recipe", "baseline": "short", "within": ["dataset"], "name": "length"},),
    )
    assert (found["factor"], found["context"]) == ("recipe", {})
    assert row(found, "long")["verdict"] == "better"


# --- ties ---------------------------------------------------------------------------------------------------------


def test_scores_tie_where_the_setting_says_so() -> None:
    def score(dataset: str, model: str, **_: Any) -> float:
        return 0.8 + level(dataset) + (0.00004 if model == "other" else 0.0)

    assert row(entry(score, datasets=TWELVE), "other")["wins"] == 12
    coarse = row(entry(score, datasets=TWELVE, tie_decimals=3), "other")
    assert coarse["ties"] == 12
    assert coarse["p_raw"] == 1.0


def test_what_floats_cannot_tell_is_a_tie_in_any_unit() -> None:
    nearly = np.array([[0.1 + 0.2, 0.3], [0.7, 0.7 + 1e-9]])
    for scale in (1, 100, 1e-3):
        found = (nearly * scale).round(decimals(nearly * scale))
        assert (found[:, 0] == found[:, 1]).all()
        assert found[0, 0] != found[1, 0]


# --- holes --------------------------------------------------------------------------------------------------------


def test_a_data_set_that_lacks_a_model_is_left_out_and_named() -> None:
    def score(dataset: str, model: str, seed: int, **rest: str) -> float | None:
        return None if (dataset, model) == ("set03", "other") else better_by(0.01)(dataset, model, seed)

    found = entry(score, datasets=TWELVE)
    assert len(found["datasets"]) == 11
    assert found["left_out"] == {"datasets": {"set03": ["other"]}, "candidates": {}}
    assert "without data set set03: no score of other" in found["notes"]


def test_a_model_that_lacks_most_data_sets_is_left_out_and_named() -> None:
    def score(dataset: str, model: str, seed: int, **_: str) -> float | None:
        return None if model == "third" and dataset > "set03" else better_by(0.01)(dataset, model, seed)

    found = entry(score, datasets=TWELVE, models=("base", "other", "third"))
    assert len(found["datasets"]) == 12
    assert found["left_out"]["candidates"] == {"third": list(TWELVE[4:])}


def test_a_model_goes_rather_than_the_fifth_data_set() -> None:
    def score(dataset: str, model: str, seed: int, **_: str) -> float | None:
        return None if (dataset, model) == ("set00", "third") else better_by(0.01)(dataset, model, seed)

    found = entry(score, datasets=TWELVE[:5], models=("base", "other", "third"))
    assert (len(found["datasets"]), [row["candidate"] for row in found["candidates"]]) == (5, ["base", "other"])


def test_the_baseline_never_goes() -> None:
    table = {"base": {"a": 1.0}, "x": {"a": 1.0, "b": 1.0, "c": 1.0}, "y": {"a": 1.0, "b": 1.0, "c": 1.0}}
    found = block(table, "base")
    assert (found.datasets, found.candidates) == (("a",), ("base", "x", "y"))


def test_nothing_finished_is_an_entry_without_numbers() -> None:
    found = entry(lambda **_: None, datasets=TWELVE)
    assert found["untested"] == "no data set has a score of every candidate"
    assert found["datasets"] == []


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=8))
def test_a_block_has_no_holes_and_names_all_that_it_lacks(there: list[list[bool]]) -> None:
    names = ("base", "x", "y", "z")
    table = {name: {f"d{i}": 0.5 for i, present in enumerate(there) if present[j]} for j, name in enumerate(names)}
    found = block(table, "base")
    assert found.values.shape == (len(found.datasets), len(found.candidates))
    datasets = {dataset for row in table.values() for dataset in row}
    assert {*found.datasets, *found.lacking_datasets} == datasets
    assert {*found.candidates, *found.lacking_candidates} == set(names)
    assert "base" in found.candidates or not table["base"] or not found.datasets


# --- parts --------------------------------------------------------------------------------------------------------


def test_ranks_share_the_mean_of_tied_places() -> None:
    scores = np.array([[0.9, 0.8, 0.9, 0.7]])
    assert ranks(scores, "max").tolist() == [[1.5, 3, 1.5, 4]]
    assert ranks(scores, "min").tolist() == [[3.5, 2, 3.5, 1]]


def test_friedman_where_all_agree_and_where_all_tie() -> None:
    agreed = friedman(np.tile([1.0, 2.0, 3.0], (6, 1)))
    assert agreed is not None
    assert agreed.f is None
    assert agreed.p_f == pytest.approx(6.0**-5)
    assert friedman(np.full((6, 3), 2.0)) is None


def test_signed_rank_of_nothing_but_zeros() -> None:
    found = signed_rank(np.zeros(6))
    assert (found.p, found.ties, found.plus, found.minus) == (1.0, 6, 10.5, 10.5)


def test_signed_rank_beyond_the_exact_is_close_to_it() -> None:
    d = np.random.default_rng(0).normal(0.2, 1, MAX_EXACT + 1)
    assert signed_rank(d).p == pytest.approx(signed_rank(d[:-1]).p, rel=0.4)


def test_cliques_are_runs_of_neighbours_and_name_what_they_miss() -> None:
    alike = np.ones((4, 4), dtype=bool)
    alike[0, 2] = alike[2, 0] = alike[1, 2] = alike[2, 1] = False  # 0 and 1 differ from 2, but not from 3
    runs = cliques(alike)
    assert runs == [(0, 1), (2, 3)]
    assert beside(alike, runs) == [(0, 3), (1, 3)]
    assert cliques(np.eye(3, dtype=bool)) == []
    assert cliques(np.ones((3, 3), dtype=bool)) == [(0, 2)]


# --- properties ---------------------------------------------------------------------------------------------------

_TABLES = st.lists(st.lists(st.integers(0, 1000), min_size=3, max_size=3), min_size=6, max_size=9)
_STABLE = ("wins", "ties", "losses", "p_raw", "p_adj", "stars", "verdict", "mean_rank")


@settings(max_examples=25, deadline=None)
@given(_TABLES)
def test_neither_unit_nor_direction_nor_order_matters(table: list[list[int]]) -> None:
    names = ("base", "x", "y")

    def found(scale: float, sign: int, reverse: bool) -> list[list[Any]]:
        datasets = tuple(f"d{i}" for i in range(len(table)))

        def score(dataset: str, model: str, **_: Any) -> float:
            value = table[int(dataset[1:])][names.index(model)] / 1000
            return scale * (value if sign > 0 else 1 - value)

        ways = {"direction": "max" if sign > 0 else "min", "metric": "log_loss"}
        questions, loaded = grid(score, datasets=datasets[::-1] if reverse else datasets, models=names, **ways)
        (entry,) = across(questions, loaded)
        json.dumps(entry, allow_nan=False)
        return [[row[name] for name in _STABLE] for row in entry["candidates"]]

    plain = found(1, 1, False)
    assert found(100, 1, False) == plain
    assert found(1, -1, False) == plain
    assert found(1, 1, True) == plain


def test_another_model_moves_no_p_against_the_baseline() -> None:
    two = row(entry(better_by(0.01), datasets=TWELVE), "other")
    three = row(entry(better_by(0.01), datasets=TWELVE, models=("base", "other", "third")), "other")
    assert [two[name] for name in ("p_raw", "wins", "diff")] == [three[name] for name in ("p_raw", "wins", "diff")]
