"""What the report says in words: the answer, the footnotes of a table, and how to read the marks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bakeoff.report.text import Names, Unit, capital, counted, metric_name

if TYPE_CHECKING:  # a study is checked with the names of columns, and reading results takes pandas
    from bakeoff.report.load import Cell, Results, Row

PARTIAL = "PARTIAL"

_CORRECTIONS = {"holm": "Holm", "bh": "Benjamini-Hochberg"}
_RESAMPLED = "nadeau_bengio"
_METHODS = {
    "sign_flip": "(sign flip)",
    "welch": "(unpaired)",
    "identical": "(identical)",
    _RESAMPLED: "(resampled)",
}
_UNTESTED = "not testable"
_VERDICTS = ("better", "worse", "equivalent", "inconclusive")


# --- rows in order ------------------------------------------------------------------------------------------------


def by_question(results: Results) -> list[list[Row]]:
    """The rows of the primary metric, one list for each comparison and dataset, the best candidate first."""
    sign = -1 if results.metric.direction == "max" else 1
    ordered = sorted(results.primary, key=lambda row: (row.mean is None, sign * (row.mean or 0.0), row.candidate))
    questions: dict[tuple[str, str], list[Row]] = {(row.comparison, row.dataset): [] for row in results.primary}
    for row in ordered:
        questions[row.comparison, row.dataset].append(row)
    return list(questions.values())


def by_context(results: Results, rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that held the same axes fixed, contexts in the order of comparison.json."""
    contexts: dict[str, list[Row]] = {str(row.context): [] for row in results.primary}
    for row in rows:
        contexts[str(row.context)].append(row)
    return [group for group in contexts.values() if group]


def context(results: Results, names: Names, row: Row) -> str:
    """What was held fixed, as in "Augmentation none, recipe default", and the axes that were averaged over."""
    fixed = [f"{axis} {names(value)}" for axis, value in row.context.items() if axis != "dataset"]
    free = [axis for axis in ("model", "augmentation", "recipe") if axis != row.factor and axis not in row.context]
    averaged = [f"averaged over {axis}s" for axis in free if len({getattr(c, axis) for c in results.cells}) > 1]
    return capital(", ".join((*fixed, *averaged)))


def named(row: Row) -> str:
    """The name of a row's comparison, as in " (overall)", where it is not just that of its factor."""
    return "" if row.comparison == row.factor else f" ({row.comparison})"


def cells_of(results: Results, row: Row) -> list[Cell]:
    """The cells whose runs a row was made from."""
    axes = {"dataset": row.dataset, "model": row.model, "augmentation": row.augmentation, "recipe": row.recipe}
    fixed = {axis: value for axis, value in axes.items() if value is not None}
    return [cell for cell in results.cells if all(getattr(cell, axis) == value for axis, value in fixed.items())]


# --- parts of a row -----------------------------------------------------------------------------------------------


def n_of(results: Results, row: Row) -> str:
    """How many runs a row is the mean of: "5", or "3 of 5" when runs are missing or diverged."""
    expected = max((cell.expected for cell in cells_of(results, row)), default=row.n_ok)
    once = row.status == "one_seed" and not row.seeds_dropped  # of methods without randomness, one stands for all
    return str(row.n_ok) if once or row.n_ok >= expected else f"{row.n_ok} of {expected}"


def method(row: Row) -> str:
    """What a p value is from when not from the paired t test, as in "(sign flip)"; else ""."""
    return _METHODS.get(row.p_method or "", "")


def marks(row: Row, results: Results) -> str:
    """Stars or triangles, then † (rests on normality) and ◆ (holds for new images too), which no row without a star
    has; and ‡ (many runs lost), which any row may have.
    """
    stars = row.stars.strip("†‡◆ ")
    daggers = row.dagger if isinstance(row.dagger, str) else "†" * bool(row.dagger)
    if not stars:
        return "‡" if "‡" in daggers else ""
    new_images = row.crossed_p_adj is not None and row.crossed_p_adj < max(results.alpha)
    return stars + daggers + ("◆" if new_images else "")


