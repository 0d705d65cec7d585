"""Where a model stands among all: its rank, how sure that is, whether the best is better at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bakeoff.compare import paired
from bakeoff.compare.crossed import crossed_test, nested_test
from bakeoff.compare.families import adjust
from bakeoff.compare.paired import FloatArray
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
    by_image: Mapping[str, FloatArray] | None = None,
    overlap: float = 0.0,
) -> dict[str, Standing]:
    """Rank models from their scores by seed and from `draws` of them. Models without scores have no standing, and those
    whose seeds are no repetitions (`untested`) a rank alone.

    Tied are those that the tests of a verdict do not tell from the leader: that over seeds (`overlap` as for
    `paired.compare`) and, with `by_image` (what each image does to a score, seeds in order), that for new images.
    """
    found = {name: Standing() for name in scores}
    if not draws.names:
        return found
    sign = 1 if direction == "max" else -1
    points = np.array([[sign * np.mean(list(scores[name].values()))] for name in draws.names])
    smallest = resolution(scores)
    ranks, drawn_ranks = _ranks(points, smallest)[:, 0], _ranks(sign * draws.means, smallest)
    there = {name: scores[name] for name in draws.names}
    against = _Tests(there, by_image, overlap, alpha, rng, n_resamples, untested)
    tied = _tied_with_best(against, ranks)
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


@dataclass(frozen=True)
class _Tests:
    """The two tests of a verdict between any two of the models of `scores`."""

    scores: Scores
    by_image: Mapping[str, FloatArray] | None
    overlap: float
    alpha: float
    rng: np.random.Generator
    n_resamples: int
    untested: Collection[str]

    def over_seeds(self, name: str, leader: str) -> float | None:
        """The p of a test that can reject at all: the exact one of differences without variance cannot at few seeds, as
        of two methods without randomness.
        """
        if name in self.untested or leader in self.untested:
            return None
        found = paired.compare(self.scores[name], self.scores[leader], self.rng, self.n_resamples, self.overlap)
        able = found.p_method != "sign_flip" or found.p_floor is None or found.p_floor < self.alpha
        return found.p_used if able else None

    def for_new_images(self, name: str, leader: str) -> float | None:
        """None where the images of either are not known, or say nothing."""
        if self.by_image is None:
            return None
        mine, theirs = sorted(self.scores[name]), sorted(self.scores[leader])
        shared = [seed for seed in mine if seed in theirs]
        a, b = self.by_image[name], self.by_image[leader]
        smallest = paired.resolution(a.mean(axis=1), b.mean(axis=1))
        if not shared:
            found = nested_test(a, b, smallest)
        else:
            d = a[[mine.index(s) for s in shared]] - b[[theirs.index(s) for s in shared]]
            found = crossed_test(d, smallest)
        return found.p if found else None


def _tied_with_best(tests: _Tests, ranks: npt.NDArray[np.int64]) -> list[bool | None]:
    """Whether the stricter test, Holm-corrected over all against the leader, fails to tell a model from a leader.

    None where too few seeds allow no test: such a model is neither shown to be worse nor to be as good.
    """
    names = list(tests.scores)
    tied: list[bool | None] = [bool(rank == 1) for rank in ranks]
    for leader in (name for name, rank in zip(names, ranks, strict=True) if rank == 1):
        others = [k for k, name in enumerate(names) if name != leader]
        here = adjust([tests.over_seeds(names[k], leader) for k in others], "holm")
        new = adjust([tests.for_new_images(names[k], leader) for k in others], "holm")
        for k, p, p_new in zip(others, here, new, strict=True):
            if p is None:
                tied[k] = tied[k] or None
            else:
                tied[k] = tied[k] or max(p, p_new or 0.0) >= tests.alpha
    return tied
