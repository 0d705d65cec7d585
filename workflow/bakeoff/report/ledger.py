"""What was equal between candidates and what was not, how each run is made again, and how good the measurements are."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakeoff.report import costs
from bakeoff.report.diagnosed import take
from bakeoff.report.tabular import Column, Table, build, by_dataset
from bakeoff.report.text import NONE, Names, Unit, capital, scaled, significant

if TYPE_CHECKING:
    from bakeoff.report.load import Cost, Results

_WORDS = {
    "seeds": "Seeds", "epochs": "Epochs planned", "epochs_done": "Epochs run", "images_trained": "Images seen, a run",
    "n_train": "Training images", "n_val": "Validation images", "device": "Device", "threads": "Threads",
    "data_digest": "Digest of the data", "batch_size": "Batch size", "accumulate": "Batches a step",
    "optimizer": "Optimizer", "lr": "Learning rate", "weight_decay": "Weight decay", "schedule": "Schedule",
    "label_smoothing": "Label smoothing", "train_images": "Of the training images", "precision": "Numeric precision",
    "deterministic": "Deterministic", "recipe_digest": "Digest of the recipe", "weights": "Initial weights",
    "tuning_trials": "Tuning budget (trials)", "hardware": "Machine", "method": "Made from runs by",
    "trained": "Trained",
}  # fmt: skip
_EQUAL = "equal"
_DIGESTS = ("data_digest",)
_SHORT = 12
"""Of a digest, as much as is printed."""

Facts = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class RunEntry:
    """One run of a cell: how it ended and what it scored in the primary metric."""

    seed: int
    status: str
    reason: str | None
    score: float | None
    train_seconds: float | None


@dataclass(frozen=True)
class Entry:
    """What one cell was trained with: its facts, each a list of the distinct values over its runs, and its provenance.

    `folder` is where its runs stand, `settings` the whole of what its training depends on but the seed.
    """

    dataset: str
    model: str
    augmentation: str
    recipe: str
    spec: str
    code: str
    folder: str
    settings: Mapping[str, Any] | None
    facts: Facts
    train_seconds: float | None
    gpu_seconds: float | None
    versions: list[Mapping[str, str | None]]
    commits: list[str]
    uncommitted_changes: bool
    runs: list[RunEntry]


@dataclass(frozen=True)
class Fact:
    """In which of the candidates of a question a fact has which values."""

    fact: str
    values: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Question:
    """One comparison on one data set in one context: in what its candidates are equal, and in what they are not."""

    comparison: str
    factor: str
    dataset: str
    context: Mapping[str, str]
    equal: Facts
    differs: list[Fact]
    unknown: list[Fact]


@dataclass(frozen=True)
class Ledger:
    """The ledger of comparison.json."""

    cells: list[Entry]
    questions: list[Question]


def read(raw: Mapping[str, Any]) -> Ledger:
    """The key `ledger` of comparison.json as typed values."""
    return Ledger(
        [take(Entry, {**cell, "runs": [take(RunEntry, run) for run in cell["runs"]]}) for cell in raw["cells"]],
        [
            take(Question, {**q, **{name: [take(Fact, fact) for fact in q[name]] for name in ("differs", "unknown")}})
            for q in raw["questions"]
        ],
    )


# --- what was equal -----------------------------------------------------------------------------------------------


def equality(results: Results, names: Names) -> list[Table]:
    """One table for all questions with the same answer: each fact, whether candidates agree in it, its values."""
    found: dict[str, list[Question]] = {}
    for question in results.ledger.questions:
        key = repr((question.factor, question.equal, question.differs, question.unknown))
        found.setdefault(key, []).append(question)
    return [_equality(f"equal-{number}", questions, names) for number, questions in enumerate(found.values(), 1)]


def _equality(name: str, questions: Sequence[Question], names: Names) -> Table:
    first = questions[0]
    columns: list[Column[tuple[str, str, str]]] = [
        Column("Fact", lambda line: line[0], left=True),
        Column("Between candidates", lambda line: line[1], lambda line: line[1] != _EQUAL, left=True),
        Column("Value", lambda line: line[2], left=True),
    ]
    lines = [
        *((_WORDS[fact.fact], "differs", _by_value(fact, names)) for fact in first.differs),
        *((_WORDS[fact.fact], "not known of all", _by_value(fact, names)) for fact in first.unknown),
        *((_WORDS[fact], _EQUAL, _values(fact, values)) for fact, values in first.equal.items()),
    ]
    places = "; ".join(dict.fromkeys(_place(question, names) for question in questions))
    title = f"{capital(first.factor)}s compared with each other"
    return build(name, title, columns, [("", lines)], (f"On {places}.",))


def _place(question: Question, names: Names) -> str:
    return ", ".join(map(names, (question.dataset, *question.context.values())))


def _by_value(fact: Fact, names: Names) -> str:
    """As in "0.1: ResNet-18, VGG; 0.01: ViT"."""
    who: dict[str, list[str]] = {}
    for candidate, values in fact.values.items():
        who.setdefault(_values(fact.fact, values) if values else NONE, []).append(names(candidate))
    return "; ".join(f"{value}: {', '.join(of)}" for value, of in who.items())


def _values(name: str, values: Sequence[Any]) -> str:
    if name in _DIGESTS:
        return ", ".join(str(value)[:_SHORT] for value in values)
    if len(values) > 2 and all(isinstance(value, int | float) for value in values):
        return f"{_value(values[0])} to {_value(values[-1])}"
    return ", ".join(map(_value, values))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- each cell ----------------------------------------------------------------------------------------------------


def _of_cell(names: Names) -> list[Column[Entry]]:
    return [
        Column("Model", lambda cell: names(cell.model), left=True),
        Column("Augmentation", lambda cell: names(cell.augmentation), left=True),
        Column("Recipe", lambda cell: names(cell.recipe), left=True),
    ]


def training(results: Results, names: Names) -> Table:
    """What each cell was given: epochs, images, batch, recipe, tuning, seconds."""

    def fact(title: str, name: str, unit: str = "") -> Column[Entry]:
        return Column(title, lambda cell: _values(name, cell.facts[name]) or NONE, unit=unit)

    columns = [
        *_of_cell(names),
        Column[Entry]("Runs", lambda cell: str(len(cell.runs))),
        fact("Epochs", "epochs_done"),
        fact("Images seen", "images_trained", "a run"),
        fact("Batch", "batch_size"),
        fact("Optimizer", "optimizer"),
        fact("Learning rate", "lr"),
        fact("Numeric precision", "precision"),
        fact("Initial weights", "weights"),
        fact("Tuning", "tuning_trials", "trials"),
        fact("Recipe", "recipe_digest", "digest"),
        Column[Entry]("Training", lambda cell: scaled(cell.train_seconds, 1, 3), unit="s, all runs"),
        Column[Entry]("On a GPU", lambda cell: scaled(cell.gpu_seconds, 1, 3), unit="s, all runs"),
        fact("Device", "device"),
    ]
    note = "Digest of the recipe: equal where every setting of training is equal. A range is over the seeds."
    return build("ledger", "What each was given", columns, by_dataset(results.ledger.cells, names), (note,))


def provenance(results: Results, names: Names) -> Table:
    """Where each cell's runs stand, from which settings, code, data and commit they were made."""
    columns = [
        *_of_cell(names),
        Column[Entry]("Settings", lambda cell: cell.spec),
        Column[Entry]("Code", lambda cell: cell.code[:_SHORT]),
        Column[Entry]("Data", lambda cell: _values("data_digest", cell.facts["data_digest"]) or NONE),
        Column[Entry]("Commit", commit, left=True),
        Column[Entry]("Runs stand in", lambda cell: cell.folder, left=True),
    ]
    return build("provenance", "Digests and places", columns, by_dataset(results.ledger.cells, names))


