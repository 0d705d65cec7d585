"""What must change no number of a comparison: unit, direction, names, order, and what else the study holds."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.compare import table
from bakeoff.compare.load import Loaded, Metric, Outcome, Run
from bakeoff.compare.profiles import Profile
from bakeoff.compare.spec import CompareInput

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
            outcome = Outcome(np.zeros(2, dtype=bool), f"{name}{seed}")
            score = {"score": Metric(value, "points", direction)}
            runs[("d", name, "a", "r"), seed] = Run(seed, score, 1.0, "cpu", "a cpu", outcome=outcome)
    return {row["candidate"]: row for row in table.rows(inputs, Loaded(runs, {"p": Profile("CPU", "CPU", "done")}))}


OF_THE_FAMILY = {"p_adj", "family_size", "stars", "verdict", "mde80", "dagger", "warnings"}
OF_THE_RANKING = {
    "rank", "rank_lo", "rank_hi", "rank_scope", "p_best", "tied_with_best", "p_frontier", "dominated_by",
}  # fmt: skip
UNITLESS = [
    "status", "n_pairs", "p_raw", "p_exact", "p_used", "p_method", "p_adj", "p_tost", "stars", "dagger", "verdict",
    "rank", "tied_with_best",
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
        assert same(others["per cent"][candidate]["mean"], 100 * row["mean"])
        assert row["diff"] is None or same(others["error"][candidate]["diff"], -row["diff"])


@settings(max_examples=12, deadline=None)
@given(models(4))
def test_a_model_more_moves_no_number_of_another_row(values):
    fewer, more = study(values[:3]), study(values)
    for candidate, row in fewer.items():
        for key in row.keys() - OF_THE_FAMILY - OF_THE_RANKING:
            assert row[key] == more[candidate][key], (candidate, key)
