"""What models cost, as tables show it: with the condition, with a mark where a number is in doubt, with the reason
where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from bakeoff.report.tabular import Column, Table, build
from bakeoff.report.text import NONE, Names, magnitude, scaled, significant

if TYPE_CHECKING:  # a study is checked with the names of columns, and reading results takes pandas
    from bakeoff.report.columns import Asked
    from bakeoff.report.load import Cost, Results, Row

DISTURBED = "§"
DISTURBED_MEANS = "measured under disturbance"
MISCOUNTED = "¶"
MISCOUNTED_MEANS = "the two counters of MACs differ"
PUBLISHED = "¤"
PUBLISHED_MEANS = "as published, not measured here"
_TIMED = ("Latency", "Throughput")


def guide() -> list[tuple[str, str]]:
    """Each mark of a cost and its meaning."""
    return [
        (DISTURBED, f"{DISTURBED_MEANS}: by what is said below the table."),
        (MISCOUNTED, f"{MISCOUNTED_MEANS}: on what is said below the table."),
        (PUBLISHED, f"{PUBLISHED_MEANS}: by whom is said below the table."),
    ]


def conditions(results: Results) -> dict[str, str]:
    """What each condition of the study is called, in its order: what it was on the machine, where that was one thing
    and no other's name.
    """
    resolved: dict[str, set[str]] = {}
    for cost in results.costs:
        resolved.setdefault(cost.asked, set()).update({cost.condition} - {cost.asked})
    names = {asked: known.pop() if len(known) == 1 else asked for asked, known in resolved.items()}
    return {asked: name if list(names.values()).count(name) == 1 else asked for asked, name in names.items()}


# --- in the paper's table -----------------------------------------------------------------------------------------

Make = Callable[["Asked"], list[Column["Row"]]]


def counted(title: str, key: str) -> Make:
    """A number that no condition changes, in one unit for all rows, as makers of columns want it."""

    def make(asked: Asked) -> list[Column[Row]]:
        known, labels = _known(asked.results), conditions(asked.results)
        divisor, prefix = magnitude(row.values.get(key) for row in asked.rows)

        def text(row: Row) -> str:
            cost = known.get((row.dataset, str(row.model), next(iter(labels), "")))
            mark = MISCOUNTED if key == "macs" and row.macs_note is not None else _published(cost)
            return _or_why(scaled(row.values.get(key), divisor, 4), cost, mark)

        return [Column(title, text, unit=prefix)]

    return make


def measured(title: str, key: str, unit: str, timed: bool = False) -> Make:
    """A number of each condition of the study; one of time is marked where it was disturbed."""

    def show(value: float | None, cost: Cost | None) -> str:
        return _or_why(scaled(value, 1, 3), cost, _doubt(cost) if timed else _published(cost))

    return _by_condition(title, key, unit, show)


def throughput(asked: Asked) -> list[Column[Row]]:
    """Images a second under each condition, with their interval."""

    def show(value: float | None, cost: Cost | None) -> str:
        if value is None or cost is None:
            return _or_why(scaled(value, 1, 3), cost, "")
        return _throughput(cost)

    return _by_condition("Throughput", "throughput", "images/s", show)(asked)


def _by_condition(title: str, key: str, unit: str, show: Callable[[float | None, Cost | None], str]) -> Make:
    def make(asked: Asked) -> list[Column[Row]]:
        known, labels = _known(asked.results), conditions(asked.results)

        def column(condition: str) -> Column[Row]:
            def text(row: Row) -> str:
                cost = known.get((row.dataset, str(row.model), condition))
                return show(getattr(cost, key) if cost else row.values.get(key), cost)

            return Column(title, text, unit=f"{unit}, {labels[condition]}" if len(labels) > 1 else unit)

        # Numbers made elsewhere are of no condition.
        labels = labels or {"": ""}
        return [column(condition) for condition in labels]

    return make


def _known(results: Results) -> dict[tuple[str, str, str], Cost]:
    return {(cost.dataset, cost.model, cost.asked): cost for cost in results.costs}


def _or_why(text: str, cost: Cost | None, mark: str) -> str:
    """A number and its mark, or a dash and in words why there is none."""
    if text == NONE:
        return f"{NONE} ({cost.failure})" if cost and cost.failure else NONE
    return _marked(text, mark)


def _published(cost: Cost | None) -> str:
    return PUBLISHED if cost and cost.published else ""


def _doubt(cost: Cost | None) -> str:
    """The mark of a time."""
    return DISTURBED if cost and cost.marks else _published(cost)


def _time(cost: Cost, name: str) -> str:
    return _or_why(scaled(getattr(cost, name), 1, 3), cost, _doubt(cost))


def notes(results: Results, names: Names, rows: Sequence[Row], heads: Collection[str]) -> Iterator[str]:
    """What is to be said below the table of the columns of cost among `heads`, the names of its columns."""
    if said := list(_definitions(results, heads)):
        yield " ".join(said)
    models = {(row.dataset, row.model) for row in rows}
    shown = [cost for cost in results.costs if (cost.dataset, cost.model) in models]
    if said:
        yield from _reasons(shown, results, names)
        yield from _by_others(shown, results, names)
    if any(head.startswith(_TIMED) for head in heads):
        yield from _disturbances(shown, results, names)
    if "MACs" in heads:
        yield from _miscounts(shown, results, names)


def _definitions(results: Results, heads: Collection[str]) -> Iterator[str]:
    labels = conditions(results)
    condition = f" ({next(iter(labels.values()))})" if len(labels) == 1 else ""
    if "MACs" in heads:
        yield "MACs: multiply-accumulates of convolutions and matrix products for one image."
    if any(head.startswith("Latency") for head in heads):
        yield f"Latency: median time of one request of one image{condition}, on the machine named below."
    if "Throughput" in heads:
        batches = sorted({cost.best_batch_size for cost in results.costs if cost.best_batch_size is not None})
        of = f" (of {batches[0]} to {batches[-1]} images)" if len(batches) > 1 else "".join(f" ({b})" for b in batches)
        yield f"Throughput: images a second at each model's best batch{of}, with a 95% interval{condition}."
    if "Memory" in heads:
        yield f"Memory: the peak of inference of one image{condition}."
    if "Training memory" in heads:
        yield "Training memory: the peak of one step of training."


# --- the table of costs -------------------------------------------------------------------------------------------


def table(results: Results, names: Names) -> Table:
    """Everything about the cost of each model, on each dataset (input size and number of classes) and condition."""
    ordered = sorted(results.costs, key=lambda cost: cost.dataset)
    groups = [(names(dataset), list(group)) for dataset, group in groupby(ordered, key=lambda cost: cost.dataset)]
    remarks = (
        "Throughput: images a second at the best batch, with the 95% bootstrap interval of the median of blocks. "
        "Memory: the peak of inference for one image and for the best batch, and that of a step of training.",
        *_reasons(results.costs, results, names),
        *_disturbances(results.costs, results, names),
        *_miscounts(results.costs, results, names),
        *_by_others(results.costs, results, names),
        *(f"No memory for {text}." for text in _said(results.costs, lambda c: c.memory_reason, results, names)),
        *(f"No energy for {text}." for text in _said(results.costs, _without_energy, results, names)),
    )
    return build("costs", "What the models cost", _columns(results, names), groups, tuple(remarks))


def _columns(results: Results, names: Names) -> list[Column[Cost]]:
    params, macs, activations = (
        magnitude(getattr(cost, name) for cost in results.costs) for name in ("params", "macs", "activations")
    )

    def number(title: str, name: str, unit: str, divisor: float = 1, digits: int = 3) -> Column[Cost]:
        return Column(
            title, lambda cost: _marked(scaled(getattr(cost, name), divisor, digits), _published(cost)), unit=unit
        )

    def time(title: str, name: str) -> Column[Cost]:
        return Column(title, lambda cost: _time(cost, name), unit="ms")

    return [
        Column("Model", lambda cost: names(cost.model), left=True),
        Column("Condition", lambda cost: cost.condition, left=True),
        time("Latency p50", "latency_ms_p50"),
        time("p95", "latency_ms_p95"),
        time("p99", "latency_ms_p99"),
        Column("Throughput", _throughput, unit="images/s"),
        Column("Best batch", lambda cost: NONE if cost.best_batch_size is None else str(cost.best_batch_size)),
        number("Memory", "peak_memory_mb", "MB, one image"),
        number("Memory", "best_batch_memory_mb", "MB, best batch"),
        Column("Memory", _training_memory, unit="MB, training step"),
        number("Energy", "joules_per_image", "J/image"),
        number("Size", "size_mb", "MB"),
        number("Params", "params", params[1], params[0], 4),
        Column("MACs", lambda cost: _macs(cost, macs[0]), unit=macs[1]),
        number("Activations", "activations", activations[1], activations[0], 4),
    ]


def _throughput(cost: Cost) -> str:
    if cost.throughput is None:
        return NONE
    text = significant(cost.throughput, 3)
    if cost.throughput_lo is not None and cost.throughput_hi is not None:
        text += f" ({significant(cost.throughput_lo, 3)} to {significant(cost.throughput_hi, 3)})"
    return _marked(text, _doubt(cost))


def _marked(text: str, mark: str) -> str:
    return text if text == NONE else f"{text} {mark}".rstrip()


def _training_memory(cost: Cost) -> str:
    text = scaled(cost.train_memory_mb, 1, 3)
    return text if text == NONE or cost.train_batch_size is None else f"{text} (batch {cost.train_batch_size})"


def _macs(cost: Cost, divisor: float) -> str:
    text = scaled(cost.macs, divisor, 4)
    return _marked(text, MISCOUNTED if cost.macs_note is not None else _published(cost))


def _without_energy(cost: Cost) -> str | None:
    return cost.energy_reason if cost.joules_per_image is None else None


# --- what is said below -------------------------------------------------------------------------------------------


def remarks_of(figure: str, results: Results, names: Names) -> list[str]:
    """What the caption of a figure says of its points that are marked; its times are of the first condition."""
    if figure == "pareto_latency":
        first = next(iter(conditions(results)))
        return _disturbances([cost for cost in results.costs if cost.asked == first], results, names)
    return _miscounts(results.costs, results, names) if figure == "pareto_macs" else []


def _reasons(costs: Sequence[Cost], results: Results, names: Names) -> list[str]:
    """The reasons why costs are missing, each behind what stands in the table for it."""
    found = []
    for failure in dict.fromkeys(cost.failure for cost in costs if cost.reason is not None):
        of_it = [cost for cost in costs if cost.failure == failure]
        dash = f"{NONE} ({failure})" if failure else NONE
        found += [f"{dash} for {text}." for text in _said(of_it, lambda cost: cost.reason, results, names)]
    return found


def _disturbances(costs: Sequence[Cost], results: Results, names: Names) -> list[str]:
    timed = [cost for cost in costs if cost.latency_ms_p50 is not None]
    texts = _said(timed, lambda cost: "; ".join(cost.marks) or None, results, names)
    return [f"{DISTURBED} {DISTURBED_MEANS}, {text}." for text in texts]


def _by_others(costs: Sequence[Cost], results: Results, names: Names) -> list[str]:
    texts = _said(costs, lambda cost: cost.published, results, names, "")
    return [f"{PUBLISHED} {PUBLISHED_MEANS}, {text}." for text in texts]


def _miscounts(costs: Sequence[Cost], results: Results, names: Names) -> list[str]:
    texts = _said(costs, lambda cost: cost.macs_note, results, names, "")
    return [f"{MISCOUNTED} {MISCOUNTED_MEANS}, {text}." for text in texts]


def _said(
    costs: Iterable[Cost],
    of: Callable[[Cost], str | None],
    results: Results,
    names: Names,
    under: str = " under ",
) -> list[str]:
    """What is said of costs, once for all that it is said of, as in "ResNet-18, ViT under GPU and CPU, 1 thread: why".

    `of` gives the text, without the models, or None; `under` is "" for what no condition changes.
    """
    labels = conditions(results)
    several = len({cost.dataset for cost in results.costs}) > 1
    found: dict[tuple[str, str], list[str]] = {}
    for cost in costs:
        if (text := of(cost)) is not None:
            who = f"{names(cost.model)} on {names(cost.dataset)}" if several else names(cost.model)
            found.setdefault((text.rstrip("."), who), []).append(labels[cost.asked])
    grouped: dict[tuple[str, str], list[str]] = {}
    for (text, who), at in found.items():
        where = f"{under}{' and '.join(at)}" if under and len(at) < len(labels) else ""
        grouped.setdefault((text, where), []).append(who)
    return [f"{', '.join(who)}{where}: {text}" for (text, where), who in grouped.items()]
