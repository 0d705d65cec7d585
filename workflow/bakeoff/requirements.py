"""A study's requirements, held against what the study measures: each mistake in a line, with what would be right."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from bakeoff.compare.requirement import COST_COLUMNS, MEASURED, Requirement, condition_of
from bakeoff.compare.spec import Requirements
from bakeoff.evaluate.spec import KNOWN
from bakeoff.problems import Problem, nearest
from bakeoff.studyfile import KeyPath

# What others call our columns, where the nearest of our names is that of something else.
_ELSEWHERE = {"top1": "accuracy", "memory": "peak_memory_mb", "flops": "macs"}


def asked(given: list[str] | Requirements) -> Requirements | None:
    """What a study has under `requirements`, written out; None where it has none."""
    if isinstance(given, Requirements):
        return given
    return Requirements(must=given) if given else None


def problems(
    given: list[str] | Requirements, evaluated: Collection[str], conditions: Collection[str]
) -> Iterator[Problem]:
    """What is wrong with the requirements of a study that evaluates these metrics under these conditions."""
    if (wanted := asked(given)) is None:
        return
    within: KeyPath = ("requirements", "must") if wanted is given else ("requirements",)
    for i, text in enumerate(wanted.must):
        if problem := _problem(Requirement.read(text), evaluated, conditions):
            yield (*within, i), f"{text!r}: {problem}"


def _problem(wanted: Requirement, evaluated: Collection[str], conditions: Collection[str]) -> str | None:
    columns = [*evaluated, *COST_COLUMNS]
    name = wanted.column
    if name not in columns:
        meant = _ELSEWHERE.get(name)
        hint = f"did you mean {meant}?" if meant in columns else nearest(name, columns, "the columns are")
        why = "is a metric that this study does not evaluate" if name in KNOWN else "is neither a metric nor a cost"
        return f"{name} {why}; {hint}"
    metric = KNOWN[name] if name in evaluated else None
    if wanted.at_least != (metric.direction == "max" if metric else name == "throughput"):
        better, op = ("<", "smaller") if wanted.at_least else (">", "larger")
        return f"{name} is better when it is {op}; write {better} or {better}="
    lo, hi = metric.range if metric else (0.0, None)
    if not lo <= wanted.bound <= (math.inf if hi is None else hi):
        hint = "; 90 % is written 0.9" if metric and metric.unit == "fraction" else ""
        return f"{wanted.bound:g} is out of the range of {name}{hint}"
    if wanted.condition is not None and name not in MEASURED:
        return f"{name} is the same under every condition; leave `on {wanted.condition}` out"
    try:
        condition_of(wanted.condition, conditions)
    except ValueError as error:
        return str(error)
    return None
