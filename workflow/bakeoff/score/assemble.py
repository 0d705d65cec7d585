"""From files of predictions to what the statistics of a study work from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from bakeoff.compare import outside
from bakeoff.compare.load import CellKey, Examples, Outcome
from bakeoff.compare.outside import Assembled, Request
from bakeoff.compare.predictions import TWINS, Predictions
from bakeoff.compare.scores import DEFAULTS, Score, Scores
from bakeoff.errors import UserError
from bakeoff.problems import nearest
from bakeoff.score import classification, generation, regression, text, verification
from bakeoff.score.runs import Run, runs
from bakeoff.score.task import Measured, Options, Task

TASKS: Mapping[str, Task] = MappingProxyType(
    {module.TASK.name: module.TASK for module in (classification, regression, verification, generation, text)}
)


def assemble(files: Sequence[tuple[str, bytes]], task: Task, options: Options, request: Request) -> Assembled:
    """Score the runs in the bytes of files, each with its path, and put them in place.

    Without a baseline, it is the system of the first file. `request.metric` may be the beginning of a name that has
    something in parentheses; without one, the task's own is judged, or the first that there is. Raises UserError for
    what is wrong with a file or the request.
    """
    found = runs(files, task)
    measured = [(run, task.measure(run.columns, options)) for run in found]
    rows = [
        Score(0, *_place(run.system), run.seed, name, value, "ok", None, ())
        for run, each in measured
        for name, value in each.values.items()
    ]
    source = files[0][0] if len(files) == 1 else f"{files[0][0]} and {len(files) - 1} more"
    names = sorted({row.metric for row in rows})
    baseline = request.baseline or found[0].system
    wanted = replace(request, baseline=baseline, metric=_metric(names, request.metric, task))
    scores = Scores(source, ("model",), tuple(rows), tuple(_left_out(measured, task)))
    answers = Predictions(
        source,
        ("model",),
        {(_place(run.system), run.seed): _outcome(each) for run, each in measured},
        _examples(found, task),
        (),
    )
    return outside.assemble(scores, answers, wanted, {name: task.known(name) for name in names})


def _place(system: str) -> CellKey:
    return (DEFAULTS["dataset"], system, DEFAULTS["augmentation"], DEFAULTS["recipe"])


def _metric(names: Sequence[str], wanted: str | None, task: Task) -> str:
    """The metric that is judged, by its name or what stands before the parentheses of it."""
    asked = wanted or task.primary
    found = [name for name in names if asked in (name, name.partition(" (")[0])]
    if len(found) == 1:
        return found[0]
    if not names:
        raise UserError(f"score: no metric of {task.name} has a value on these files")
    if wanted is None:
        return names[0]
    raise UserError(f"--metric: these files have no {wanted!r}; {nearest(wanted, names)}")


def _left_out(measured: Sequence[tuple[Run, Measured]], task: Task) -> list[str]:
    """What is to be said of the numbers, and of metrics that have none: each once, with the first run's reason."""
    reasons: dict[str, str] = {}
    for run, each in measured:
        for name, why in each.undefined.items():
            reasons.setdefault(name, f"{name} of {run.label} is left out: {why}")
    said = [] if task.rows == "images" else [f"what is said of images is said of {task.rows}"]
    return [*said, *task.notes, *reasons.values()]


def _examples(found: Sequence[Run], task: Task) -> dict[str, Examples]:
    if not task.aligned:
        return {}
    columns = found[0].columns
    labels = task.labels(columns) if task.labels else np.full(len(columns), -1, dtype=np.int64)
    return {DEFAULTS["dataset"]: Examples(np.arange(len(columns), dtype=np.int64), labels)}


def _outcome(measured: Measured) -> Outcome:
    """`predictions_digest` tells runs that are one; too few errors, and hard rows explain that two are equal."""
    few = measured.correct is not None and np.count_nonzero(~measured.correct) < TWINS
    digest = None if few else hashlib.sha256(measured.answers).hexdigest()
    return Outcome(measured.correct, digest, measured.predicted, measured.per_row)
