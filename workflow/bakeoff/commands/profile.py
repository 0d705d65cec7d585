"""`bakeoff profile`: what a model costs, as a rule asks it and as a person does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff import leases
from bakeoff.commands.options import Code
from bakeoff.errors import UserError
from bakeoff.provenance import Json, at_path, parse_spec, validated

if TYPE_CHECKING:
    from bakeoff.profile.spec import ProfileSpec


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

    with leases.leased("cpu" if complexity_only else device):
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

    with leases.leased(at_path(spec, "device")) as lease:
        digest = code or stages.profile(at_path(spec, "model", "builder"))
        step.run(spec, out, digest, attempt, lease.record() if lease else None)


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
