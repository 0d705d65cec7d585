"""`bakeoff compare --predictions`: the answers to each test image, made elsewhere; and `--plan`, from a pilot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import Call
from scores_fixture import record, refusal, row, scores, table


@pytest.fixture
def call(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """`bakeoff compare`, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return partial(call, "compare")


# --- predictions --------------------------------------------------------------------------------------------------


def answers(seeds: int = 3, images: int = 200, right: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Predictions of three classes with so many right, which images are hard being the models' own and the seed's."""
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, images)
    parts = []
    for model, share in (right or {"resnet18": 0.80, "resnet34": 0.86}).items():
        own = rng.normal(size=images)
        for seed in range(seeds):
            hard = own + rng.normal(size=images)
            wrong = hard > np.quantile(hard, share + 0.01 * rng.normal())
            ids = [f"{i:03}.png" for i in range(images)]
            predicted = np.where(wrong, (truth + 1) % 3, truth)
            parts.append(
                pd.DataFrame({"model": model, "seed": seed, "example_id": ids, "y_true": truth, "y_pred": predicted})
            )
    return pd.concat(parts)


def of_answers(frame: pd.DataFrame) -> str:
    right = (frame["y_true"] == frame["y_pred"]).groupby([frame["model"], frame["seed"]]).mean()
    return table((model, seed, "accuracy", f"{value:.3f}") for (model, seed), value in right.items())


def test_predictions_give_the_test_for_new_images_with_and_without_scores(call: Call) -> None:
    frame = answers()
    frame.to_csv("p.csv", index=False)
    found = row(record(call, of_answers(frame), "--predictions", "p.csv"))
    assert 0 < found["crossed_p"] < 1
    assert found["crossed_diff"] == pytest.approx(found["diff"], abs=1e-3)
    assert {found["scope"], found["crossed_method"]} == {"seeds+images", "correctness"}

    alone = call("--predictions", "p.csv", "--baseline", "resnet18", "--json")
    assert row(json.loads(alone.out))["crossed_p"] == found["crossed_p"]
    frame.sample(frac=1, random_state=1).to_csv("q.csv", index=False)
    assert call("--predictions", "q.csv", "--baseline", "resnet18", "--json").out == alone.out
    frame["correct"] = (frame["y_true"] == frame["y_pred"]).astype(int)
    for model, part in frame.drop(columns=["y_true", "y_pred"]).groupby("model"):
        part.to_csv(f"{model}.csv", index=False)
    two = call("--predictions", "resnet34.csv", "--predictions", "resnet18.csv", "--baseline", "resnet18", "--json")
    assert row(json.loads(two.out))["crossed_p"] == found["crossed_p"]


def test_the_table_says_what_holds_for_new_images(call: Call) -> None:
    answers(right={"resnet18": 0.6, "resnet34": 0.9}, images=400).to_csv("p.csv", index=False)
    result = call("--predictions", "p.csv", "--baseline", "resnet18")
    assert "For new images" in result.out
    assert "◆" in result.out
    assert "--out DIR" in result.err


def test_metrics_that_follow_from_the_answers_are_tested_for_new_images_too(call: Call) -> None:
    frame = answers()
    frame.to_csv("p.csv", index=False)
    recalls = [
        (model, seed, "balanced_accuracy", (part["y_true"] == part["y_pred"]).groupby(part["y_true"]).mean().mean())
        for (model, seed), part in frame.groupby(["model", "seed"])
    ]
    found = row(record(call, table(recalls), "--predictions", "p.csv"))
    assert found["crossed_method"] == "jackknife"
    assert found["crossed_diff"] == pytest.approx(found["diff"], abs=1e-6)


def test_one_seed_is_tested_over_images_alone(call: Call) -> None:
    answers(seeds=1).to_csv("p.csv", index=False)
    found = row(json.loads(call("--predictions", "p.csv", "--baseline", "resnet18", "--json").out))
    assert (found["images_method"], found["stars"], found["verdict"]) == ("mcnemar", "", "not testable")


def test_two_seeds_that_are_one_run_earn_no_star(call: Call) -> None:
    frame = answers()
    twin = frame[(frame["model"] == "resnet34") & (frame["seed"] == 0)].assign(seed=3)
    base = frame[(frame["model"] == "resnet18") & (frame["seed"] == 0)].assign(seed=3)
    base.loc[:, "y_pred"] = np.roll(base["y_pred"].to_numpy(), 1)
    pd.concat([frame, twin, base]).to_csv("p.csv", index=False)
    found = json.loads(call("--predictions", "p.csv", "--baseline", "resnet18", "--json").out)
    assert row(found)["status"] == "identical_seeds"
    assert found["warnings"][0].startswith("ERROR: ")


def wrong_predictions(change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(answers(images=4).reset_index(drop=True)).to_csv("p.csv", index=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f.drop(index=2),
            "p.csv: resnet18 at seed 0 has 3 of the 4 test images; example_id "
            "'002.png' is missing, which p.csv has in line 7 for resnet18: runs on two test sets do not "
            "compare",
        ),
        (
            lambda f: pd.concat([f, f.iloc[[0]]]),
            "p.csv: line 26: example_id '000.png' of resnet18 at seed 0 is there already, in line 2",
        ),
        (
            lambda f: f.assign(y_true=np.where(f.index == 5, 7, f["y_true"])),
            "p.csv: line 7: y_true of example_id '001.png' is '7', and '2' in another run",
        ),
        (
            lambda f: f.drop(columns="y_pred"),
            "p.csv: line 1: needs a column 'correct' (0 or 1), or both 'y_true' and 'y_pred'",
        ),
        (lambda f: f.assign(correct=2), "p.csv: line 2: correct: must be 0 or 1 (and 23 more)"),
        (
            lambda f: f.assign(correct=(f["y_true"] != f["y_pred"])),
            "p.csv: line 2: correct does not agree with y_true and y_pred (and 23 more)",
        ),
        (lambda f: f.assign(seed="a"), "p.csv: line 2: seed: 'a' is no whole number"),
        (
            lambda f: f.drop(columns="example_id"),
            "p.csv: line 1: there is no column 'example_id' (needed: model, seed, example_id; there: model, "
            "seed, y_true, y_pred)",
        ),
    ],
)
def test_what_is_wrong_with_predictions_is_said(
    call: Call, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    wrong_predictions(change)
    assert call("--predictions", "p.csv", "--baseline", "resnet18").err == f"bakeoff: {message}\n"


def test_predictions_of_other_runs_than_the_scores_are_refused(call: Call) -> None:
    frame = answers()
    frame.to_csv("p.csv", index=False)
    right = of_answers(frame)
    assert refusal(call, right.replace("resnet34", "resnet-34"), "--predictions", "p.csv").startswith(
        "p.csv: has predictions of resnet34 at seed 0, of which s.csv has no score (3 such)"
    )
    first = right.splitlines()[1]
    assert first == "resnet18,0,accuracy,0.790"
    assert refusal(call, right.replace(first, "resnet18,0,accuracy,0.9"), "--predictions", "p.csv") == (
        "s.csv: line 2: accuracy of resnet18 at seed 0 is 90.00 %, but 79.00 % by its predictions in p.csv"
    )
    without = frame[(frame["model"] != "resnet34") | (frame["seed"] != 0)]
    without.to_csv("p.csv", index=False)
    found = record(call, right, "--predictions", "p.csv")
    assert "1 of 6 runs have no predictions: no test for new images with them" in found["warnings"]
    assert row(found)["crossed_p"] is None


def test_parquet_is_read_where_pyarrow_is_and_else_named_as_what_is_missing(call: Call) -> None:
    Path("p.parquet").write_bytes(b"PAR1 and no more")
    result = call("--predictions", "p.parquet", "--baseline", "resnet18")
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        assert "reading parquet needs pyarrow; install bakeoff with the extra parquet" in result.err
        return
    assert "p.parquet: is damaged or no parquet" in result.err
    frame = answers()
    frame.to_csv("p.csv", index=False)
    frame.to_parquet("p.parquet")
    outputs = [call("--predictions", name, "--baseline", "resnet18", "--json").out for name in ("p.csv", "p.parquet")]
    assert outputs[0] == outputs[1]


# --- from a pilot -------------------------------------------------------------------------------------------------


def plan(call: Call, *options: str) -> dict[str, Any]:
    result = call(*options, "--baseline", "resnet18", "--plan", "--json")
    assert result.status == 0, result.err
    (found,) = json.loads(result.out)["plans"]
    return dict(found)


def test_a_pilot_says_how_many_seeds_are_needed(call: Call) -> None:
    noise = (-0.01, 0.0, 0.01)  # standard deviation 0.01 of the differences
    Path("s.csv").write_text(scores({"resnet18": (0.8, 0.8, 0.8), "resnet34": tuple(0.81 + d for d in noise)}))
    found = plan(call, "s.csv", "--rope", "0.01")
    assert found["std"] == pytest.approx(0.01)
    # d_z = 1 needs 10 pairs at alpha = 0.05 (G*Power 3.1, two-sided paired t-test, power 0.8)
    assert (found["seeds_for_margin"], found["seeds_for_observed"]) == (10, 10)
    assert found["detectable"] == pytest.approx(0.0326, abs=1e-4)
    assert [line["seeds"] for line in found["outlooks"]] == [3, 5, 10, 20, 30]
    assert found["outlooks"][2]["power"] == pytest.approx(0.803, abs=1e-3)
    assert found["outlooks"][2]["half_width"] == pytest.approx(2.2622 * 0.01 / 10**0.5, rel=1e-4)
    shown = call("s.csv", "--baseline", "resnet18", "--plan", "--rope", "0.01")
    assert "To show a difference of the margin, 1.0 points, on these test images: 10 seeds." in shown.out
    assert "with --predictions it is for new ones too" in shown.out


def test_where_the_images_are_the_limit_no_number_of_seeds_helps(call: Call) -> None:
    answers(images=100, right={"resnet18": 0.8, "resnet34": 0.82}).to_csv("p.csv", index=False)
    found = plan(call, "--predictions", "p.csv", "--rope", "0.02")
    assert found["seeds_help"] is False
    assert found["images_needed"] is None or found["images_needed"] > 100
    assert [line["images"] for line in found["outlooks"][:3]] == [100, 200, 400]
    halves = [line["half_width"] for line in found["outlooks"]]
    assert halves[0] > halves[1] > halves[2]
    assert halves[0] > halves[3]
    shown = call("--predictions", "p.csv", "--baseline", "resnet18", "--plan", "--rope", "0.02")
    assert "no number of seeds helps to show 2.0 points on 100 test images" in shown.out


def test_of_one_seed_nothing_can_be_planned(call: Call) -> None:
    Path("s.csv").write_text(scores({"resnet18": (0.8,), "resnet34": (0.81,)}))
    assert "needs two seeds" in plan(call, "s.csv")["reason"]
    assert "Nothing can be planned" in call("s.csv", "--baseline", "resnet18", "--plan").out
