"""The command line: one command a step, and what people need around them. Steps are imported when they run."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from bakeoff import catalogue
from bakeoff.errors import UserError
from bakeoff.provenance import PACKAGE, Json, at_path, parse_spec, read_record, validated

if TYPE_CHECKING:
    from bakeoff.profile.spec import ProfileSpec
    from bakeoff.train.job import Execution

app = typer.Typer(
    help="A bake-off of image classifiers, from one study file to the paper's table.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Spec = Annotated[str, typer.Option(help="The step's settings as canonical JSON; the rule hands them over.")]
Code = Annotated[str | None, typer.Option(help="Digest of the step's code; worked out when it is not given.")]
Folder = Annotated[Path, typer.Option(help="Folder of the data or the result.")]
Id = Annotated[str, typer.Option(help="Name in the study.")]
StudyFile = Annotated[Path, typer.Argument(help="Study file.")]
Workers = Annotated[str, typer.Option(help="Processes that read data which does not lie on the device.")]
ResidentGb = Annotated[str, typer.Option(help="Data sets up to so many GB lie on the device.")]
Weights = Annotated[str, typer.Option(help="File of initial weights, for a recipe that begins from one.")]
DEFAULT_STUDY = Path("config.yaml")


def main() -> None:
    """Run the command line; a user's mistake ends in one message and exit status 1, without a traceback."""
    try:
        app()
    except UserError as error:
        _complain(f"bakeoff: {error}")
    except Exception as error:
        traceback.print_exc()
        _complain(f"bakeoff {' '.join(sys.argv[1:2])}: stopped by {type(error).__name__}: {error}")


def _complain(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    if "--spec" in sys.argv and not sys.stderr.isatty():
        # Called by a rule: standard error is the log, and who waits at the terminal wants to know as well.
        print(text, flush=True)
    raise SystemExit(1) from None


# --- the steps, as the rules call them ----------------------------------------------------------------------------


@app.command()
def prepare(
    spec: Spec,
    out: Folder,
    code: Code = None,
    data_root: Folder = Path("data"),
    place: Annotated[str, typer.Option(help="Where one's own images stand: the option `path` of the study.")] = "",
    threads: Annotated[int, typer.Option(help="Threads that decode images.")] = 1,
    audit: Annotated[
        Literal["warn", "strict", "off"], typer.Option(help="What becomes of what the audit of the images finds.")
    ] = "warn",
) -> None:
    """Write the arrays, splits and manifest of a data set."""
    from bakeoff import stages
    from bakeoff.data import step

    settings = parse_spec(spec)
    code = code or stages.prepare(at_path(settings, "source"))
    step.run(settings, out, code, data_root, place, threads, audit)


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
) -> None:
    """Search for learning rate and weight decay of one cell, by its recipe's tuning: budget, on validation images."""
    from bakeoff.train import tuning

    settings = parse_spec(spec)
    names = {"dataset": dataset, "model": model, "augmentation": augmentation, "recipe": recipe}
    tuning.run(settings, names, data, out, code or _train_code(settings), _execution(workers, resident_gb, weights))


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
) -> None:
    """Train one run: weights, history, predictions."""
    from bakeoff.train import step

    settings = parse_spec(spec)
    names = {"dataset": dataset, "model": model, "augmentation": augmentation, "recipe": recipe}
    folders = {seed[0]: out} if len(seed) == 1 else {each: out / f"seed{each}" for each in seed}
    step.run_seeds(
        settings,
        names,
        data,
        folders,
        code or _train_code(settings),
        Path(tuned) if tuned else None,
        _execution(workers, resident_gb, weights),
    )


def _train_code(settings: Json) -> str:
    from bakeoff import stages

    return stages.train(at_path(settings, "model", "builder"), at_path(settings, "augmentation", "policy"))


def _execution(workers: str, resident_gb: str, weights: str) -> Execution:
    from bakeoff.train.job import Execution

    try:
        return Execution(
            resident_gb=float(resident_gb) if resident_gb else None,
            workers=int(workers) if workers else None,
            weights=Path(weights) if weights else None,
        )
    except ValueError:
        raise UserError(
            f"train: --workers {workers or None} and --resident-gb {resident_gb or None} must be numbers"
        ) from None


