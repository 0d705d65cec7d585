"""The columns of the paper's table, each registered once: what a study may ask for, what it is, how it is printed.

A column's id is that of comparison.csv where there is one. Any metric's id is a column too. Studies are checked with
these names, so nothing slow is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.report import costs, words
from bakeoff.report.tabular import Column
from bakeoff.report.text import NONE, Names, Unit, apart, capital, metric_name, probability, significant

if TYPE_CHECKING:
    from bakeoff.report.load import Reference, Results, Row

REFERENCE = "reference"
DEFAULT = ("params", "macs", "latency_ms_p50", "score", "n", "difference", "p", "rank", REFERENCE)


@dataclass(frozen=True)
class Asked:
    """What a column is made from: the rows of one table, and the remarks below it."""

    results: Results
    names: Names
    rows: Sequence[Row]
    remarks: words.Remarks

    @property
    def unit(self) -> Unit:
        """Of the primary metric."""
        return Unit.of(self.results.metric.unit)


Make = Callable[[Asked], list[Column["Row"]]]


@dataclass(frozen=True)
class Kind:
    """A column that a study may ask for. What a model costs is the same however it was trained, so columns `of_model`
    stand only where models are compared; and no column stands where no row has a value.
    """

    about: str
    make: Make
    of_model: bool = False


def made(ids: Iterable[str], asked: Asked) -> list[Column[Row]]:
    """The columns of these ids, in their order, without those that have nothing to say here."""
    compares_models = asked.rows[0].factor == "model"
    kinds = {name: KINDS.get(name) or _metric(name) for name in ids}
    return [
        column
        for kind in kinds.values()
        if compares_models or not kind.of_model
        for column in kind.make(asked)
        if column.always or any(column.text(row) != NONE for row in asked.rows)
    ]


# --- kinds of columns ---------------------------------------------------------------------------------------------


def _text(name: str, text: Callable[[Row], str], unit: str = "", left: bool = False) -> Make:
    return lambda _: [Column(name, text, unit=unit, left=left)]


def _value(name: str, key: str, show: Callable[[float], str], unit: str = "") -> Make:
    """A number of comparison.csv."""
    return _text(name, lambda row: NONE if (value := row.values.get(key)) is None else show(value), unit)


def _p(key: str) -> Callable[[Row], str]:
    return lambda row: probability(row.values.get(key))


def _interval(name: str, key: str, diff: str | None = None) -> Make:
    """A 95 % interval of the difference by its columns {key}_lo and {key}_hi, behind the difference that it is of."""

    def make(asked: Asked) -> list[Column[Row]]:
        def text(row: Row) -> str:
            lo, hi = (row.values.get(f"{key}_{end}") for end in ("lo", "hi"))
            if diff is None:
                return asked.unit.bounds(lo, hi)
            return asked.unit.interval(row.values.get(diff), lo, hi)

        return [Column(name, text, unit=apart(asked.unit.points, "95%"))]

    return make


def _whole(value: float) -> str:
    return str(round(value))


def _signed(value: float) -> str:
    return f"{value:+z.2f}".replace("-", "−")


def _share(value: float) -> str:
    return f"{value:.2f}"


def _three(value: float) -> str:
    return significant(value, 3)


def _per_cent(share: float) -> str:
    return f"{100 * share:+z.1f}".replace("-", "−")


def _metric(name: str) -> Kind:
    """Any metric's mean ± standard deviation over seeds."""

    def make(asked: Asked) -> list[Column[Row]]:
        found = {_place(row): row for row in asked.results.rows if row.metric == name}
        units = {str(row.values["unit"]) for row in found.values()}
        unit = Unit.of(units.pop() if units else "")

        def text(row: Row) -> str:
            other = found.get(_place(row))
            return NONE if other is None else unit.spread(other.mean, other.std)

        return [Column(capital(metric_name(name)), text, unit=unit.sign)]

    return Kind("", make)


def _place(row: Row) -> tuple[str, ...]:
    return (row.comparison, row.dataset, str(row.context), row.candidate)


# --- those that are one of a kind ---------------------------------------------------------------------------------


def is_best(row: Row) -> bool:
    """Whether a row is set off: the best mean, and those not separable from it."""
    return row.rank == 1 or bool(row.tied_with_best)


def _score(asked: Asked) -> list[Column[Row]]:
    unit, name = asked.unit, capital(metric_name(asked.results.metric.name))
    return [Column(name, lambda row: unit.spread(row.mean, row.std), is_best, unit=unit.sign, always=True)]


