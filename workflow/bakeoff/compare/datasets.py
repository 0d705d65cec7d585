"""One comparison over several data sets: does a difference hold for new data sets like these?

Data sets are the sample here. Seeds, and the settings that a comparison averages over, are averaged first, for they are
no data sets more (Demsar 2006, "Statistical comparisons of classifiers over multiple data sets", section 3.2.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from bakeoff.compare import families
from bakeoff.compare.cells import metrics
from bakeoff.compare.families import adjust
from bakeoff.compare.friedman import beside, cliques, friedman, nemenyi_cd, ranks
from bakeoff.compare.grid import Group, groups, scores
from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import FloatArray, resolution
from bakeoff.compare.signed_rank import SignedRank, p_floor, signed_rank
from bakeoff.compare.spec import CompareSettings, Comparison, Questions
from bakeoff.provenance import Json, finite

MIN_DATASETS = 5
"""Fewer give no inference: no two-sided signed-rank test of four can go below p = 0.125."""
FEW_DATASETS = 10
"""Up to here chi-squared and F are rough, and such tests find large differences only."""

Scores = Mapping[str, Mapping[str, float]]  # by candidate, by data set


@dataclass(frozen=True)
class Block:
    """The candidates that have a score on each of these data sets: `values` [N data sets, k candidates].

    `lacks` names what is left out and why: of a data set the candidates, of a candidate the data sets, without a score.
    """

    datasets: tuple[str, ...]
    candidates: tuple[str, ...]
    values: FloatArray
    lacking_datasets: Mapping[str, tuple[str, ...]]
    lacking_candidates: Mapping[str, tuple[str, ...]]


def across(inputs: Questions, loaded: Loaded) -> list[Json]:
    """`across` of comparison.json: one entry for each comparison and context of two data sets or more, on the primary
    metric. Holm's correction counts all candidates and contexts of a comparison.
    """
    known = metrics(inputs, loaded)[inputs.metric]
    entries: list[Json] = []
    for comparison in inputs.comparisons:
        found = list(_contexts(comparison, inputs, loaded))
        made = [_entry(comparison, context, by, known.direction, known.unit, inputs) for context, by in found]
        _judge(made, inputs)
        entries += made
    return entries


def _contexts(comparison: Comparison, inputs: Questions, loaded: Loaded) -> Iterator[tuple[Json, Scores]]:
    """The scores of each context that has more than one data set, means over seeds."""
    found: dict[tuple[str, ...], dict[str, Group]] = {}
    for group in groups(comparison, inputs.cells):
        found.setdefault(tuple(group.context.values()), {})[group.dataset] = group
    for by_dataset in found.values():
        if len(by_dataset) < 2:
            continue
        table: dict[str, dict[str, float]] = {}
        for dataset, group in by_dataset.items():
            strata = group.shared(*group.sides)
            for candidate in group.sides:
                by_seed = scores(group.cells(candidate, strata), loaded, inputs.metric)
                row = table.setdefault(candidate, {})
                if by_seed:
                    row[dataset] = float(np.mean(list(by_seed.values())))
        yield dict(next(iter(by_dataset.values())).context), table


def block(table: Scores, baseline: str) -> Block:
    """The scores of `table` without holes, data sets and candidates in alphabetical order, the baseline first.

    While there is a hole, the data set or the candidate of the largest share of holes goes: of equal ones the
    candidate, never the baseline. A data set stays if four would be left without it and another way closes the hole.
    """
    candidates = sorted(table, key=lambda name: (name != baseline, name))
    datasets = sorted({dataset for row in table.values() for dataset in row})
    there = np.array([[dataset in table[name] for name in candidates] for dataset in datasets], dtype=bool)
    there = there.reshape(len(datasets), len(candidates))
    rows, columns = _complete(there, fixed=0 if baseline in table else None)
    kept_d, kept_c = [datasets[i] for i in rows], [candidates[j] for j in columns]
    return Block(
        datasets=tuple(kept_d),
        candidates=tuple(kept_c),
        values=np.array([[table[name][dataset] for name in kept_c] for dataset in kept_d], dtype=float).reshape(
            len(kept_d), len(kept_c)
        ),
        lacking_datasets={
            dataset: tuple(name for name in kept_c if dataset not in table[name])
            for dataset in datasets
            if dataset not in kept_d
        },
        lacking_candidates={
            name: tuple(dataset for dataset in datasets if dataset not in table[name])
            for name in candidates
            if name not in kept_c
        },
    )


def _complete(there: npt.NDArray[np.bool_], fixed: int | None) -> tuple[list[int], list[int]]:
    """The rows and columns that are left when no hole is; column `fixed` stays."""
    rows, columns = list(range(there.shape[0])), list(range(there.shape[1]))
    while rows and columns and not (part := there[np.ix_(rows, columns)]).all():
        by_row, by_column = 1 - part.mean(axis=1), 1 - part.mean(axis=0)
        if fixed is not None:
            by_column[columns.index(fixed)] = -1.0
        enough = len(rows) != MIN_DATASETS or by_column.max() <= 0
        if enough and by_row.max() > by_column.max():
            rows.pop(int(by_row.argmax()))
        else:
            columns.pop(int(by_column.argmax()))
    return rows, columns


def decimals(values: FloatArray, asked: int | None = None) -> int:
    """The decimals that scores, and differences of them, are ranked by: those asked for, or all that floats of their
    size are known to. Without rounding, 0.3 - 0.2 and 0.2 - 0.1 are no tie.
    """
    if asked is not None:
        return asked
    smallest = resolution(values)
    return int(np.floor(-np.log10(smallest))) if smallest > 0 else 0


# --- one entry ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Differences:
    """Scores [N data sets, k candidates], more is better, and the decimals that they are known to."""

    scores: FloatArray
    places: int

    def test(self, i: int, j: int) -> SignedRank:
        """Candidate i against j."""
        rounded = self.scores.round(self.places)
        return signed_rank((rounded[:, i] - rounded[:, j]).round(self.places))


def _entry(
    comparison: Comparison, context: Json, table: Scores, direction: str, unit: str, settings: CompareSettings
) -> Json:
    part = block(table, comparison.baseline)
    n, k = len(part.datasets), len(part.candidates)
    why = _why_untested(n, k)
    places = decimals(part.values, settings.tie_decimals)
    ranked = ranks(part.values.round(places), direction) if n and k else np.zeros((0, k))
    better = _Differences(part.values if direction == "max" else -part.values, places)
    entry: Json = {
        "comparison": comparison.name,
        "factor": comparison.factor,
        "context": context,
        "baseline": comparison.baseline,
        "metric": settings.metric,
        "unit": unit,
        "direction": direction,
        "datasets": list(part.datasets),
        "left_out": {
            "datasets": {name: list(lacks) for name, lacks in part.lacking_datasets.items()},
            "candidates": {name: list(lacks) for name, lacks in part.lacking_candidates.items()},
        },
        "candidates": [_candidate(j, part, ranked, better, comparison.baseline, why) for j in range(k)],
        "untested": why,
        "p_floor": None if why else p_floor(n),
        "friedman": None,
        "pairs": [],
        "cliques": [],
        "cliques_beside": [],
        "nemenyi": None,
    }
    if why is None:
        entry |= _all_pairs(part.candidates, ranked, better, settings.alpha[0])
    return entry


def _why_untested(n: int, k: int) -> str | None:
    if k < 2:
        return "fewer than two candidates have a score on these data sets"
    if n == 0:
        return "no data set has a score of every candidate"
    if n < MIN_DATASETS:
        sets = "1 data set has" if n == 1 else f"{n} data sets have"
        return f"{sets} a score of every candidate: fewer than {MIN_DATASETS} allow no inference to new data sets"
    return None


def _candidate(j: int, part: Block, ranked: FloatArray, better: _Differences, baseline: str, why: str | None) -> Json:
    n = len(part.datasets)
    has_base = baseline in part.candidates
    row: Json = {
        "candidate": part.candidates[j],
        "mean": finite(part.values[:, j].mean()) if n else None,
        "mean_rank": float(ranked[:, j].mean()) if n else None,
        "scores": {name: float(value) for name, value in zip(part.datasets, part.values[:, j], strict=True)},
        **dict.fromkeys(("diff", "wins", "ties", "losses", "statistic", "p_raw", "p_adj")),
        "stars": "",
        "verdict": "baseline" if part.candidates[j] == baseline else "not testable",
    }
    if part.candidates[j] == baseline or not has_base or not n:
        return row
    base = part.candidates.index(baseline)
    test = better.test(j, base)
    row["diff"] = float((part.values[:, j] - part.values[:, base]).mean())
    row |= {"wins": test.wins, "ties": test.ties, "losses": test.losses}
    if why is None:
        row |= {"statistic": test.statistic, "p_raw": test.p, "better": test.plus > test.minus}
    return row


def _all_pairs(names: Sequence[str], ranked: FloatArray, better: _Differences, alpha: float) -> Json:
    k = ranked.shape[1]
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    tests = [better.test(i, j) for i, j in pairs]
    p_adj = adjust([test.p for test in tests], "holm")
    order = sorted(range(k), key=lambda j: (ranked[:, j].mean(), names[j]))
    alike = np.ones((k, k), dtype=bool)
    for (i, j), p in zip(pairs, p_adj, strict=True):
        alike[i, j] = alike[j, i] = p is None or p >= alpha
    in_order = alike[np.ix_(order, order)]
    runs = cliques(in_order)
    overall = friedman(ranked) if k > 2 else None
    return {
        "friedman": asdict(overall) if overall else None,
        "pairs": [_pair(names[i], names[j], test, p) for (i, j), test, p in zip(pairs, tests, p_adj, strict=True)],
        "cliques": [[names[j] for j in order[first : last + 1]] for first, last in runs],
        "cliques_beside": [[names[order[i]], names[order[j]]] for i, j in beside(in_order, runs)],
        "nemenyi": _nemenyi(names, order, ranked, alpha) if k > 2 else None,
    }


def _pair(a: str, b: str, test: SignedRank, p_adj: float | None) -> Json:
    counts = {"wins": test.wins, "ties": test.ties, "losses": test.losses}
    return {"a": a, "b": b, **counts, "statistic": test.statistic, "p_raw": test.p, "p_adj": p_adj}


def _nemenyi(names: Sequence[str], order: Sequence[int], ranked: FloatArray, alpha: float) -> Json:
    n, k = ranked.shape
    cd = nemenyi_cd(n, k, alpha)
    means = ranked.mean(axis=0)[list(order)]
    runs = cliques(np.abs(means[:, None] - means) < cd)
    return {"alpha": alpha, "cd": cd, "cliques": [[names[j] for j in order[a : b + 1]] for a, b in runs]}


# --- what a candidate owes to the others --------------------------------------------------------------------------


def _judge(entries: Sequence[Json], settings: CompareSettings) -> None:
    """Correct the p values against the baseline over all entries of a comparison, and say what follows."""
    rows = [row for entry in entries for row in entry["candidates"]]
    p_adj = adjust([row["p_raw"] for row in rows], settings.correction)
    size = sum(p is not None for p in p_adj)
    for row, p in zip(rows, p_adj, strict=True):
        better = row.pop("better", False)
        if p is not None:
            verdict = families.verdict(p, better, None, settings.alpha[0])
            row |= {"p_adj": p, "stars": families.stars(p, better, settings.alpha), "verdict": verdict}
    for entry in entries:
        entry["family_size"] = size
        entry["warnings"] = list(_warnings(entry, size, settings)) if entry["untested"] is None else []
        entry["notes"] = list(_notes(entry, settings.alpha[0]))


def _warnings(entry: Json, family: int, settings: CompareSettings) -> Iterator[str]:
    """What keeps the tests from showing much."""
    n, k = len(entry["datasets"]), len(entry["candidates"])
    if n <= FEW_DATASETS:
        yield f"{n} data sets are few: only large differences can show, and chi-squared and F are rough"
    against = family if settings.correction != "none" else min(family, 1)
    for tests, what in ((against, "against the baseline"), (k * (k - 1) // 2, "of all pairs")):
        floor = tests * entry["p_floor"]
        if floor >= settings.alpha[0]:
            yield f"no test {what} can go below p = {min(1.0, floor):.2g} here: no difference can be shown"


def _notes(entry: Json, alpha: float) -> Iterator[str]:
    for name, lacks in entry["left_out"]["datasets"].items():
        yield f"without data set {name}: no score of {', '.join(lacks)}"
    for name, lacks in entry["left_out"]["candidates"].items():
        yield f"without {name}: no score on {', '.join(lacks)}"
    if entry["untested"]:
        yield entry["untested"]
        return
    n, k = len(entry["datasets"]), len(entry["candidates"])
    yield f"{n} data sets, {k} candidates; scores are means over seeds, rank 1 is best, ties share ranks"
    if entry["friedman"] and entry["friedman"]["p_f"] >= alpha:
        yield f"Friedman's test finds no difference among all (p = {entry['friedman']['p_f']:.2g})"
    if entry["nemenyi"]:
        yield "what Nemenyi's test says of two candidates depends on which others are compared, not so Wilcoxon's"
