"""What must change no number of a comparison: unit, direction, names, order, and what else the study holds."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.compare import table
from bakeoff.compare.load import Loaded, Metric, Outcome, Run
from bakeoff.compare.profiles import Profile
from bakeoff.compare.spec import CompareInput
from bakeoff.provenance import finite

SPEC, DIGEST = "0" * 12, "0" * 16


def study(models, scale=1.0, direction="max", flip=False, names=None, order=None, rope=0.01):
    """Rows by candidate for scores k/200 of models at seeds; `names` relabels the models, the first is the baseline."""
    names = names or [f"m{i}" for i in range(len(models))]
    digests = {"spec": SPEC, "train_code": DIGEST, "evaluate_spec": SPEC, "evaluate_code": DIGEST}
    digests["profiles"] = [{"name": "p", "condition": "CPU", "spec": SPEC, "code": DIGEST}]
    axes = {"dataset": "d", "augmentation": "a", "recipe": "r"}
    cells = [{**axes, "model": name, "seeds": list(range(len(models[0]))), **digests} for name in names]
    cells = [cells[i] for i in order] if order else cells
    inputs = CompareInput.model_validate(
        {"study": "s", "metric": "score", "n_resamples": 100, "rope": {"score": rope * scale}, "cells": cells}
        | {"comparisons": [{"baseline": names[0]}]}
    )
    runs = {}
    for name, values in zip(names, models, strict=True):
        for seed, k in enumerate(values):
            value = (1 - k / 200 if flip else k / 200) * scale
            # The images that are right, in an order of the model's own; what each does to the score.
            right = np.random.default_rng([seed, k]).permutation(200) < k
            image = ((1 - right if flip else right) * scale).astype(np.float32)
            outcome = Outcome(right, f"{name}{seed}", None, {"score": image})
            score = {"score": Metric(value, "points", direction)}
            runs[("d", name, "a", "r"), seed] = Run(seed, score, 1.0, "cpu", "a cpu", outcome=outcome)
    return {row["candidate"]: row for row in table.rows(inputs, Loaded(runs, {"p": Profile("CPU", "CPU", "done")}))}


OF_THE_FAMILY = {
    "p_adj", "p_tost_adj", "crossed_p_adj", "family_size", "stars", "verdict", "mde80", "dagger", "warnings",
    "sentence", "sentence_ja", "seeds_for_rope", "seeds_for_observed", "images_for_rope",
}  # fmt: skip
OF_THE_RANKING = {
    "rank", "rank_lo", "rank_hi", "rank_scope", "p_best", "tied_with_best", "p_frontier", "dominated_by",
}  # fmt: skip
UNITLESS = [
    "status", "n_pairs", "p_raw", "p_exact", "p_used", "p_method", "p_adj", "p_tost", "p_tost_adj", "stars", "dagger",
    "verdict",
    "rank", "tied_with_best", "p_wilcoxon", "p_welch", "wins", "ties", "losses", "p_outperform", "p_outperform_lo",
    "p_outperform_hi", "seed_correlation", "scope", "crossed_p", "crossed_p_adj", "crossed_df", "images_p",
    "images_method", "crossed_method", "gain_double_seeds", "gain_double_images", "seeds_for_rope",
    "seeds_for_observed", "images_for_rope", "completion",
]  # fmt: skip


def models(number):
    return st.lists(st.lists(st.integers(100, 200), min_size=4, max_size=4), min_size=number, max_size=number)


def same(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-9)
    return left == right


@settings(max_examples=12, deadline=None)
@given(models(3))
def test_unit_direction_names_and_order_change_no_judgement(values):
    rows = study(values)
    others = {
        "per cent": study(values, scale=100.0),
        "error": study(values, flip=True, direction="min"),
        "order": study(values, order=[2, 0, 1]),
        "names": study(values, names=["z", "y", "x"]),
    }
    for change, other in others.items():
        for mine, theirs in zip(("m0", "m1", "m2"), ("z", "y", "x") if change == "names" else rows, strict=True):
            for key in UNITLESS:
                assert same(rows[mine][key], other[theirs][key]), (change, mine, key)
    assert others["order"] == rows
    for candidate, row in rows.items():
        per_cent, error = others["per cent"][candidate], others["error"][candidate]
        assert same(per_cent["mean"], 100 * row["mean"])
        if row["diff"] is not None:
            for key in ("diff", "images_diff", "crossed_diff"):
                assert same(error[key], -row[key])
            for key in ("diff", "diff_ci_lo", "bca_hi", "crossed_lo", "images_hi"):
                assert same(per_cent[key], row[key] and 100 * row[key]), key
            for key in ("d_z", "d_av"):
                assert same(per_cent[key], row[key])
                assert same(error[key], row[key] and -row[key])


def test_ten_equal_differences_are_judged_alike_in_every_unit():
    base = [160 + seed % 4 for seed in range(10)]
    values = [base, [k + 2 for k in base]]
    for changes in ({}, {"scale": 100.0}, {"flip": True, "direction": "min"}):
        row = study(values, **changes)["m1"]
        assert (row["status"], row["stars"]) == ("zero_variance", "★★")
        assert (row["p_used"], row["p_method"], row["t"]) == (2 / 2**10, "sign_flip", None)
        assert row["warnings"][0] == "all 10 differences are equal: no t-test; p is that of the exact sign-flip test"


@settings(max_examples=12, deadline=None)
@given(models(4))
def test_a_model_more_moves_no_number_of_another_row(values):
    fewer, more = study(values[:3]), study(values)
    for candidate, row in fewer.items():
        for key in row.keys() - OF_THE_FAMILY - OF_THE_RANKING:
            assert row[key] == more[candidate][key], (candidate, key)


# Scores that a broken metric may give: equal, tiny, huge, of both signs, and none at all.
ODD = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1e-300, 5e-324, 1e100, -1e100, 0.1 + 0.2, 0.3, math.nan, math.inf, -math.inf]),
    st.floats(-1e100, 1e100),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(ODD, min_size=4, max_size=4), min_size=3, max_size=3))
def test_no_number_of_a_row_is_ever_nan_or_infinite(values):
    rows = odd_study(values)
    json.dumps(rows, allow_nan=False)  # raises for NaN and Infinity, however deep
    assert len(rows) == 3


def odd_study(models):
    """Rows of scores as they stand, without predictions."""
    digests = {"spec": SPEC, "train_code": DIGEST, "evaluate_spec": SPEC, "evaluate_code": DIGEST}
    digests["profiles"] = [{"name": "p", "condition": "CPU", "spec": SPEC, "code": DIGEST}]
    axes = {"dataset": "d", "augmentation": "a", "recipe": "r"}
    names = [f"m{i}" for i in range(len(models))]
    cells = [{**axes, "model": name, "seeds": list(range(4)), **digests} for name in names]
    settings = {"study": "s", "metric": "score", "n_resamples": 100, "rope": {"score": 0.01}, "cells": cells}
    inputs = CompareInput.model_validate({**settings, "comparisons": [{"baseline": "m0"}]})
    runs = {
        (("d", name, "a", "r"), seed): Run(
            seed, {"score": Metric(finite(value), "fraction", "max")}, outcome=Outcome(None, f"{name}{seed}")
        )
        for name, scores in zip(names, models, strict=True)
        for seed, value in enumerate(scores)
    }
    return table.rows(inputs, Loaded(runs, {"p": Profile("CPU", "CPU", "done")}))