def _n(asked: Asked) -> list[Column[Row]]:
    return [Column("n", lambda row: words.n_of(asked.results, row), always=True)]


def _difference(asked: Asked) -> list[Column[Row]]:
    unit = asked.unit

    def text(row: Row) -> str:
        return "baseline" if row.is_baseline else unit.interval(row.diff, row.diff_ci_lo, row.diff_ci_hi)

    return [Column("Difference", text, unit=apart(unit.points, "95% interval"), always=True)]


def _p_adjusted(asked: Asked) -> list[Column[Row]]:
    results = asked.results

    def text(row: Row) -> str:
        if row.is_baseline:
            return NONE
        if row.p_adj is None:
            return f"{NONE} ({words.reason(row)})"
        parts = (probability(row.p_adj, results.alpha), words.marks(row, results), words.method(row))
        return " ".join(filter(None, parts))

    return [Column("p", text, unit="raw" if results.correction == "none" else "adjusted", always=True)]


def _detectable(asked: Asked) -> list[Column[Row]]:
    unit = asked.unit

    def text(row: Row) -> str:
        return NONE if row.mde80 is None else unit.plain(row.mde80)

    return [Column("Detectable", text, unit=apart(unit.points, "80% power"))]


def rank(row: Row) -> str:
    """A place with its interval, as in "2 [1–3]": a place alone says more than is known."""
    if row.rank is None or row.rank_lo is None or row.rank_hi is None:
        return NONE
    return f"{row.rank} [{row.rank_lo}]" if row.rank_lo == row.rank_hi else f"{row.rank} [{row.rank_lo}–{row.rank_hi}]"


def _wins(row: Row) -> str:
    counts = [row.values.get(name) for name in ("wins", "ties", "losses")]
    return NONE if None in counts else "/".join(map(str, counts))


def _outperform(row: Row) -> str:
    share, lo, hi = (row.values.get(f"p_outperform{end}") for end in ("", "_lo", "_hi"))
    if share is None:
        return NONE
    return f"{share:.2f}" if lo is None or hi is None else f"{share:.2f} ({lo:.2f} to {hi:.2f})"


def _dominated(asked: Asked) -> list[Column[Row]]:
    def text(row: Row) -> str:
        by: Mapping[str, float] = row.values.get("dominated_by") or {}
        return ", ".join(f"{asked.names(name)} {share:.2f}" for name, share in list(by.items())[:2]) or NONE

    return [Column("Dominated by", text, left=True)]


def _reference(asked: Asked) -> list[Column[Row]]:
    unit = asked.unit

    def text(row: Row) -> str:
        found = references_of(asked.results, row)
        return "; ".join(f"{_published(each, unit)}{asked.remarks.mark([each.said])}" for each in found) or NONE

    there = any(references_of(asked.results, row) for row in asked.rows)
    return [Column("Published", text, unit=unit.sign, always=True)] if there else []


def _published(reference: Reference, unit: Unit) -> str:
    """As in "94.90 within [94.1–95.3]": where the published value lies in the interval that ours gives."""
    value = unit.published(reference.value)
    if reference.verdict is None or reference.expect_lo is None or reference.expect_hi is None:
        return value
    return f"{value} {reference.verdict} [{unit.range(reference.expect_lo, reference.expect_hi)}]"


def references_of(results: Results, row: Row) -> list[Reference]:
    """The published values of the primary metric that stand for a row; a row made from several cells has none."""
    cells = words.cells_of(results, row)
    if len(cells) != 1:
        return []
    return [r for r in results.references if r.metric == row.metric and r.place == cells[0].place]


# --- the register -------------------------------------------------------------------------------------------------

