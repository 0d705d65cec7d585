"""Errors instead of right answers: their size says nothing, less is better, and a figure shows some of all images."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from bakeoff.compare import diagnostics, jackknife, recommend
from bakeoff.compare.load import Loaded, Metric, Outcome, Predicted, Run
from bakeoff.compare.phrases import LANGUAGES
from bakeoff.compare.spec import Place, Questions
from bakeoff.compare.table import rows
from bakeoff.evaluate.regression import OF_TARGETS, Outputs

SEEDS = (0, 1, 2, 3)


def errors(scale: float) -> tuple[Questions, Loaded]:
    """Two models' squared errors of 60 images, `other` with a fifth more: seeds, images and both vary."""
    rng = np.random.default_rng(0)
    cells, runs = [], {}
    images = rng.gamma(4, 0.25, 60)
    for model, factor in (("base", 1.0), ("other", 1.2)):
        cells.append(Place(dataset="d", model=model, augmentation="none", recipe="r", seeds=SEEDS))
        for seed in SEEDS:
            values = scale * factor * images * rng.normal(1, 0.05) * rng.normal(1, 0.2, 60) ** 2
            metric = {"mse": Metric(float(values.mean()), "m²", "min")}
            runs[cells[-1].key, seed] = Run(seed, metric, outcome=Outcome(per_image={"mse": values}))
    asked: dict[str, Any] = {"metric": "mse", "comparisons": ({"baseline": "base"},), "n_resamples": 200}
    return Questions(cells=tuple(cells), **asked), Loaded(runs, {})


def test_no_unit_is_too_small_for_a_test() -> None:
    """Squares of metres where all happens within a tenth of a millimetre: the same p, and seeds that vary."""
    (_, metres), (_, small) = (rows(*errors(scale)) for scale in (1.0, 1e-9))
    assert metres["stars"].startswith("▼")
    assert metres["crossed_p"] < 0.05
    same = ("stars", "verdict", "rank", "tied_with_best", "warnings", "crossed_method")
    assert {name: small[name] for name in same} == {name: metres[name] for name in same}
    assert not re.search(r"\b0\.0+\b", small["sentence"]), small["sentence"]
    for name in ("p_used", "crossed_p", "crossed_df", "images_p", "rel_err_reduction"):
        assert small[name] == pytest.approx(metres[name], rel=1e-6), name
    for name in ("diff", "crossed_lo", "crossed_hi", "images_lo"):
        assert small[name] == pytest.approx(metres[name] * 1e-9, rel=1e-6), name


def test_points_are_of_all_test_images_to_their_digits() -> None:
    """A test set in the order of its targets is shown from the first to the last, and small numbers are not zero."""
    n, place = 1001, Place(dataset="d", model="m", augmentation="none", recipe="r", seeds=(0,))
    targets = np.linspace(1e-9, 2e-9, n)[:, None]
    outcome = Predicted(history=None, targets=targets, outputs=targets * 1.5)  # type: ignore[arg-type]
    run = Run(0, {}, outcome=outcome, targets=({"name": "x", "unit": "m"},))
    shown = diagnostics.outputs(place, Loaded({(place.key, 0): run}, {}))
    assert shown is not None
    (true,), (predicted,) = shown["true"], shown["predicted"]
    assert len(true) == len(predicted) == diagnostics.SHOWN
    assert (true[0], true[-1]) == pytest.approx((1e-9, 2e-9), rel=1e-5)
    assert np.diff(true) == pytest.approx(2e-12, rel=0.6)
    assert predicted == pytest.approx([1.5 * value for value in true], rel=1e-5)


@pytest.mark.parametrize(
    ("language", "of", "said"),
    [
        ("en", (2.834, (1.195, 4.474), "px"), "2.834 px [1.195, 4.474]"),
        ("ja", (2.834, None, "px"), "2.834px"),
        ("en", (-0.0069, (-0.02, 0.01), "coefficient"), "−0.0069 [−0.02, 0.01]"),
    ],
)
def test_an_amount_has_its_unit(language: str, of: tuple[Any, Any, str], said: str) -> None:
    assert recommend.amount(*of, LANGUAGES[language]) == said


def test_a_relative_error_is_what_evaluate_says_of_targets_near_nothing() -> None:
    targets, outputs = np.array([[0.0], [1e-4], [2.0]]), np.array([[1e-3], [0.0], [1.0]])
    whole = OF_TARGETS["mape"].measure(Outputs(targets, outputs)).value
    assert jackknife.of_outputs(targets, outputs)["mape"].mean() == pytest.approx(whole) == pytest.approx(1.6 / 3)