def commit(cell: Entry) -> str:
    """The commits that its runs were made at, and whether that says all."""
    text = ", ".join(value[:_SHORT] for value in cell.commits) or NONE
    return f"{text} with uncommitted changes" if cell.uncommitted_changes else text


def versions(cells: Sequence[Entry]) -> list[str]:
    """Each environment that these cells' runs were made in, as in "python 3.11.7, torch 2.15.0"."""
    texts = (", ".join(f"{name} {of}" for name, of in found.items() if of) for cell in cells for found in cell.versions)
    return [text for text in dict.fromkeys(texts) if text]


def study_command(study_files: Sequence[str]) -> str:
    """What makes all of the study that is not there."""
    return "snakemake --cores all" + (f" --configfile {shlex.join(study_files)}" if study_files else "")


def command(cell: Entry, study_files: Sequence[str]) -> str:
    """What makes the runs of a cell and their scores again where they are not there, for bash."""
    seeds = [str(run.seed) for run in cell.runs] or str(cell.facts["seeds"][0]).split()
    each = seeds[0] if len(seeds) == 1 else f"{{{','.join(seeds)}}}"
    end = " --" if study_files else ""
    return f"{study_command(study_files)}{end} {cell.folder}/seed{each}/metrics.json"


# --- what failed, and the weather ---------------------------------------------------------------------------------


