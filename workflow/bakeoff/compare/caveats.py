"""What a reader of any figure of a study must know: what is missing, and what does not compare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bakeoff.compare import balance, seeds
from bakeoff.compare.cells import counts
from bakeoff.compare.load import Loaded
from bakeoff.compare.spec import CompareInput, Questions
from bakeoff.provenance import Json

# Of a longer list, a warning names the first; costs.csv has all.
_MOST_NAMES = 6


def hardware(loaded: Loaded) -> dict[str, list[str]]:
    """The machines that trained and that measured cost, and the precision of the training."""
    arithmetic = [(run.record or {}).get("arithmetic") for run in loaded.runs.values()]
    return {
        "precision": sorted({str(each["precision"]) for each in arithmetic if each}),
        "training": sorted({run.hardware for run in loaded.runs.values() if run.hardware}),
        "profiling": sorted({p.hardware for p in loaded.profiles.values() if p.hardware is not None}),
    }


def warnings(inputs: CompareInput, loaded: Loaded, table: Sequence[Json], costs: Sequence[Json]) -> list[str]:
    """One sentence each, the gravest first. `table` and `costs` are the rows of comparison.csv and costs.csv."""
    return [
        *_seed_errors(inputs, loaded),
        *_coverage_warnings(inputs, loaded),
        *_seed_warnings(inputs, loaded),
        *(balance.warning(test_set) for test_set in balance.test_sets(inputs, loaded) if test_set["unbalanced"]),
        *_machine_warnings(loaded),
        *_backend_warnings(loaded),
        *_cost_warnings(loaded, costs),
        *_untested_warnings(inputs, table),
        *_notes(inputs, loaded),
    ]


def of_scores(inputs: Questions, loaded: Loaded, table: Sequence[Json]) -> list[str]:
    """Those that scores made elsewhere can give rise to."""
    return [
        *_seed_errors(inputs, loaded),
        *_seed_warnings(inputs, loaded),
        *_untested_warnings(inputs, table),
    ]


def _seed_errors(inputs: Questions, loaded: Loaded) -> Iterator[str]:
    for cell in inputs.cells:
        for same in seeds.failed(cell, loaded):
            yield (
                f"ERROR: {cell.label}: seeds {seeds.listed(same)} gave the same predictions, so the seed has no effect "
                "and they are one run: nothing is tested with it, and there are no stars"
            )


def _coverage_warnings(inputs: CompareInput, loaded: Loaded) -> Iterator[str]:
    by_cell = [counts(cell, loaded) for cell in inputs.cells]
    expected = sum(count["expected"] for count in by_cell)
    for state, said in (("missing", "are missing"), ("diverged", "diverged"), ("oom", "ran out of memory")):
        number = sum(count[state] for count in by_cell)
        if number:
            yield f"{number} of {expected} runs {said}"


def _seed_warnings(inputs: Questions, loaded: Loaded) -> Iterator[str]:
    for cell in inputs.cells:
        spread = seeds.spread(cell, loaded)
        if spread is not None and spread.ratio is not None and (verdict := spread.verdict):
            yield (
                f"{cell.label}: accuracy varies by {100 * spread.std:.2g} points over {spread.n} seeds (standard "
                f"deviation), {spread.ratio:.2g} times the {100 * spread.expected:.2g} points that {spread.images} "
                f"test images with {100 * spread.error:.2g} % errors let expect (arXiv:2304.01910): {verdict}"
            )


def _notes(inputs: CompareInput, loaded: Loaded) -> Iterator[str]:
    steady = [
        cell.model for cell in inputs.cells if seeds.without_randomness(cell, loaded) and seeds.twins(cell, loaded)
    ]
    if steady:
        yield f"note: {_few(steady)}: the same predictions at every seed, as of methods without randomness"
    for model, external in {cell.model: cell.external for cell in inputs.cells if cell.external}.items():
        by = f" by {external.source}" if external.source else ""
        yield f"note: {model}: predictions made elsewhere{by}; nothing of it was trained or measured here"
        how = "paired with ours by seed, as the study says" if external.paired else "paired with no seed of ours"
        yield f"note: {model}: its runs are {how}"


def _machine_warnings(loaded: Loaded) -> Iterator[str]:
    measured = {"train_seconds": {run.hardware for run in loaded.runs.values() if run.hardware}}
    for profile in loaded.profiles.values():
        if profile.hardware is not None:
            what = f"latencies and throughputs ({profile.asked})"
            measured.setdefault(what, set()).add(profile.hardware)
    for what, machines in measured.items():
        if len(machines) > 1:
            several = "; ".join(sorted(machines))
            yield f"{what} were measured on {len(machines)} kinds of machine and do not compare: {several}"


def _backend_warnings(loaded: Loaded) -> Iterator[str]:
    """ONNX files are run by onnxruntime, whatever the condition asks for."""
    by: dict[str, set[str]] = {}
    for profile in loaded.profiles.values():
        if profile.latency_ms_p50 is not None and profile.backend is not None:
            by.setdefault(profile.asked, set()).add(profile.backend)
    for asked, backends in by.items():
        if len(backends) > 1:
            several = " and ".join(sorted(backends))
            yield f"latencies and throughputs ({asked}) were measured by {several}: see backend in costs.csv"


def _cost_warnings(loaded: Loaded, costs: Sequence[Json]) -> Iterator[str]:
    yield from _lacks(costs)
    timed = [p for p in loaded.profiles.values() if p.latency_ms_p50 is not None and not p.published]
    if disturbed := [profile for profile in timed if profile.marks]:
        yield f"{len(disturbed)} of {len(timed)} latencies were measured under disturbance: see marks in costs.csv"

    if noted := [_place(row, costs) for row in costs if row["macs_note"] is not None and row["macs"] is not None]:
        yield f"the two counters of MACs differ on {_few(noted)}: see macs_note in costs.csv"


def _lacks(costs: Sequence[Json]) -> Iterator[str]:
    """What has no cost and why, once for all models and conditions that it is so for."""
    under: dict[tuple[str, str], list[str]] = {}
    for row in costs:
        if row["reason"] is not None and not row["published"]:
            under.setdefault((row["failure"] or row["reason"], _place(row, costs)), []).append(row["condition"])
    places: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (why, place), at in under.items():
        places.setdefault((why, tuple(at)), []).append(place)
    for (why, conditions), of_it in places.items():
        everywhere = len(conditions) == len({row["asked"] for row in costs})
        where = "" if everywhere else f" ({' and '.join(conditions)})"
        yield f"no cost of {_few(of_it)}{where}: {why}"


def _place(row: Json, costs: Sequence[Json]) -> str:
    """The model, with the data set where there are several."""
    several = len({row["dataset"] for row in costs}) > 1
    return f"{row['dataset']}/{row['model']}" if several else str(row["model"])


def _few(names: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = len(distinct) - _MOST_NAMES
    return ", ".join(distinct) if more <= 0 else f"{', '.join(distinct[:_MOST_NAMES])} and {more} more"


def _untested_warnings(inputs: Questions, table: Sequence[Json]) -> Iterator[str]:
    primary = [row for row in table if row["metric"] == inputs.metric and row["verdict"] != "baseline"]
    untested = [row for row in primary if row["verdict"] == "not testable"]
    if untested:
        yield f"{len(untested)} of {len(primary)} candidates could not be tested and are outside the correction"