@app.command()
def profile(
    model: Annotated[str | None, typer.Argument(help="A builder, such as timm/resnet50; without --spec.")] = None,
    input: Annotated[str, typer.Option(help="Channels x height x width.")] = "3x224x224",
    classes: int = 1000,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    precision: Annotated[str, typer.Option(help="fp32, tf32 (a GPU's), bf16 or fp16.")] = "fp32",
    backend: Annotated[str, typer.Option(help="eager, compile or onnxruntime (on the CPU).")] = "eager",
    channels_last: Annotated[bool, typer.Option(help="Memory order of images and convolutions.")] = True,
    train_batch: Annotated[int, typer.Option(help="Batch size of the step of training (AdamW, fp32).")] = 64,
    complexity_only: Annotated[bool, typer.Option(help="Only what no machine changes; builds no weights.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole record as JSON.")] = False,
    spec: Annotated[str | None, typer.Option(help="The step's settings; the rule hands them over.")] = None,
    code: Code = None,
    attempt: Annotated[int, typer.Option(help="Above 0: again, for what failed for want of a GPU.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where to write the record.")] = None,
) -> None:
    """Measure what a model costs: parameters, MACs, latency, throughput, memory, energy."""
    if spec is not None and out is not None:
        _profile_as_told(parse_spec(spec), out, code, attempt)
        return
    if model is None or spec is not None or out is not None:
        raise UserError("profile: give a MODEL, such as timm/resnet18, or both --spec and --out")
    settings = {"input": _shape(input), "classes": classes, "channels_last": channels_last}
    condition = {"device": device, "threads": threads, "precision": precision, "backend": backend}
    training = {"batch_size": train_batch, "channels_last": channels_last} if backend == "eager" else None
    job = _profile_job(model, {**settings, **condition, "training": training})
    from bakeoff.profile.describe import describe
    from bakeoff.profile.step import profile_model

    body = profile_model(job, complexity_only)
    if as_json:
        print(json.dumps(body, indent=1))
    elif body["params"] is not None:
        print(describe(body))
    if body["status"] != "done":
        raise UserError(f"profile: {body['reason']}")


def _profile_as_told(spec: Json, out: Path, code: str | None, attempt: int) -> None:
    from bakeoff import stages
    from bakeoff.profile import step

    step.run(spec, out, code or stages.profile(at_path(spec, "model", "builder")), attempt)


def _profile_job(model: str, settings: Json) -> ProfileSpec:
    from bakeoff.models import registry
    from bakeoff.problems import nearest
    from bakeoff.profile.spec import ProfileSpec

    if not registry.is_known(model):
        hint = nearest(model, registry.names())
        raise UserError(f"profile: {model}: no such model; {hint} (all: bakeoff models)")
    options = {name: option.default for name, option in registry.options_of(model).items()}
    net = {"name": registry.default_name(model), "builder": model, "options": options}
    return validated(ProfileSpec, {"model": net, **settings}, source="profile")


def _shape(text: str) -> list[int]:
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"--input: {text!r} is no shape; write channels x height x width, as in 3x224x224")
    return [int(part) for part in parts]


@app.command()
def evaluate(spec: Spec, run: Annotated[Path, typer.Option(help="Folder of the run.")], code: Code = None) -> None:
    """Work out every metric of one run from its predictions."""
    from bakeoff import stages
    from bakeoff.evaluate import step

    step.run(parse_spec(spec), run, code or stages.evaluate())


