"""`bakeoff compare`: of a study, as a rule asks it; of scores made elsewhere; and what a pilot says is needed."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bakeoff.commands.options import DEFAULT_STUDY, AsJson, Code, Results, Scale
from bakeoff.compare import csvfile
from bakeoff.errors import UserError
from bakeoff.layout import RESULTS
from bakeoff.provenance import Json, code_digest, parse_spec

if TYPE_CHECKING:
    from rich.console import Console

    from bakeoff.compare.outside import Assembled, Request

STDIN = "-"
_STUDIES = (".yaml", ".yml", ".json")
_MOST_SAID = 8
"""Of more sentences, the terminal shows none; comparison.md has them all."""


def compare(
    source: Annotated[
        Path | None, typer.Argument(help="Study file (.yaml); or a CSV of scores made elsewhere, - for standard input.")
    ] = None,
    spec: Annotated[str | None, typer.Option(help="The step's settings; the rule hands them over.")] = None,
    code: Code = None,
    scale: Scale = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Of a study: compare what is there; the tables say what is missing.")
    ] = False,
    baseline: Annotated[str | None, typer.Option(help="Of scores: what all others are compared with.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="The one that is judged; default: accuracy, or the only one.")
    ] = None,
    direction: Annotated[
        Literal["max", "min"] | None, typer.Option(help="Which is better, of a metric that `bakeoff metrics` lacks.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Of its values: fraction, percent, or any word; default: told by their size.")
    ] = None,
    predictions: Annotated[
        list[Path] | None, typer.Option(help="CSV or parquet of the answers to each test image; repeatable.")
    ] = None,
    factor: Annotated[str, typer.Option(help="What is compared: model, augmentation or recipe.")] = "model",
    within: Annotated[
        str | None, typer.Option(help="Held fixed, as in dataset,augmentation; others are averaged over.")
    ] = None,
    alpha: Annotated[str | None, typer.Option(help="Levels of the stars, as in 0.05,0.01.")] = None,
    correction: Annotated[
        Literal["holm", "bh", "none"] | None, typer.Option(help="For the number of comparisons; default holm.")
    ] = None,
    rope: Annotated[
        float | None, typer.Option(help="Differences below it do not matter; in the numbers of the scores.")
    ] = None,
    seeds_planned: Annotated[
        int | None, typer.Option(help="Runs that were planned, before any score was seen.")
    ] = None,
    split: Annotated[
        Literal["fixed", "resampled"] | None, typer.Option(help="resampled: each seed has another test set.")
    ] = None,
    n_train: Annotated[int | None, typer.Option(help="Training images of a run, for --split resampled.")] = None,
    n_test: Annotated[int | None, typer.Option(help="Test images of a run, for --split resampled.")] = None,
    tie_decimals: Annotated[int | None, typer.Option(help="Decimals that count where data sets rank models.")] = None,
    resamples: Annotated[int | None, typer.Option(help="Draws of each bootstrap; default 10,000.")] = None,
    rng_seed: Annotated[int | None, typer.Option(help="Of these draws; default 0.")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="The scores are a pilot's: how many seeds and test images are needed?")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for comparison.csv, .json, .md and .tex.")] = None,
    as_json: AsJson = False,
    results: Results = RESULTS,
) -> None:
    """Test which differences are real: of a study (writes results/STUDY/), or of anybody's scores."""
    options: Json = {
        "baseline": baseline, "metric": metric, "direction": direction, "unit": unit, "predictions": predictions,
        "within": within, "alpha": alpha, "correction": correction, "rope": rope, "seeds-planned": seeds_planned,
        "split": split, "n-train": n_train, "n-test": n_test, "tie-decimals": tie_decimals, "resamples": resamples,
        "rng-seed": rng_seed, "plan": plan or None, "out": out, "json": as_json or None,
    }  # fmt: skip
    if spec is not None or (source is None and not predictions) or (source and source.suffix in _STUDIES):
        given = [name for name, value in options.items() if value is not None]
        if given:
            raise UserError(f"--{given[0]}: is for scores made elsewhere; a study has its settings in its file")
        _of_study(source or DEFAULT_STUDY, scale, spec, code, partial, results)
        return
    if scale:
        raise UserError("--scale: is for studies")
    if partial:
        raise UserError("--partial: is for studies; of scores, what is missing is counted and said")
    from bakeoff.compare.outside import Request

    settings = {
        "alpha": levels(alpha, "--alpha"), "correction": correction, "seeds_planned": seeds_planned, "split": split,
        "n_train": n_train, "n_test": n_test, "tie_decimals": tie_decimals, "n_resamples": resamples,
        "rng_seed": rng_seed,
    }  # fmt: skip
    request = Request(
        baseline, metric, direction, unit, factor,
        tuple(part.strip() for part in within.split(",") if part.strip()) if within is not None else None,
        rope,
        {name: value for name, value in settings.items() if value is not None},
    )  # fmt: skip
    made, inputs = _assembled(source, predictions or [], request)
    if plan:
        _plan(made, as_json)
    else:
        of_scores(made, inputs, out, as_json)