def verdict(row: Row) -> str:
    """The verdict as words."""
    return row.verdict.replace("_", " ")


def reason(row: Row) -> str:
    """Why a row has no p value."""
    return row.status.replace("_", " ") if row.status not in ("ok", "done", "") else verdict(row)


@dataclass
class Remarks:
    """The numbered remarks below a table; the same text has one number."""

    numbers: dict[str, int] = field(default_factory=dict)

    def mark(self, warnings: Iterable[str]) -> str:
        """What follows a name that has these warnings, as in " (1) (2)"."""
        return "".join(f" ({self.numbers.setdefault(text, len(self.numbers) + 1)})" for text in warnings)

    def notes(self) -> list[str]:
        """The remarks, each behind its number."""
        return [f"({number}) {text}" for text, number in self.numbers.items()]


# --- the answer ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What the rows of one comparison on one dataset say, one paragraph for each context."""

    title: str
    paragraphs: tuple[tuple[str, tuple[str, ...]], ...]  # (context, sentences)


def answers(results: Results, names: Names) -> list[Answer]:
    """The rows as sentences: which candidate is better, worse, equivalent, and where these runs cannot tell."""
    found = []
    for rows in by_question(results):
        title = f"{names(rows[0].dataset)}: which {rows[0].factor}?{named(rows[0])}"
        paragraphs = (
            (context(results, names, group[0]), (_best(results, names, group), *_verdicts(results, names, group)))
            for group in by_context(results, rows)
        )
        found.append(Answer(title, tuple(paragraphs)))
    return found


def _best(results: Results, names: Names, rows: list[Row]) -> str:
    best = next((row for row in rows if row.mean is not None), None)
    if best is None:
        return "No run finished."
    unit = Unit.of(results.metric.unit)
    extreme = "Highest" if results.metric.direction == "max" else "Lowest"
    tied = [names(row.candidate) for row in rows if row.tied_with_best and row is not best]
    return (
        f"{extreme} mean {metric_name(results.metric.name)}: {names(best.candidate)}, "
        f"{unit.spread(best.mean, best.std)}{unit.behind} (n = {n_of(results, best)})"
        + (f"; not separable from it: {', '.join(tied)}." if tied else ".")
    )


def _verdicts(results: Results, names: Names, rows: list[Row]) -> Iterator[str]:
    unit = Unit.of(results.metric.unit)
    baseline = names(rows[0].baseline)
    rope = next((row.rope for row in rows if row.rope is not None), None)
    margin = f" within ±{unit.plain(rope)} {unit.points}".rstrip() if rope is not None else ""
    leads = {
        "better": f"Better than {baseline}",
        "worse": f"Worse than {baseline}",
        "equivalent": f"Equivalent to {baseline}{margin}",
        "inconclusive": f"Cannot tell from {baseline}",
        _UNTESTED: f"Not testable against {baseline}",
    }
    candidates = [row for row in rows if not row.is_baseline]
    for kind, lead in leads.items():
        parts = [_claim(results, names, row, kind) for row in candidates if _kind(row) == kind]
        if parts:
            yield f"{lead}: {'; '.join(parts)}."


def _kind(row: Row) -> str:
    return row.verdict if row.verdict in _VERDICTS else _UNTESTED


def _claim(results: Results, names: Names, row: Row, kind: str) -> str:
    unit = Unit.of(results.metric.unit)
    if kind == _UNTESTED:
        return f"{names(row.candidate)} ({reason(row)})"
    text = f"{names(row.candidate)} by {unit.interval(row.diff, row.diff_ci_lo, row.diff_ci_hi)} {unit.points}".rstrip()
    seen = marks(row, results)
    if seen and row.crossed_p_adj is not None:
        scope = "also for new images" if "◆" in seen else "on these test images; for new images it cannot tell"
        return f"{text}, {scope}"
    if kind == "inconclusive" and row.mde80 is not None and abs(row.diff or 0.0) < row.mde80:
        return f"{text}; a difference of {unit.plain(row.mde80)} would be found by 4 of 5 such studies"
    return text