@app.command()
def verification(
    embeddings: Annotated[Path, typer.Argument(help=".npz with embeddings [N, D], identity [N] and perhaps ids [N].")],
    pairs: Annotated[Path | None, typer.Option(help="CSV with columns a, b (ids); without it, all pairs.")] = None,
    validation: Annotated[Path | None, typer.Option(help=".npz whose pairs choose the best threshold.")] = None,
    thresholds: Annotated[str, typer.Option(help="Of the table.")] = "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1.0",
    far: Annotated[str, typer.Option(help="False accept rates to give the TAR at.")] = "1e-1,1e-2,1e-3,1e-4",
    resamples: Annotated[int, typer.Option(help="Draws of identities for the intervals.", min=100)] = 1000,
    seed: Annotated[int, typer.Option(help="Of these draws.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the record, tables and figure.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
) -> None:
    """Tell how well embeddings recognise identities: cosine similarity of pairs, ROC, TAR at FAR, EER, thresholds."""
    from bakeoff.evaluate import verification_output
    from bakeoff.evaluate.verification import Options
    from bakeoff.evaluate.verification_file import numbers

    options = Options(
        numbers(thresholds, "--thresholds", -1, 1), numbers(far, "--far", 1e-9, 1), resamples=resamples, seed=seed
    )
    body = verification_output.run(embeddings, pairs, validation, options, out)
    print(json.dumps(body, indent=1, allow_nan=False) if as_json else verification_output.describe(body, options))


@app.command()
def embed(
    model: Annotated[Path, typer.Argument(help="ONNX model from images [B, C, H, W] to vectors [B, D].")],
    images: Annotated[Path, typer.Argument(help="Folder with one folder of images for each identity.")],
    out: Annotated[Path, typer.Option(help="The .npz to write, for bakeoff verification.")],
    mean: Annotated[str, typer.Option(help="Of pixels in 0..1: one figure, or one a channel.")] = "0.5",
    std: Annotated[str, typer.Option(help="The same.")] = "0.5",
) -> None:
    """Embed a folder of images by an ONNX model of anybody's, for bakeoff verification."""
    from bakeoff.evaluate.verification_onnx import Normalisation, figures
    from bakeoff.evaluate.verification_onnx import run as embed_images

    n = embed_images(model, images, out, Normalisation(figures(mean, "--mean"), figures(std, "--std")))
    print(f"{n} images of {images} embedded: {out}")


@app.command()
def probe(
    spec: Spec,
    run: Annotated[Path, typer.Option(help="Folder of the run.")],
    data: Folder,
    out: Folder,
    code: Code = None,
) -> None:
    """Ask a trained network more: test-time augmentation, corruptions, explanations, embeddings."""
    from bakeoff import stages
    from bakeoff.probe import step

    if code is None:
        code = stages.probe(at_path(read_record(run / "run.json", "run"), "spec", "model", "builder", source=str(run)))
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
def compare(
    study: Annotated[Path, typer.Argument(help="Study file; without --spec.")] = DEFAULT_STUDY,
    spec: Annotated[str | None, typer.Option(help="The step's settings; the rule hands them over.")] = None,
    code: Code = None,
    partial: Annotated[bool, typer.Option(help="Compare what is there; the tables say what is missing.")] = False,
) -> None:
    """Test which differences are real; writes results/STUDY/comparison.json and its tables."""
    from bakeoff import stages
    from bakeoff.compare import step

    if spec is None:
        from bakeoff.grid import Grid
        from bakeoff.study import load

        settings = Grid(load(study)).compare_spec(partial)
    else:
        settings = parse_spec(spec)
    step.run(settings, code or stages.compare())


@app.command()
def report(
    study: Annotated[Path, typer.Argument(help="Study file; without --spec.")] = DEFAULT_STUDY,
    spec: Annotated[str | None, typer.Option(help="The step's settings; the rule hands them over.")] = None,
    code: Code = None,
) -> None:
    """Render tables, figures and report.html of a comparison."""
    from bakeoff import stages
    from bakeoff.report import step

    if spec is None:
        from bakeoff.grid import Grid
        from bakeoff.study import load

        settings = Grid(load(study)).report_spec
    else:
        settings = parse_spec(spec)
    print(step.run(settings, code or stages.report()))


# --- studies ------------------------------------------------------------------------------------------------------


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context, study: StudyFile = DEFAULT_STUDY) -> None:
    """Run a study that one need not trust: it is read as plain data. Further arguments go to snakemake."""
    from bakeoff.study import load
    from bakeoff.studyfile import write

    loaded = load(study)
    plain = write(
        loaded.model_dump(mode="json", exclude_unset=True), Path(".snakemake") / "studies" / f"{loaded.study}.json"
    )
    command = [sys.executable, "-m", "snakemake", "--configfile", str(plain), *context.args]
    if not Path("Snakefile").is_file():
        command += ["--snakefile", str(PACKAGE.parent.parent / "Snakefile")]
    raise SystemExit(subprocess.run(command, check=False).returncode)


@app.command()
def plan(study: StudyFile = DEFAULT_STUDY) -> None:
    """Print which runs are to do, which are cached, and why."""
    from bakeoff.grid import Grid
    from bakeoff.plan import describe, examine
    from bakeoff.study import load

    grid = Grid(load(study))
    print(describe(grid, examine(grid)))


@app.command()
def schema() -> None:
    """Print the JSON schema of study files, for editors."""
    from bakeoff.study import json_schema

    print(json.dumps(json_schema(), indent=1))


# --- what there is ------------------------------------------------------------------------------------------------

for listing in (
    catalogue.models,
    catalogue.datasets,
    catalogue.audit,
    catalogue.augmentations,
    catalogue.metrics,
):
    app.command()(listing)
