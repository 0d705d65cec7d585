"""Scores of a made-up grid as the statistics take them: places, and the runs at them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from bakeoff.compare.load import Loaded, Metric, Outcome, Run
from bakeoff.compare.spec import Place, Questions

Score = Callable[..., float | None]


def grid(
    score: Score,
    *,
    datasets: tuple[str, ...] = ("digits",),
    models: tuple[str, ...] = ("base", "other"),
    augmentations: tuple[str, ...] = ("none",),
    recipes: tuple[str, ...] = ("default",),
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    comparisons: tuple[dict[str, Any], ...] = ({"baseline": "base"},),
    combined: tuple[str, ...] = (),
    metric: str = "accuracy",
    direction: Any = "max",
    **settings: Any,
) -> tuple[Questions, Loaded]:
    """`score(dataset, model, augmentation, recipe, seed)` is a run's; None for one that diverged."""
    cells, runs = [], {}
    for dataset, model, augmentation, recipe in product(datasets, models, augmentations, recipes):
        place = {"dataset": dataset, "model": model, "augmentation": augmentation, "recipe": recipe}
        cells.append(Place(**place, seeds=seeds, combined=model in combined))
        for seed in seeds:
            value = score(**place, seed=seed)
            measured = {metric: Metric(value, "fraction", direction)}
            runs[cells[-1].key, seed] = Run(seed, measured, outcome=None if value is None else Outcome())
    questions = Questions(metric=metric, comparisons=comparisons, cells=tuple(cells), n_resamples=500, **settings)
    return questions, Loaded(runs, {})