def caveat(results: Results) -> str:
    """What the answer does not say."""
    level = f"p < {max(results.alpha):g}"
    correction = (
        "not corrected" if results.correction == "none" else _CORRECTIONS.get(results.correction, results.correction)
    )
    return (
        f"Better, worse and equivalent mean {level} ({correction}); the intervals are 95%. This holds for these data, "
        "seeds and training settings. Cannot tell does not mean that there is no difference."
    )


def is_unbalanced(results: Results, dataset: str) -> bool:
    """Whether accuracy misleads on a dataset."""
    return any(test.unbalanced for test in results.test_images if test.dataset == dataset)


# --- notes --------------------------------------------------------------------------------------------------------


def footnotes(
    results: Results, names: Names, rows: list[Row], text: str, heads: Collection[str], costs: Iterable[str]
) -> Iterator[str]:
    """What a reader must know beside a table that has these `heads` and the cells `text`: of columns and marks, only
    those that occur in it. `costs` is what is to be said of the costs.
    """
    done, expected = results.runs()
    if results.partial or done < expected:
        yield stamp(results)
    yield " ".join(_readings(results, rows, heads))
    if results.metric.name == "accuracy" and is_unbalanced(results, rows[0].dataset):
        yield "The test images are unbalanced, so accuracy misleads: read balanced accuracy, the mean recall, first."
    if "p" in heads:
        yield _method_note(results, rows)
    yield from (f"{mark} {meaning}" for mark, meaning in guide(results) if _occurs(mark, text))
    if "Published" in heads:
        yield EXPECTED
    yield BOOTSTRAP
    yield from costs
    yield from hardware(results)
    if results.hardware:  # of scores made elsewhere, the remarks on rows say what is lost
        yield from gaps(results, names, {id(cell) for row in rows for cell in cells_of(results, row)})


def _occurs(mark: str, text: str) -> bool:
    """Whether a mark is in the text; ★ is not in ★★."""
    first = re.escape(mark[0])
    return re.search(rf"(?<!{first}){re.escape(mark)}(?!{first})", text) is not None


def _readings(results: Results, rows: list[Row], heads: Collection[str]) -> Iterator[str]:
    extreme = "highest" if results.metric.direction == "max" else "lowest"
    yield (
        f"Mean ± standard deviation over n {_seeds(rows)}; bold: the {extreme} mean and those not separable from it."
    )
    if "Difference" in heads:
        yield "Difference: candidate minus baseline, paired by seed, with its own t interval (not corrected)."
    if "These models" in heads or "p these models" in heads:
        yield "These models: for new images of this kind, but not for new seeds; not corrected."
    if "Rank" in heads:
        yield "Rank: place by mean, and in brackets the places that it may have (95%)."


EXPECTED = (
    "Published: within, above or below what new runs of ours are expected to give (95% prediction interval: mean ± "
    "t s √(1/n + 1/m) for the mean of m new runs, m as many as were published), not only our mean's own interval."
)
BOOTSTRAP = "Bootstrap intervals (comparison.csv) cover less than 95% below 20 seeds: 75% at 3, 84% at 5, 90% at 10."


def _seeds(rows: list[Row]) -> str:
    seeds = sorted({seed for row in rows for seed in row.seeds_used})
    return f"seeds ({', '.join(map(str, seeds))})" if 0 < len(seeds) <= 10 else "seeds"


def _method_note(results: Results, rows: list[Row]) -> str:
    families = sorted({row.family_size for row in rows if row.family_size})
    size = f"{' or '.join(map(str, families)) or 'no'} comparison{'' if families == [1] else 's'}"
    correction = (
        "not corrected for the number of comparisons"
        if results.correction == "none"
        else f"{_CORRECTIONS.get(results.correction, results.correction)}-corrected over {size}"
    )
    resampled = any(row.p_method == _RESAMPLED for row in rows)
    test = "corrected resampled t test (Nadeau and Bengio 2003)" if resampled else "paired t test"
    return f"p: {test}, two-sided; exact sign-flip test where the differences have no variance; {correction}."


