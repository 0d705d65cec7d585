"""The models of one group side by side, on one metric: their scores, their costs, and draws of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from bakeoff.compare import costs, paired, resampling, seeds
from bakeoff.compare.contrast import rng_for
from bakeoff.compare.costs import Cost
from bakeoff.compare.crossed import crossed_test
from bakeoff.compare.grid import Group, contributions, scores
from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import FloatArray, Interval
from bakeoff.compare.resampling import Draws, Scores
from bakeoff.compare.spec import Place, Questions

# Draws for a metric that is not the primary one: a probability then has a standard error of 0.016 at most.
_EXPLORATORY = 1000


@dataclass(frozen=True)
class Pool:
    """All values of a group's factor in the settings that all of them have.

    `by_image` is what each image does to the score, by seed [S, N], where that is known of every model; `costs` are
    those that are known of each;
    `untested` are the models whose seeds are no repetitions. `question` is what the pool's random numbers depend on.
    """

    question: tuple[object, ...]
    direction: str
    scores: Scores
    by_image: Mapping[str, FloatArray] | None
    costs: Mapping[str, Mapping[str, Cost]]
    untested: frozenset[str]
    draws: Draws
    rng_seed: int

    def rng(self, purpose: str) -> np.random.Generator:
        """The pool's own generator for one purpose."""
        return rng_for(self.rng_seed, purpose, *self.question)

    def interval(self, name: str) -> Interval | None:
        """95 % interval of a model's own mean, for new seeds and, where images are known, new images; or None."""
        if name in self.untested:
            return None
        if self.by_image is None:
            return paired.t_interval(np.array(list(self.scores[name].values())))
        table = self.by_image[name]
        if len(table) == 1:
            return paired.t_interval(table[0])
        crossed = crossed_test(table, paired.resolution(table.mean(axis=1)))
        return crossed.ci if crossed else None

    def cost_draws(self, name: str, cost: str) -> FloatArray:
        """A cost that is known, in each draw: [1] when it has no error, else [B], as many as the draws of scores.

        The median of repeated timings over drawn stretches of them; the mean over the drawn seeds.
        """
        known = self.costs[name][cost]
        if known.by_seed:
            return self.draws.mean(known.by_seed)
        if not known.blocks:
            return np.array([known.value])
        return _timed(self.rng_seed, cost, known.value, known.blocks, self.draws.times.shape[1])


@cache
def _timed(rng_seed: int, cost: str, value: float, blocks: tuple[float, ...], n_draws: int) -> FloatArray:
    """Of the timings alone, so that a model more changes nobody's; and the same for each metric of a model."""
    times, rng = np.array(blocks), rng_for(rng_seed, "cost", cost, value)
    medians = np.median(times[rng.integers(times.size, size=(n_draws, times.size))], axis=1)
    drawn: FloatArray = value * medians / np.median(times)
    drawn.setflags(write=False)  # the same array for all who ask
    return drawn


def pool(group: Group, metric: str, direction: str, inputs: Questions, loaded: Loaded) -> Pool:
    """Gather the models of `group`. Their draws depend on the question, not on the order of anything."""
    strata = group.shared(*group.sides)
    sides = {value: group.cells(value, strata) for value in group.sides}
    by_seed = {value: scores(cells, loaded, metric) for value, cells in sides.items()}
    # Splits drawn anew have images of their own at each seed.
    by_image = None if inputs.overlap else _by_image(sides, by_seed, loaded, metric)
    n_resamples = inputs.n_resamples if metric == inputs.metric else min(inputs.n_resamples, _EXPLORATORY)
    question = (group.comparison.name, group.dataset, dict(group.context), metric)
    return Pool(
        question=question,
        direction=direction,
        scores=by_seed,
        by_image=by_image,
        costs={value: costs.objectives(cells, loaded) for value, cells in sides.items()},
        untested=frozenset(value for value, cells in sides.items() if seeds.any_failed(cells, loaded)),
        draws=resampling.draw(by_seed, by_image, rng_for(inputs.rng_seed, "rank", *question), n_resamples),
        rng_seed=inputs.rng_seed,
    )


def _by_image(
    sides: Mapping[str, Sequence[Place]], by_seed: Scores, loaded: Loaded, metric: str
) -> dict[str, FloatArray] | None:
    """The contributions of the images for all models that have scores; None where those of any are not known."""
    known = {value: contributions(sides[value], loaded, sorted(at), metric) for value, at in by_seed.items() if at}
    complete = {value: table for value, table in known.items() if table is not None}
    return complete if len(complete) == len(known) else None
