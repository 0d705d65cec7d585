"""The command line: one command a step, and what people need around them. Steps are imported when they run."""

from __future__ import annotations

import os
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from bakeoff import catalogue, disk, leases
from bakeoff.commands import (
    audit,
    clean,
    compare,
    doctor,
    export,
    features,
    gallery,
    gate,
    new,
    plan,
    predict,
    profile,
    run,
    score,
    serve,
    show,
    unlock,
    verification,
    verify,
    watch,
)
from bakeoff.commands.options import DEFAULT_STUDY, Code, Results, Scale
from bakeoff.errors import UserError
from bakeoff.layout import RESULTS
from bakeoff.provenance import Json, at_path, parse_spec, read_record

if TYPE_CHECKING:
    from bakeoff.train.job import Execution

app = typer.Typer(
    help="A bake-off of image classifiers, from one study file to the paper's table.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Spec = Annotated[str, typer.Option(help="The step's settings as canonical JSON; the rule hands them over.")]
Folder = Annotated[Path, typer.Option(help="Folder of the data or the result.")]
Id = Annotated[str, typer.Option(help="Name in the study.")]
Workers = Annotated[str, typer.Option(help="Processes that read data which does not lie on the device.")]
ResidentGb = Annotated[str, typer.Option(help="Data sets up to so many GB lie on the device.")]
CheckpointSeconds = Annotated[float | None, typer.Option(help="Seconds of work that a killed process may lose.")]
Weights = Annotated[str, typer.Option(help="File of initial weights, for a recipe that begins from one.")]
KeepWeights = Annotated[
    Literal["best", "none", "all"], typer.Option(help="all: also the weights after each epoch; the rest is the rule's.")
]

GpuShare = Annotated[int, typer.Option(min=1, help="Jobs that may be on one GPU at a time.")]

ResultsStore = Annotated[str, typer.Option(help="Results store: what it has is fetched instead of trained.")]

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

# What people call, from a new study to its table; the steps, which the rules call, follow below.
app.command(context_settings=PASSED_ON)(run.run)
for command in (
    new.new,
    plan.plan,
    watch.watch,
    show.show,
    gallery.gallery,
    unlock.unlock,
    clean.clean,
    verify.verify,
    doctor.doctor,
    catalogue.models,
    catalogue.datasets,
    audit.audit,
    catalogue.augmentations,
    catalogue.metrics,
    catalogue.columns,
    catalogue.schema,
    profile.profile,
    predict.predict,
    export.export,
    serve.serve,
    compare.compare,
    score.score,
    features.features,
    verification.verification,
    verification.embed,
):
    app.command()(command)
app.command(cls=gate.Command)(gate.gate)


def main() -> None:
    """Run the command line; a user's mistake ends in one message and exit status 1, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without UTF-8 shows ? for a star, not a traceback
            stream.reconfigure(errors="replace")
    try:
        app()
    except UserError as error:
        _complain(f"bakeoff: {error}")
    except BrokenPipeError:  # who reads our output has had enough, as in `bakeoff models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:
        if text := disk.sentence(error):
            _complain(f"bakeoff {' '.join(sys.argv[1:2])}: {text}")
        traceback.print_exc()
        _complain(f"bakeoff {' '.join(sys.argv[1:2])}: stopped by {type(error).__name__}: {error}")


def _complain(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    if "--spec" in sys.argv and not sys.stderr.isatty():
        # Called by a rule: standard error is the log, and who waits at the terminal wants to know as well.
        print(text, flush=True)
    raise SystemExit(gate.UNANSWERED if sys.argv[1:2] == ["gate"] else 1) from None


# --- the steps, as the rules call them ----------------------------------------------------------------------------


@app.command()
def prepare(
    spec: Spec,
    out: Folder,
    code: Code = None,
    data_root: Folder = Path("data"),
    place: Annotated[str, typer.Option(help="Where one's own images stand: the option `path` of the study.")] = "",
    threads: Annotated[int, typer.Option(help="Threads that decode images.")] = 1,
    strict: Annotated[bool, typer.Option(help="Write nothing of what audit: strict refuses.")] = False,
) -> None:
    """Write the arrays, splits and manifest of a data set."""
    from bakeoff import stages
    from bakeoff.audit.step import admit
    from bakeoff.data import step

    settings = parse_spec(spec)
    code = code or stages.prepare(at_path(settings, "source"))
    step.run(settings, out, code, data_root, place, threads, admit if strict else None)


@app.command()
def tune(
    spec: Spec,
    dataset: Id,
    model: Id,
    augmentation: Id,
    recipe: Id,
    data: Folder,
    out: Folder,
    code: Code = None,
    workers: Workers = "",
    resident_gb: ResidentGb = "",
    weights: Weights = "",
    checkpoint_seconds: CheckpointSeconds = None,
    gpu_share: GpuShare = 1,
    results_store: ResultsStore = "",
) -> None:
    """Search for learning rate and weight decay of one cell, by its recipe's tuning: budget, on validation images."""
    from bakeoff import store

    settings = parse_spec(spec)
    digest = code or _train_code(settings)
    names = {"dataset": dataset, "model": model, "augmentation": augmentation, "recipe": recipe}

    def search() -> None:
        from bakeoff.train import tuning

        with leases.leased(at_path(settings, "device"), share=gpu_share) as lease:
            execution = _execution(workers, resident_gb, weights, checkpoint_seconds, lease)
            tuning.run(settings, names, data, out, digest, execution)

    store.through(results_store, lambda: store.tuning_wanted(settings, names, out, data, digest), search)


@app.command()
def train(
    spec: Spec,
    dataset: Id,
    model: Id,
    augmentation: Id,
    recipe: Id,
    seed: Annotated[list[int], typer.Option(help="Repetition; several are trained together, into OUT/seed{n}.")],
    data: Folder,
    out: Folder,
    code: Code = None,
    tuned: Annotated[str, typer.Option(help="tuning.json of the cell, for a recipe with a tuning: budget.")] = "",
    workers: Workers = "",
    resident_gb: ResidentGb = "",
    weights: Weights = "",
    checkpoint_seconds: CheckpointSeconds = None,
    gpu_share: GpuShare = 1,
    results_store: ResultsStore = "",
    keep: KeepWeights = "best",
) -> None:
    """Train one run: weights, history, predictions."""
    from bakeoff import store

    settings = parse_spec(spec)
    digest = code or _train_code(settings)
    names = {"dataset": dataset, "model": model, "augmentation": augmentation, "recipe": recipe}
    folders = {seed[0]: out} if len(seed) == 1 else {each: out / f"seed{each}" for each in seed}
    search = Path(tuned) if tuned else None

    def fit() -> None:
        from bakeoff.train import step

        with leases.leased(at_path(settings, "device"), _gpus(settings), gpu_share) as lease:
            execution = _execution(workers, resident_gb, weights, checkpoint_seconds, lease, keep == "all")
            step.run_seeds(settings, names, data, folders, digest, search, execution)

    def wanted() -> list[store.Wanted]:
        return store.run_wanted(settings, names, folders, data, digest, search)

    # A store has no weights after each epoch.
    store.through(results_store, wanted, fit, fetch=keep != "all")


def _train_code(settings: Json) -> str:
    from bakeoff import stages

    return stages.train(at_path(settings, "model", "builder"), at_path(settings, "augmentation", "policy"))


def _gpus(settings: Json) -> int:
    """The GPUs of a run, which the step checks with the rest of the recipe."""
    recipe = at_path(settings, "recipe")
    asked = recipe.get("gpus") if isinstance(recipe, dict) else None
    return asked if isinstance(asked, int) else 1


def _execution(
    workers: str,
    resident_gb: str,
    weights: str,
    checkpoint_seconds: float | None,
    lease: leases.Lease | None,
    every_epoch: bool = False,
) -> Execution:
    from bakeoff.train.job import Execution

    try:
        return Execution(
            resident_gb=float(resident_gb) if resident_gb else None,
            workers=int(workers) if workers else None,
            weights=Path(weights) if weights else None,
            checkpoint_seconds=checkpoint_seconds,
            every_epoch=every_epoch,
            gpus=lease.record() if lease else None,
        )
    except ValueError:
        raise UserError(
            f"train: --workers {workers or None} and --resident-gb {resident_gb or None} must be numbers"
        ) from None


@app.command()
def evaluate(spec: Spec, run: Annotated[Path, typer.Option(help="Folder of the run.")], code: Code = None) -> None:
    """Work out every metric of one run from its predictions."""
    from bakeoff import stages
    from bakeoff.evaluate import step

    step.run(parse_spec(spec), run, code or stages.evaluate())


@app.command()
def probe(
    spec: Spec,
    run: Annotated[Path, typer.Option(help="Folder of the run.")],
    data: Folder,
    out: Folder,
    code: Code = None,
    gpu_share: GpuShare = 1,
) -> None:
    """Ask a trained network more: test-time augmentation, corruptions, explanations, embeddings."""
    from bakeoff import stages
    from bakeoff.probe import step

    trained = at_path(read_record(run / "run.json", "run"), "spec", source=str(run))
    code = code or stages.probe(at_path(trained, "model", "builder", source=str(run)))
    with leases.leased(at_path(trained, "device", source=str(run)), share=gpu_share):
        step.run(parse_spec(spec), run, data, out, code)


@app.command()
def combine(
    members: Annotated[list[Path], typer.Argument(help="Folders of the runs, in the order of the spec.")],
    spec: Spec,
    dataset: Id,
    model: Id,
    augmentation: Id,
    recipe: Id,
    seed: Annotated[int, typer.Option(help="Repetition.")],
    out: Folder,
    code: Code = None,
) -> None:
    """Make one run of several: an ensemble, or a run's predictions with test-time augmentation."""
    from bakeoff import stages
    from bakeoff.combine import step

    names = {"dataset": dataset, "model": model, "augmentation": augmentation, "recipe": recipe, "seed": seed}
    step.run(parse_spec(spec), names, members, out, code or stages.combine())


@app.command()
def combine_costs(
    profiles: Annotated[list[Path], typer.Argument(help="Profiles of the models in it, in the order of the spec.")],
    spec: Spec,
    run: Annotated[Path, typer.Option(help="Record of one of the combined runs.")],
    out: Annotated[Path, typer.Option(help="Where to write the record.")],
    code: Code = None,
) -> None:
    """Add up what a combined run costs from the profiles of its models."""
    from bakeoff import stages
    from bakeoff.combine import costs

    costs.run(parse_spec(spec), profiles, run, out, code or stages.combine())


@app.command()
def external(
    spec: Spec,
    dataset: Id,
    model: Id,
    augmentation: Id,
    recipe: Id,
    seed: Annotated[int, typer.Option(help="Repetition.")],
    predictions: Annotated[Path, typer.Option(help="CSV, npz or parquet of the predictions of one run.")],
    data: Folder,
    out: Folder,
    code: Code = None,
) -> None:
    """Make a run of predictions that others made."""
    from bakeoff import stages
    from bakeoff.external import step

    names = {"dataset": dataset, "model": model, "augmentation": augmentation, "recipe": recipe, "seed": seed}
    step.run(parse_spec(spec), names, predictions, data, out, code or stages.external())


@app.command()
def external_costs(
    spec: Spec, out: Annotated[Path, typer.Option(help="Where to write the record.")], code: Code = None
) -> None:
    """Write what others published of a model's costs where its profile would stand."""
    from bakeoff import stages
    from bakeoff.external import costs

    costs.run(parse_spec(spec), out, code or stages.external())


@app.command()
def samples(spec: Spec, code: Code = None, results: Results = RESULTS) -> None:
    """Write what the training images look like under each augmentation policy of a study."""
    from bakeoff import stages
    from bakeoff.samples import step

    settings = parse_spec(spec)
    if code is None:
        entries = at_path(settings, "datasets").values()
        code = stages.samples(policy["policy"] for entry in entries for policy in entry["policies"].values())
    step.run(settings, code, results)


@app.command()
def report(
    study: Annotated[Path, typer.Argument(help="Study file; without --spec.")] = DEFAULT_STUDY,
    spec: Annotated[str | None, typer.Option(help="The step's settings; the rule hands them over.")] = None,
    code: Code = None,
    scale: Scale = None,
    partial: Annotated[bool, typer.Option("--partial", help="Of what `compare --partial` compared.")] = False,
    results: Results = RESULTS,
    processes: Annotated[int, typer.Option(min=1, help="That draw figures at a time; by default one.")] = 1,
) -> None:
    """Render tables, figures and report.html of a comparison."""
    from bakeoff import stages
    from bakeoff.report import step

    if spec is None:
        from bakeoff.grid import Grid
        from bakeoff.study import load

        files = [] if study == DEFAULT_STUDY else [study.as_posix()]
        settings = Grid(load(study, scale)).report_spec | {"files": files, "partial": partial}
    else:
        settings = parse_spec(spec)
    print(step.run(settings, code or stages.report(), results, processes))
