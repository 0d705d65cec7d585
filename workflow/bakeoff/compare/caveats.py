"""What a reader of any figure of a study must know: what is missing, and what does not compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bakeoff.compare.cells import counts
from bakeoff.compare.load import Loaded
from bakeoff.compare.spec import CompareInput
from bakeoff.provenance import Json


def hardware(loaded: Loaded) -> dict[str, list[str]]:
    """The machines that trained and that measured cost."""
    return {
        "training": sorted({run.hardware for run in loaded.runs.values()}),
        "profiling": sorted({p.hardware for p in loaded.profiles.values() if p.hardware is not None}),
    }


def warnings(inputs: CompareInput, loaded: Loaded, table: Sequence[Json]) -> list[str]:
    """One sentence each, the gravest first."""
    return [
        *_coverage_warnings(inputs, loaded),
        *_seed_warnings(inputs, loaded),
        *_cost_warnings(loaded),
        *_untested_warnings(inputs, table),
    ]


def _coverage_warnings(inputs: CompareInput, loaded: Loaded) -> Iterator[str]:
    by_cell = [counts(cell, loaded) for cell in inputs.cells]
    expected = sum(count["expected"] for count in by_cell)
    for state in ("missing", "diverged"):
        number = sum(count[state] for count in by_cell)
        if number:
            yield f"{number} of {expected} runs {'are missing' if state == 'missing' else 'diverged'}"


def _seed_warnings(inputs: CompareInput, loaded: Loaded) -> Iterator[str]:
    for cell in inputs.cells:
        first: dict[str, int] = {}
        for seed, outcome in loaded.outcomes(cell).items():
            other = first.setdefault(outcome.logits_digest, seed)
            if other != seed:
                yield f"{cell.label}: seeds {other} and {seed} gave the same predictions: the seed has no effect"


def _cost_warnings(loaded: Loaded) -> Iterator[str]:
    for name, profile in sorted(loaded.profiles.items()):
        if profile.reason is not None:
            yield f"no cost of {name}: {profile.reason}"
    for what, machines in (("train_seconds", "training"), ("latencies and throughputs", "profiling")):
        several = hardware(loaded)[machines]
        if len(several) > 1:
            yield f"{what} were measured on {len(several)} kinds of machine and do not compare: {'; '.join(several)}"


def _untested_warnings(inputs: CompareInput, table: Sequence[Json]) -> Iterator[str]:
    primary = [row for row in table if row["metric"] == inputs.metric and row["verdict"] != "baseline"]
    untested = [row for row in primary if row["verdict"] == "not testable"]
    if untested:
        yield f"{len(untested)} of {len(primary)} candidates could not be tested and are outside the correction"