def guide(results: Results) -> list[tuple[str, str]]:
    """Each mark and its meaning."""
    signs = [("★" * (i + 1), "▼" * (i + 1), alpha) for i, alpha in enumerate(sorted(results.alpha, reverse=True))]
    return [
        *((star, f"better than the baseline, p < {alpha:g}.") for star, _, alpha in signs),
        *((down, f"worse than the baseline, p < {alpha:g}.") for _, down, alpha in signs),
        ("†", f"rests on normal differences: with so few seeds no exact test can go below {max(results.alpha):g}."),
        ("◆", f"holds for new images of this kind too (crossed seeds × images, p < {max(results.alpha):g})."),
        ("‡", "over a fifth of the pairs is lost: what is left may be a selection (worst_diff in comparison.csv)."),
        ("(sign flip)", "exact sign-flip test: the differences have no variance, so there is no t."),
        ("(unpaired)", "Welch's t test: candidate and baseline share no seed."),
        ("(identical)", "the scores of both are the same at every seed."),
        ("(resampled)", "each seed drew its own split; the t test is corrected for the images that splits share."),
    ]


def hardware(results: Results) -> Iterator[str]:
    """Which machines trained, in which precision, and which profiled."""
    precisions = ", ".join(results.hardware.get("precision") or [])
    for stage, verb, said in (("training", "Trained", precisions), ("profiling", "Profiled", "")):
        if stage not in results.hardware:  # scores made elsewhere
            continue
        machines = results.hardware[stage] or ["unknown"]
        yield f"{verb} on: {'; '.join(machines)}{f'; precision {said}' if said else ''}."


def stamp(results: Results) -> str:
    """How much of the study there is, as in "PARTIAL: 33 of 40 runs done."; a complete target has no PARTIAL."""
    done, expected = results.runs()
    return f"{PARTIAL + ': ' if results.partial else ''}{done} of {counted(expected, 'run')} done."


def gaps(results: Results, names: Names, only: set[int] | None = None) -> Iterator[str]:
    """One line for each cell that has fewer finished runs than expected."""
    for cell in results.cells:
        if cell.done >= cell.expected or (only is not None and id(cell) not in only):
            continue
        name = ", ".join(names(part) for part in (cell.dataset, cell.model, *cell.variant))
        missing = f"{cell.missing} missing" + (f" (seeds {cell.missing_seeds})" if cell.missing_seeds else "")
        lost = [f"{cell.diverged} diverged"] * bool(cell.diverged) + [f"{cell.oom} oom"] * bool(cell.oom)
        lost += [missing] * bool(cell.missing)
        yield f"{name}: {cell.done} of {cell.expected} done; {', '.join(lost)}."


def fairness(results: Results, names: Names) -> list[str]:
    """What was equal in these comparisons, as far as the records say."""
    tested = [row for row in results.primary if not row.is_baseline]
    seeds = sorted({seed for row in tested for seed in row.seeds_used})
    unequal = [row for row in tested if row.seeds_dropped]
    facts = [f"Runs are paired by seed; seeds used: {', '.join(map(str, seeds)) or 'none'}."]
    if unequal:
        facts += [
            f"{names(row.candidate)} on {names(row.dataset)} ({context(results, names, row)}): compared on "
            f"{counted(row.n_pairs or 0, 'shared seed')} only, without {', '.join(map(str, row.seeds_dropped))}."
            for row in unequal
        ]
    else:
        facts.append("Every candidate has the same seeds as its baseline; no seed was left out.")
    devices = sorted({cell.device for cell in results.cells if cell.device})
    facts.append(f"Device of the training: {', '.join(devices) or 'not recorded'}.")
    return facts
