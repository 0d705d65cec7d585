"""Where a model stands among all: its rank, whether the best is better at all, whether it is worth its cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bakeoff.compare import paired
from bakeoff.compare.families import adjust
from bakeoff.compare.paired import Difference, FloatArray

Scores = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Standing:
    """Rank 1 is best, equal scores share a rank; its interval is 95 %, over seeds.

    `p_frontier` is the share of seed resamples in which no other model is at least as good in score and in every cost
    and better in one. Costs are taken as measured, without error.
    """

    rank: int | None = None
    interval: tuple[int, int] | None = None
    tied_with_best: bool | None = None
    p_frontier: float | None = None


def standings(
    scores: Scores,
    costs: Mapping[str, Sequence[float] | None],
    direction: str,
    alpha: float,
    rng: np.random.Generator,
    n_resamples: int,
    untested: Collection[str] = (),
) -> dict[str, Standing]:
    """Rank models from their scores by seed; `costs` are to be small. Models without scores have no standing, and those
    whose seeds are no repetitions (`untested`) a rank alone.

    Seeds are drawn with replacement from all that any model has, the same draw for every model; a model's mean is over
    those of the draw that it has.
    """
    names = sorted(name for name in scores if scores[name])
    if not names:
        return {name: Standing() for name in scores}
    seeds = sorted({seed for name in names for seed in scores[name]})
    sign = 1 if direction == "max" else -1
    values = np.array([[sign * scores[name].get(seed, np.nan) for seed in seeds] for name in names])
    smallest = paired.resolution(values[np.isfinite(values)])
    points = np.nanmean(values, axis=1)[:, None]
    means = _resampled(values, rng, n_resamples)
    ranks, resampled_ranks = _ranks(points, smallest)[:, 0], _ranks(means, smallest)
    tied = _tied_with_best({name: scores[name] for name in names}, ranks, alpha, rng, n_resamples, untested)
    on_frontier = _on_frontier(means, [costs.get(name) for name in names], smallest)
    found = {name: Standing() for name in scores}
    for k, (name, frontier) in enumerate(zip(names, on_frontier, strict=True)):
        drawn = np.isfinite(means[k])
        several = len(scores[name]) > 1 and name not in untested
        found[name] = Standing(
            rank=int(ranks[k]),
            interval=_interval(resampled_ranks[k, drawn]) if several else None,
            tied_with_best=tied[k],
            p_frontier=float(frontier[drawn].mean()) if several and frontier is not None else None,
        )
    return found


def _resampled(values: FloatArray, rng: np.random.Generator, n_resamples: int) -> FloatArray:
    """Means [K, B] of `values` [K, S] over B draws of S seeds; NaN where a model has none of the seeds drawn."""
    n = values.shape[1]
    times_drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples)
    present = np.isfinite(values)
    weights = present.astype(float) @ times_drawn.T
    sums = np.where(present, values, 0.0) @ times_drawn.T
    means: FloatArray = np.divide(sums, weights, out=np.full(sums.shape, np.nan), where=weights > 0)
    return means


def _ranks(means: FloatArray, smallest: float) -> npt.NDArray[np.int64]:
    return np.array([1 + (means - mine > smallest).sum(axis=0) for mine in means])


def _interval(ranks: npt.NDArray[np.int64]) -> tuple[int, int]:
    tail = (1 - paired.LEVEL) / 2
    lo, hi = np.quantile(ranks, [tail, 1 - tail], method="inverted_cdf")
    return int(lo), int(hi)


def _tied_with_best(
    scores: Scores,
    ranks: npt.NDArray[np.int64],
    alpha: float,
    rng: np.random.Generator,
    n_resamples: int,
    untested: Collection[str],
) -> list[bool | None]:
    """Whether the paired test, Holm-corrected over all against the leader, fails to tell a model from a leader.

    None where too few seeds allow no test: such a model is neither shown to be worse nor to be as good.
    """
    names = list(scores)
    tied: list[bool | None] = [bool(rank == 1) for rank in ranks]
    for leader in (name for name, rank in zip(names, ranks, strict=True) if rank == 1):
        others = [k for k, name in enumerate(names) if name != leader]
        tests = [
            None
            if names[k] in untested or leader in untested
            else _able(paired.compare(scores[names[k]], scores[leader], rng, n_resamples), alpha)
            for k in others
        ]
        for k, p in zip(others, adjust(tests, "holm"), strict=True):
            if p is None:
                tied[k] = tied[k] or None
            else:
                tied[k] = tied[k] or p >= alpha
    return tied


def _able(difference: Difference, alpha: float) -> float | None:
    """The p of a test that can reject at all: the exact one of differences without variance cannot at few seeds, as of
    two methods without randomness.
    """
    floor = difference.p_floor
    return None if difference.p_method == "sign_flip" and floor is not None and floor >= alpha else difference.p_used


def _on_frontier(
    means: FloatArray, costs: Sequence[Sequence[float] | None], smallest: float
) -> list[npt.NDArray[np.bool_] | None]:
    """For each model, whether it is on the Pareto frontier in each resample [B]; None for a model of unknown cost."""
    found: list[npt.NDArray[np.bool_] | None] = []
    for mine, my_costs in zip(means, costs, strict=True):
        if my_costs is None:
            found.append(None)
            continue
        dominated = np.zeros(mine.shape, dtype=bool)
        for other, their_costs in zip(means, costs, strict=True):
            if their_costs is None or any(b > a for a, b in zip(my_costs, their_costs, strict=True)):
                continue
            cheaper = any(b < a for a, b in zip(my_costs, their_costs, strict=True))
            dominated |= other - mine >= -smallest if cheaper else other - mine > smallest
        found.append(~dominated)
    return found
