"""Which of the cells that meet the requirements to use, or what stops them, in a sentence of each language.

Of those that the tests do not tell from the best, the one that costs least; never one that another beats in both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bakeoff.compare.cells import metrics
from bakeoff.compare.frontiers import worth
from bakeoff.compare.gates import Found, measured
from bakeoff.compare.grid import Group
from bakeoff.compare.load import Loaded
from bakeoff.compare.phrases import LANGUAGES, Language
from bakeoff.compare.pool import Pool, pool
from bakeoff.compare.ranking import Standing, standings
from bakeoff.compare.requirement import TIMED
from bakeoff.compare.spec import AXES, Cell, CompareInput, Comparison
from bakeoff.provenance import Json

_NAMED = 4
"""Candidates that a sentence names; of more it gives the number."""


@dataclass(frozen=True)
class _Choice:
    """The cell to use, why (the key of a phrase), the best of those that pass, and what is known of both."""

    cell: Cell
    why: str
    leader: Cell
    score: Found
    best: Found
    cost: float | None
    p_frontier: float | None
    tied: list[str]


def recommendations(inputs: CompareInput, loaded: Loaded, gates: Sequence[Json]) -> list[Json]:
    """The entries of comparison.json's `recommendation`: one for each data set of `gates`.

    `verdict` is pass where a cell is recommended, fail where every cell fails, undecided otherwise.
    """
    return [_entry(gate, inputs, loaded) for gate in gates]


def _entry(gate: Json, inputs: CompareInput, loaded: Loaded) -> Json:
    candidates: list[Json] = gate["candidates"]
    met = {tuple(c[axis] for axis in AXES[1:]) for c in candidates if c["verdict"] == "pass"}
    passing = [cell for cell in inputs.cells if cell.dataset == gate["dataset"] and cell.key[1:] in met]
    number = {kind: sum(c["verdict"] == kind for c in candidates) for kind in ("pass", "fail", "undecided")}
    verdict = "pass" if passing else "undecided" if number["undecided"] else "fail"
    entry: Json = {"dataset": gate["dataset"], "verdict": verdict, "number": number}
    entry |= dict.fromkeys(AXES[1:])
    choice = _choose(passing, inputs, loaded) if passing else None
    nearest = None if choice else min(candidates, key=_distance)
    if choice:
        entry |= _as_json(choice.cell)
    said = {
        column: _sentence(gate, choice, nearest, inputs, LANGUAGES[language])
        for column, language in (("sentence", "en"), ("sentence_ja", "ja"))
    }
    return {
        **entry,
        "prefer": inputs.requirements.prefer if inputs.requirements else None,
        "cost": choice.cost if choice else None,
        "p_frontier": choice.p_frontier if choice else None,
        "tied": choice.tied if choice else [],
        "nearest": {axis: nearest[axis] for axis in AXES[1:]} if nearest else None,
        **said,
    }


def _distance(candidate: Json) -> tuple[int, int, float]:
    """How far from passing: requirements failed, then those undecided, then by what share of the bounds."""
    verdicts = [check["verdict"] for check in candidate["checks"]]
    short = sum(check["shortfall"] or 0.0 for check in candidate["checks"])
    return verdicts.count("fail"), verdicts.count("undecided"), short


# --- the choice ---------------------------------------------------------------------------------------------------


def _choose(passing: Sequence[Cell], inputs: CompareInput, loaded: Loaded) -> _Choice:
    metric, prefer = metrics(inputs, loaded)[inputs.metric], inputs.requirements.prefer if inputs.requirements else ""
    cells = {cell.label: cell for cell in passing}
    models, standing = _pooled(cells, inputs, loaded, metric.direction)
    known = {name: measured(inputs.metric, metric.unit, cell, loaded) for name, cell in cells.items()}
    sign = 1 if metric.direction == "max" else -1
    scores = {name: -math.inf if found.value is None else sign * found.value for name, found in known.items()}
    costs = {name: _cost(models, cell, name, prefer, loaded) for name, cell in cells.items()}
    leader = max(sorted(cells), key=lambda name: (scores[name], -costs[name]))
    tied = sorted(name for name in cells if name == leader or standing[name].tied_with_best)
    slack = 1 + inputs.tolerance.get(prefer, 0.0)
    free = [name for name in tied if not any(_beats(other, name, scores, costs, slack) for other in cells)]
    chosen = min(free or [leader], key=lambda name: (costs[name], -scores[name]))
    place = worth(models, (prefer,), inputs.metric, inputs.tolerance).get(chosen)
    return _Choice(
        cell=cells[chosen],
        why=_why(chosen, leader, tied, costs, standing),
        leader=cells[leader],
        score=known[chosen],
        best=known[leader],
        cost=costs[chosen] if math.isfinite(costs[chosen]) else None,
        p_frontier=place.p_frontier if place else None,
        tied=tied,
    )


def _pooled(
    cells: Mapping[str, Cell], inputs: CompareInput, loaded: Loaded, direction: str
) -> tuple[Pool, dict[str, Standing]]:
    """These cells beside each other, whatever they differ in, and the tests of each against the best of them."""
    first = next(iter(cells.values()))
    question = Comparison(baseline=first.model, name="requirements")
    group = Group(question, first.dataset, {}, {name: {(): cell} for name, cell in cells.items()})
    models = pool(group, inputs.metric, direction, inputs, loaded)
    args = (inputs.n_resamples, models.untested, models.by_image, inputs.overlap)
    return models, standings(models.scores, models.draws, direction, inputs.alpha[0], models.rng("tied"), *args)


def _cost(models: Pool, cell: Cell, name: str, prefer: str, loaded: Loaded) -> float:
    """What a cell costs; infinite where that is not known, or timed on a machine that was disturbed."""
    known = models.costs[name].get(prefer)
    disturbed = prefer in TIMED and loaded.profiles[cell.profiles[0].name].marks
    return math.inf if known is None or disturbed else known.value


def _beats(other: str, name: str, scores: Mapping[str, float], costs: Mapping[str, float], slack: float) -> bool:
    """Whether one is as good and as cheap as another, and better in one; costs within `slack` of each other are one."""
    if scores[other] < scores[name] or costs[other] > costs[name] * slack:
        return False
    return scores[other] > scores[name] or costs[other] * slack < costs[name]


def _why(
    chosen: str, leader: str, tied: Sequence[str], costs: Mapping[str, float], standing: Mapping[str, Standing]
) -> str:
    if len(standing) == 1:
        return "gate_only"
    if chosen != leader:
        return "gate_tied"
    if len(tied) > 1:
        return "gate_cheapest" if math.isfinite(costs[chosen]) else "gate_uncosted"
    return "gate_untested" if any(found.tied_with_best is None for found in standing.values()) else "gate_best"


# --- in words -----------------------------------------------------------------------------------------------------


def _sentence(
    gate: Json, choice: _Choice | None, nearest: Json | None, inputs: CompareInput, language: Language
) -> str:
    candidates: list[Json] = gate["candidates"]
    passed = sum(candidate["verdict"] == "pass" for candidate in candidates)
    common = {"d": gate["dataset"], "n": len(candidates), "k": passed}
    if choice is not None:
        prefer = inputs.requirements.prefer if inputs.requirements else ""
        parts = {
            "c": _name(_as_json(choice.cell), candidates, language),
            "leader": _name(_as_json(choice.leader), candidates, language),
            "m": language.metrics.get(inputs.metric, inputs.metric),
            "score": amount(choice.score.value, choice.score.interval, choice.score.unit, language),
            "best": amount(choice.best.value, choice.best.interval, choice.best.unit, language),
            "p": prefer,
            "cost": "" if choice.cost is None else f"{prefer} {choice.cost:.3g}",
        }
        return language.phrases[choice.why].format(**common, **parts)
    assert nearest is not None
    undecided = any(candidate["verdict"] == "undecided" for candidate in candidates)
    unmet = [check for check in nearest["checks"] if check["verdict"] != "pass"]
    parts = {
        "c": _name(nearest, candidates, language),
        "stops": language.phrases["gate_between"].join(_stops(gate, language)),
        "what": language.phrases["gate_between"].join(_shown(check, language) for check in unmet)
        or language.phrases["gate_runs"],
    }
    return language.phrases["gate_open" if undecided else "gate_fail"].format(**common, **parts)


def _as_json(cell: Cell) -> Json:
    return dict(zip(AXES[1:], cell.key[1:], strict=True))


def _name(place: Json, among: Sequence[Json], language: Language) -> str:
    """The model, with the augmentation and recipe where the candidates have several."""
    more = [
        language.phrases[f"gate_{axis}"].format(place[axis])
        for axis in ("augmentation", "recipe")
        if len({candidate[axis] for candidate in among}) > 1
    ]
    return str(place["model"]) + (language.phrases["in_brackets"].format(language.comma.join(more)) if more else "")


def _stops(gate: Json, language: Language) -> list[str]:
    """Each requirement with those that it stops, and those for which it is open."""
    found = []
    for i, requirement in enumerate(gate["requirements"]):
        for verdict, phrase in (("fail", "gate_stops"), ("undecided", "gate_leaves")):
            of = [candidate for candidate in gate["candidates"] if candidate["checks"][i]["verdict"] == verdict]
            if of:
                found.append(language.phrases[phrase].format(r=requirement, names=_named(of, gate, language)))
    if lost := [candidate for candidate in gate["candidates"] if candidate["reason"]]:
        found.append(language.phrases["gate_lost"].format(names=_named(lost, gate, language)))
    return found


def _named(of: Sequence[Json], gate: Json, language: Language) -> str:
    if len(of) == len(gate["candidates"]) > 1:
        return language.phrases["gate_all"]
    names = language.comma.join(_name(candidate, gate["candidates"], language) for candidate in of[:_NAMED])
    return names + (language.phrases["gate_more"].format(n=len(of) - _NAMED) if len(of) > _NAMED else "")


def _shown(check: Json, language: Language) -> str:
    interval = None if check["lo"] is None or check["lo"] == check["hi"] else (check["lo"], check["hi"])
    value = amount(check["value"], interval, check["unit"], language)
    return language.metrics.get(check["column"], check["column"]) + language.phrases["gate_is"] + value


def amount(value: float | None, interval: tuple[float, float] | None, unit: str | None, language: Language) -> str:
    """As in "97.33% [95.97, 98.40]" and "2.834 px [1.195, 4.474]"."""
    if value is None:
        return language.phrases["gate_unknown"]

    def number(of: float) -> str:
        return (f"{100 * of:.2f}" if unit == "fraction" else f"{of:.4g}").replace("-", "−")

    named = language.units.get(unit or "", unit or "")
    text = number(value) + ("%" if unit == "fraction" else f"{language.gap}{named}".rstrip())
    bounds = language.interval.format(*map(number, interval)) if interval else ""
    return (language.space or language.comma).join(filter(None, (text, bounds)))
