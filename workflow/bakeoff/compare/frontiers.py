"""The frontiers of a study: for each question and cost where its models stand, how sure that is, who beats whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bakeoff.compare import ranking
from bakeoff.compare.cells import ends, metrics
from bakeoff.compare.frontier import LEVELS, Objective, Place, attainment, places
from bakeoff.compare.grid import Group, groups
from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import LEVEL, FloatArray
from bakeoff.compare.pool import Pool, pool
from bakeoff.compare.spec import COSTS, Questions
from bakeoff.provenance import Json, finite

JOINT = ("macs", "latency_ms_p50")
"""The costs of the one frontier that a row of the comparison speaks of."""


def worth(models: Pool, costs: Sequence[str], metric: str, tolerance: Mapping[str, float]) -> dict[str, Place]:
    """The places of those models whose costs are all known: others have no place, and take none.

    Those whose seeds are no repetitions take a place, but nothing says how sure theirs is.
    """
    names = _known(models, costs)
    if not names:
        return {}
    found = places(names, [_score(models, names, tolerance.get(metric, 0.0)), *_costs(models, names, costs, tolerance)])
    return {name: place for name, place in found.items() if _is_repeated(models, name)}


def frontiers(inputs: Questions, loaded: Loaded) -> list[Json]:
    """The entries of comparison.json's `frontiers`: by comparison, data set, context and cost, of the primary metric.

    A cost that no model with a score has is left out.
    """
    metric = metrics(inputs, loaded)[inputs.metric]
    found = []
    for comparison in inputs.comparisons:
        for group in groups(comparison, inputs.cells):
            models = pool(group, inputs.metric, metric.direction, inputs, loaded)
            found += [
                _entry(group, models, cost, inputs) | {"unit": metric.unit} for cost in COSTS if _known(models, (cost,))
            ]
    return found


def _entry(group: Group, models: Pool, cost: str, inputs: Questions) -> Json:
    names = _known(models, (cost,))
    found = worth(models, (cost,), inputs.metric, inputs.tolerance)
    (costs,) = _costs(models, names, (cost,), inputs.tolerance)
    sign = 1 if models.direction == "max" else -1
    scores = -_score(models, names, 0.0).values
    curves = {share: attainment(costs.values, scores, share) for share in LEVELS}
    points = [
        _point(models, name, cost, drawn, found.get(name)) for name, drawn in zip(names, costs.values, strict=True)
    ]
    return {
        "comparison": group.comparison.name,
        "factor": group.comparison.factor,
        "dataset": group.dataset,
        "context": dict(group.context),
        "metric": inputs.metric,
        "direction": models.direction,
        "cost": cost,
        "tolerance": inputs.tolerance.get(cost, 0.0),
        "points": points,
        "attainment": {f"{share:g}": [[x, sign * y] for x, y in steps] for share, steps in curves.items()},
    }


def _point(models: Pool, name: str, cost: str, drawn: FloatArray, place: Place | None) -> Json:
    score = float(np.mean(list(models.scores[name].values())))
    known = drawn[np.isfinite(drawn)]
    varies = known.size > 1 and _is_repeated(models, name)
    bounds = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist() if varies else None
    flat: Json = {
        "candidate": name,
        "score": score,
        **ends("score_lo", "score_hi", models.interval(name)),
        "cost": float(models.costs[name][cost].value),
        **ends("cost_lo", "cost_hi", tuple(bounds) if bounds else None),
        "p_frontier": place.p_frontier if place else None,
        "dominated_by": dict(place.dominated_by) if place else {},
    }
    return {key: finite(value) if isinstance(value, float) else value for key, value in flat.items()}


def _known(models: Pool, costs: Sequence[str]) -> list[str]:
    return [name for name in models.draws.names if all(cost in models.costs[name] for cost in costs)]


def _is_repeated(models: Pool, name: str) -> bool:
    return name not in models.untested and models.draws.scope(len(models.scores[name])) is not None


def _score(models: Pool, names: Sequence[str], relative: float) -> Objective:
    sign = 1 if models.direction == "max" else -1
    rows = [models.draws.names.index(name) for name in names]
    return Objective(-sign * models.draws.means[rows], relative, ranking.resolution(models.scores))


def _costs(models: Pool, names: Sequence[str], costs: Sequence[str], tolerance: Mapping[str, float]) -> list[Objective]:
    """[K, 1] where no model's cost varies, else [K, B]."""
    found = []
    for cost in costs:
        drawn = [models.cost_draws(name, cost) for name in names]
        shape = np.broadcast_shapes(*(each.shape for each in drawn))
        found.append(Objective(np.array([np.broadcast_to(each, shape) for each in drawn]), tolerance.get(cost, 0.0)))
    return found