def failures(results: Results, names: Names) -> list[str]:
    """One line for each run that did not end well."""
    return [
        f"{', '.join(map(names, (cell.dataset, cell.model, cell.augmentation, cell.recipe)))}, seed {run.seed}: "
        f"{run.status}" + (f" ({run.reason})" if run.reason else "")
        for cell in results.ledger.cells
        for run in cell.runs
        if run.status != "done"
    ]


def weather(results: Results, names: Names) -> Table | None:
    """How far the times of each profile can be trusted; None of a study without costs."""
    timed = [cost for cost in results.costs if cost.latency_ms_p50 is not None]
    if not timed:
        return None
    labels = costs.conditions(results)
    columns: list[Column[Cost]] = [
        Column("Model", lambda cost: names(cost.model), left=True),
        Column("Condition", lambda cost: labels[cost.asked], left=True),
        Column("Machine", lambda cost: cost.hardware or NONE, left=True),
        Column("Numeric precision", lambda cost: cost.precision or NONE, left=True),
        Column("Run as", lambda cost: cost.backend or NONE, left=True),
        Column(
            "Anchor net", lambda cost: NONE if cost.anchor_ms is None else significant(cost.anchor_ms, 3), unit="ms"
        ),
        Column(
            "Disturbed by",
            lambda cost: "; ".join(cost.marks) or "nothing seen",
            lambda cost: bool(cost.marks),
            left=True,
        ),
    ]
    note = (
        "Anchor net: a small net timed before and after each profile; where it differs between profiles, the machine "
        "was not the same, and times do not compare."
    )
    return build("weather", "Weather of the measurements", columns, by_dataset(timed, names), (note,))


def seeds(cells: Sequence[Entry], results: Results, names: Names) -> Table:
    """The score of each run of some cells."""
    unit = Unit.of(results.metric.unit)

    def text(run: RunEntry) -> str:
        return f"{run.status} ({run.reason})" if run.reason else run.status

    columns: list[Column[RunEntry]] = [
        Column("Seed", lambda run: str(run.seed)),
        Column("Score", lambda run: NONE if run.score is None else f"{run.score * unit.scale:.2f}", unit=unit.sign),
        Column("Training", lambda run: scaled(run.train_seconds, 1, 3), unit="s"),
        Column("Status", text, left=True),
    ]
    groups = [(", ".join(map(names, (c.dataset, c.augmentation, c.recipe))), c.runs) for c in cells if c.runs]
    return build("seeds", "Runs", columns, groups)