_OF_MODELS = {
    "params": Kind("parameters", costs.counted("Params", "params"), True),
    "trainable_params": Kind("parameters that are trained", costs.counted("Trainable", "trainable_params"), True),
    "macs": Kind("multiply-accumulates for one image", costs.counted("MACs", "macs"), True),
    "activations": Kind(
        "numbers that layers hand on, for one image", costs.counted("Activations", "activations"), True
    ),
    "size_mb": Kind("weights, MB", _value("Size", "size_mb", _three, "MB"), True),
    **{
        f"latency_ms_{q}": Kind(
            f"{what} of one request of one image, ms; a column for each condition",
            costs.measured(f"Latency {q}", f"latency_ms_{q}", "ms", timed=True),
            True,
        )
        for q, what in (("p50", "median time"), ("p95", "95th percentile"), ("p99", "99th percentile"))
    },
    "throughput": Kind("images a second at the best batch", costs.throughput, True),
    **{
        key: Kind(about, costs.measured(title, key, unit), True)
        for key, title, unit, about in (
            ("peak_memory_mb", "Memory", "MB", "peak of inference of one image, MB"),
            ("train_memory_mb", "Training memory", "MB", "peak of a step of training, MB"),
            ("joules_per_image", "Energy", "J/image", "energy of inference"),
        )
    },
}
_SCORES = {
    "score": Kind("the primary metric, mean ± standard deviation over seeds", _score),
    "n": Kind("runs behind it, as in 3 of 5 where some are lost", _n),
    REFERENCE: Kind("a published value of `reference:`, and where it lies", _reference),
    "verdict": Kind(
        "better, worse, equivalent, inconclusive, not testable", _text("Verdict", words.verdict, left=True)
    ),
    "gate": Kind(
        "whether it meets the study's requirements: pass, fail or undecided",
        _text("Requirements", lambda row: row.values.get("gate") or NONE, left=True),
    ),
    "train_seconds": Kind("mean time of a training", _value("Training", "train_seconds", _three, "s")),
}
_DIFFERENCES = {
    "difference": Kind("candidate minus baseline, t interval over seeds", _difference),
    "crossed": Kind("interval of the difference for new seeds and new images", _interval("For new images", "crossed")),
    "images": Kind(
        "difference for new images, of these trained models", _interval("These models", "images", "images_diff")
    ),
    "boot": Kind("bootstrap interval of the difference, percentiles", _interval("Bootstrap", "boot")),
    "bca": Kind("bootstrap interval of the difference, BCa", _interval("BCa", "bca")),
    "d_z": Kind("mean over standard deviation of the paired differences", _value("d_z", "d_z", _signed)),
    "d_av": Kind("difference over the standard deviation of both sides", _value("d_av", "d_av", _signed)),
    "rel_err_reduction": Kind(
        "share of the baseline's errors that is gone", _value("Errors gone", "rel_err_reduction", _per_cent, "%")
    ),
    "wins": Kind("seeds won, tied and lost", _text("Won/tied/lost", _wins)),
    "p_outperform": Kind("probability to win at a seed, with its interval", _text("P(better)", _outperform)),
    "seed_correlation": Kind(
        "correlation of both sides over seeds", _value("Correlation", "seed_correlation", _signed)
    ),
}
_TESTS = {
    "p": Kind("the p that counts, corrected, and its marks", _p_adjusted),
    **{
        key: Kind(about, _text(title, _p(key), unit))
        for key, title, unit, about in (
            ("p_raw", "p raw", "", "paired t test"),
            ("p_exact", "p exact", "", "sign-flip test"),
            ("p_wilcoxon", "p Wilcoxon", "", "Wilcoxon's signed-rank test"),
            ("p_welch", "p Welch", "", "Welch's t test, not paired"),
            ("p_nb", "p resampled", "", "corrected resampled t test (Nadeau and Bengio)"),
            ("crossed_p_adj", "p new images", "adjusted", "p for new seeds and new images"),
            ("images_p", "p these models", "", "p for new images, of these trained models"),
            ("p_tost", "p equivalence", "", "p of equivalence within the margin, not corrected"),
        )
    },
}
_PLANS = {
    "n_pairs": Kind("pairs of runs behind the difference", _value("Pairs", "n_pairs", _whole)),
    "mde80": Kind("the difference that such a study finds with 80% probability", _detectable),
    **{
        key: Kind(about, _value(title, key, _whole))
        for key, title, about in (
            ("seeds_for_rope", "Seeds for margin", "seeds to see the margin of equivalence"),
            ("seeds_for_observed", "Seeds for difference", "seeds to see the difference observed"),
            ("images_for_rope", "Images for margin", "test images to see the margin"),
        )
    },
}
_PLACES = {
    "rank": Kind("place by mean, with its 95% interval", _text("Rank", rank)),
    "p_best": Kind("probability to be the best", _value("P(best)", "p_best", _share)),
    "p_frontier": Kind("probability to be on the frontier of cost", _value("P(on frontier)", "p_frontier", _share)),
    "dominated_by": Kind("who is as good and costs less, most sure first", _dominated),
}
KINDS: Mapping[str, Kind] = {**_OF_MODELS, **_SCORES, **_DIFFERENCES, **_TESTS, **_PLANS, **_PLACES}