def levels(text: str | None, option: str) -> list[float] | None:
    """The numbers of an option such as --alpha. Raises UserError, naming it, for other text."""
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{option}: {text!r} is no list of numbers such as 0.05,0.01") from None


def _of_study(study: Path, scale: Scale, spec: str | None, code: str | None, partial: bool, results: Path) -> None:
    from bakeoff import stages
    from bakeoff.compare import step

    if spec is None:
        from bakeoff.grid import Grid
        from bakeoff.study import load

        settings = Grid(load(study, scale)).compare_spec(partial)
    else:
        settings = parse_spec(spec)
    step.run(settings, code or stages.compare(), results)


# --- of scores made elsewhere -------------------------------------------------------------------------------------


def _assembled(source: Path | None, files: list[Path], request: Request) -> tuple[Assembled, Json]:
    """What the statistics work from, and by name the sha256 of the files that it is from."""
    from bakeoff.compare import outside, predictions, scores
    from bakeoff.compare.units import Known
    from bakeoff.evaluate.metrics import METRICS

    known = {name: Known(metric.unit, metric.direction, metric.range) for name, metric in METRICS.items()}
    read = [(_named(path), contents(path)) for path in (*([source] if source else []), *files)]
    table = scores.read(read[0][1], read[0][0], request.metric) if source else None
    answers = predictions.read(read[1 if source else 0 :]) if files else None
    made = outside.assemble(table, answers, request, known)
    return made, {name: hashlib.sha256(data).hexdigest() for name, data in read}


def _named(path: Path) -> str:
    return "standard input" if str(path) == STDIN else str(path)


def contents(path: Path) -> bytes:
    """All of a file, or of standard input. Raises UserError for one that cannot be read, or is too large."""
    if str(path) == STDIN:
        return sys.stdin.buffer.read(csvfile.MOST_BYTES)
    return csvfile.contents(path)


def of_scores(made: Assembled, inputs: Json, out: Path | None, as_json: bool) -> None:
    """Compare what was assembled, print it, and write it into `out`; `inputs` are the sha256 of files by name."""
    from bakeoff.compare import standalone

    if out is not None:
        _refuse_a_study(out)
    name = out.resolve().name if out is not None else "scores"
    body = standalone.compared(made, name or "scores")
    spec = {"inputs": inputs, **made.questions.model_dump(mode="json")}
    written = _write(body, out, spec) if out is not None else []
    if as_json:
        print(json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False))
        return
    _show(body)
    for path in written:
        print(f"written: {path}")
    if out is None:
        print("nothing was written: --out DIR writes comparison.csv, .json, .md and .tex", file=sys.stderr)


def _refuse_a_study(out: Path) -> None:
    """The comparison of a study stands among files that this one would not match."""
    try:
        there = json.loads((out / "comparison.json").read_text(encoding="utf-8"))["spec"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if "inputs" not in there:
        raise UserError(f"--out: {out} holds the comparison of a study; name another folder")


def _write(body: Json, out: Path, spec: Json) -> list[Path]:
    from bakeoff.compare import standalone
    from bakeoff.provenance import whole
    from bakeoff.report import load, papers

    try:
        listed, record = standalone.write(body, out, spec, code_digest("bakeoff.compare.standalone"))
        results = load.of_scores(_printable(body))
        made = [*papers.of_scores(results), *papers.of_factors(results)]
        pages = {"comparison.md": papers.to_markdown(results, body["study"], made, papers.in_words(results))}
        pages["comparison.tex"] = papers.to_latex(results, made)
        for name, text in pages.items():
            with whole(out / name) as part:
                part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out: {out}: cannot be written: {error.strerror}") from None
    return [listed, record, *(out / name for name in pages)]


def _printable(body: Json) -> Json:
    """The body with what only a record has."""
    return {**body, "bakeoff": None, "record_digest": ""}


def _show(body: Json) -> None:
    from bakeoff.report import load, papers, terminal

    console = _console()
    results = load.of_scores(_printable(body))
    for table in papers.of_scores(results):
        terminal.show(table, console)
        console.print()
    said = papers.in_words(results)
    for sentence in said if len(said) <= _MOST_SAID else ():
        console.print(f"{sentence}\n", markup=False, highlight=False)
    _warn(body["warnings"], console)


def _warn(warnings: Iterable[str], console: Console) -> None:
    for warning in warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False)


def _console() -> Console:
    """As wide as the terminal; what goes into a file or a pipe is not wrapped."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=1000)


# --- from a pilot -------------------------------------------------------------------------------------------------


def _plan(made: Assembled, as_json: bool) -> None:
    from dataclasses import asdict

    from bakeoff.compare import pilot, table
    from bakeoff.report import planned, terminal

    images = {dataset: len(examples.ids) for dataset, examples in made.loaded.tests.items()}
    plans = [asdict(plan) for plan in pilot.plans(table.rows(made.questions, made.loaded), images, made.questions)]
    if as_json:
        print(json.dumps({"plans": plans, "warnings": made.warnings}, indent=1, ensure_ascii=False, allow_nan=False))
        return
    console = _console()
    for drawn in planned.tables(plans, made.scale.unit):
        terminal.show(drawn, console)
        console.print()
    _warn(made.warnings, console)
