"""Where a model stands among all: its rank, how sure that is, whether the best is better at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bakeoff.compare import paired
from bakeoff.compare.families import adjust
from bakeoff.compare.paired import Difference, FloatArray
from bakeoff.compare.resampling import Draws, Scope, Scores


@dataclass(frozen=True)
class Standing:
    """Rank 1 is best, equal scores share a rank; its interval is 95 %, over what `scope` names.

    `p_best` is the share of draws in which no other model is better: those that are equal there all count.
    """

    rank: int | None = None
    interval: tuple[int, int] | None = None
    scope: Scope | None = None
    p_best: float | None = None
    tied_with_best: bool | None = None


def standings(
    scores: Scores,
    draws: Draws,
    direction: str,
    alpha: float,
    rng: np.random.Generator,
    n_resamples: int,
    untested: Collection[str] = (),
) -> dict[str, Standing]:
    """Rank models from their scores by seed and from `draws` of them. Models without scores have no standing, and those
    whose seeds are no repetitions (`untested`) a rank alone.
    """
    found = {name: Standing() for name in scores}
    if not draws.names:
        return found
    sign = 1 if direction == "max" else -1
    points = np.array([[sign * np.mean(list(scores[name].values()))] for name in draws.names])
    smallest = resolution(scores)
    ranks, drawn_ranks = _ranks(points, smallest)[:, 0], _ranks(sign * draws.means, smallest)
    tied = _tied_with_best({name: scores[name] for name in draws.names}, ranks, alpha, rng, n_resamples, untested)
    for k, name in enumerate(draws.names):
        mine = drawn_ranks[k, np.isfinite(draws.means[k])]
        scope = None if name in untested else draws.scope(len(scores[name]))
        found[name] = Standing(
            rank=int(ranks[k]),
            interval=_interval(mine) if scope else None,
            scope=scope,
            p_best=float((mine == 1).mean()) if scope else None,
            tied_with_best=tied[k],
        )
    return found


def resolution(scores: Scores) -> float:
    """The difference below which two of these scores are the same number."""
    return paired.resolution(*(np.array(list(by_seed.values())) for by_seed in scores.values()))


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
