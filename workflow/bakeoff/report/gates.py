"""Requirements: which candidates meet them, one row a candidate, and in a sentence which to use, or what stops all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bakeoff.report.diagnosed import take
from bakeoff.report.tabular import Column, Table, build, by_dataset
from bakeoff.report.text import NONE, Names, Unit, significant, span

_ORDER = ("pass", "undecided", "fail")
_NOTE = (
    "pass: the whole 95% interval meets the requirement; fail: none of it does; undecided: a part of it, or there is "
    "no interval. Intervals of metrics are for new seeds and, where the images are known, new images; those of "
    "latencies are over the timings; what has no error stands for itself."
)


@dataclass(frozen=True)
class Check:
    """One requirement of one candidate: the value with its interval, the verdict, and why it is undecided."""

    requirement: str
    unit: str | None
    verdict: str
    value: float | None
    lo: float | None
    hi: float | None
    reason: str | None

    @property
    def text(self) -> str:
        """As in "97.33 (95.67–98.48) pass"; fractions are per cent."""
        if self.value is None:
            return f"{NONE} {self.verdict}"
        value = self._number(self.value)
        if self.lo is None or self.hi is None or self.lo == self.hi:
            return f"{value} {self.verdict}"
        return f"{value} ({span(self._number(self.lo), self._number(self.hi))}) {self.verdict}"

    def _number(self, value: float) -> str:
        if self.unit == "fraction":
            return f"{100 * value:.2f}"
        return f"{value:.3e}" if abs(value) >= 1e6 else significant(value, 3).replace("-", "−")


@dataclass(frozen=True)
class Candidate:
    """What is judged: one model, augmentation and recipe on one data set. `reason`: why it is undecided although it
    passes every requirement.
    """

    dataset: str
    model: str
    augmentation: str
    recipe: str
    verdict: str
    reason: str | None
    checks: list[Check]

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Its place in the grid."""
        return self.dataset, self.model, self.augmentation, self.recipe


@dataclass(frozen=True)
class Advice:
    """Which candidate to use on a data set, and the sentence that says why in both languages; `model` is None where
    there is none.
    """

    dataset: str
    verdict: str
    model: str | None
    augmentation: str | None
    recipe: str | None
    sentence: str
    sentence_ja: str

    @property
    def place(self) -> tuple[str | None, ...]:
        """The place of the candidate in the grid."""
        return self.dataset, self.model, self.augmentation, self.recipe


@dataclass(frozen=True)
class Gates:
    """The keys `gates` and `recommendation` of comparison.json; nothing is in them without requirements."""

    candidates: list[Candidate]
    advice: list[Advice]


def read(gates: Iterable[Mapping[str, Any]], recommendation: Iterable[Mapping[str, Any]]) -> Gates:
    """Both keys as typed values."""
    candidates = [
        take(Candidate, {**raw, "dataset": gate["dataset"], "checks": [take(Check, check) for check in raw["checks"]]})
        for gate in gates
        for raw in gate["candidates"]
    ]
    return Gates(candidates, [take(Advice, entry) for entry in recommendation])


def table(gates: Gates, names: Names, said: bool = True) -> Table | None:
    """One row a candidate, the recommended one first; None of a study without requirements. `said`: whether the
    recommendation stands below it.
    """
    if not gates.candidates:
        return None
    chosen = {advice.place for advice in gates.advice}

    def verdict(candidate: Candidate) -> str:
        return "recommended" if candidate.place in chosen else candidate.verdict

    def check(i: int) -> Column[Candidate]:
        first = gates.candidates[0].checks[i]
        return Column(
            first.requirement, lambda candidate: candidate.checks[i].text, unit=Unit.of(first.unit or "").sign
        )

    columns: list[Column[Candidate]] = [
        Column("Model", lambda c: names(c.model), lambda c: c.place in chosen, left=True),
        Column("Augmentation", lambda c: names(c.augmentation), left=True),
        Column("Recipe", lambda c: names(c.recipe), left=True),
        Column("Verdict", verdict, lambda c: c.place in chosen, left=True),
        *map(check, range(len(gates.candidates[0].checks))),
    ]
    ordered = sorted(gates.candidates, key=lambda c: (c.place not in chosen, _ORDER.index(c.verdict)))
    advice = (entry.sentence for entry in gates.advice if said)
    notes = (*advice, _NOTE, *_reasons(ordered, names))
    return build("gates", "Who meets the requirements", columns, by_dataset(ordered, names), notes)


def _reasons(candidates: Sequence[Candidate], names: Names) -> list[str]:
    """What is undecided for another reason than an interval: each reason with those that it is of."""
    found: dict[tuple[str, str], list[str]] = {}
    for candidate in candidates:
        reasons = [("runs", candidate.reason), *((check.requirement, check.reason) for check in candidate.checks)]
        for of, reason in reasons:
            if reason:
                found.setdefault((of, reason), []).append(" / ".join(map(names, candidate.place)))
    return [f"{requirement}, {', '.join(who)}: {reason}." for (requirement, reason), who in found.items()]
