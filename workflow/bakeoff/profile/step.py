"""Measures what a model costs under one condition, and writes that as one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from bakeoff.errors import UserError
from bakeoff.models import onnx_file, registry
from bakeoff.profile import backends, complexity, measured, memory
from bakeoff.profile.measured import Measured
from bakeoff.profile.spec import NO_GPU, Condition, ProfileSpec
from bakeoff.provenance import Json, environment, validated, write_record

_PACKAGES = ("torch", "torchvision", "timm", "fvcore", "numpy", "onnx", "onnxruntime")
_NAMES = [field.name for kind in (complexity.Complexity, Measured) for field in fields(kind)]
_WEIGHT_BYTES = 4


class _Failure(Exception):
    """What keeps costs from being measured: in words for a cell of a table, and as a sentence."""

    def __init__(self, words: str, sentence: str, status: str = "failed") -> None:
        super().__init__(sentence)
        self.words, self.sentence, self.status = words, sentence, status


def run(spec: Mapping[str, Any], out: Path, code: str, attempt: int = 0, gpus: Json | None = None) -> Path:
    """Write the record of one model's costs to `out`, and return `out`; `spec` holds the fields of ProfileSpec, `gpus`
    the device that was leased for it.

    Whatever keeps a model from being measured is in the record: its status "failed" or "oom" ("skipped" for a control
    method), `failure` in two or three words and `reason` in a sentence, beside the costs that are known all the same.
    """
    job = validated(ProfileSpec, spec)
    body = profile_model(job)
    used = gpus if body["device"] == "cuda" else None
    write_record(out, "profile", spec, code, {"attempt": attempt, "gpus": used, **body})
    return out


def profile_model(job: ProfileSpec, complexity_only: bool = False) -> Json:
    """Costs of one model under one condition: what the record holds besides its digests."""
    is_file = onnx_file.is_file(job.model.builder)
    device = ("cuda" if torch.cuda.is_available() and not is_file else "cpu") if job.device == "auto" else job.device
    job = job.model_copy(update={"device": device})
    costs: Json = {}
    failure: _Failure | None = None
    try:
        costs |= _complexity(job)
        if not complexity_only:
            job = _condition_of_file(job) if is_file else job
            costs |= _measured(job, costs["params"])
    except _Failure as error:
        failure = error
    gpu = torch.cuda.get_device_name() if device == "cuda" and torch.cuda.is_available() else None
    return {
        "model": job.model.name,
        "status": failure.status if failure else "done",
        "failure": failure.words if failure else None,
        "reason": failure.sentence if failure else None,
        "condition": job.label,
        **job.model_dump(include=set(Condition.model_fields)),
        "environment": {**environment(_PACKAGES), "gpu": gpu},
        **{name: costs.get(name) for name in _NAMES},
        "marks": costs.get("marks", []),
    }


def _complexity(job: ProfileSpec) -> Json:
    """What no machine changes. Raises _Failure for what is no network, or none for such images."""
    if onnx_file.is_file(job.model.builder):
        from bakeoff.profile import onnx_costs

        try:
            return asdict(onnx_costs.complexity(job))
        except UserError as error:
            raise _Failure("does not fit", str(error).partition("\n")[0]) from error
    if registry.is_control(job.model.builder):
        reason = "what a fitted control method costs depends on the images that it was fitted to"
        raise _Failure("fitted", reason, "skipped")
    try:
        return asdict(complexity.count_without_weights(lambda: memory.build(job), job.input))
    except UserError as error:
        raise _Failure("not built", str(error).partition("\n")[0]) from error
    except RuntimeError as error:
        if not memory.is_out_of_memory(error):
            raise
        raise _Failure("no memory", f"out of memory while it was built for {job.classes} classes", "oom") from error


def _condition_of_file(job: ProfileSpec) -> ProfileSpec:
    """The condition that an ONNX file is measured under instead. Raises _Failure where there is none."""
    from bakeoff.profile import onnx_costs

    try:
        return onnx_costs.condition(job)
    except backends.BackendError as error:
        text = f"ONNX files are measured as they are, by onnxruntime on the CPU, and not {error}"
        raise _Failure(f"not {error}", text) from error


def _measured(job: ProfileSpec, params: int) -> Json:
    """What the machine makes of it. Raises _Failure for what this machine has no device, memory or back end for."""
    if job.device == "cuda" and not torch.cuda.is_available():
        raise _Failure(NO_GPU, "device: cuda: torch sees no GPU here; use cpu or auto")
    for place in {"cpu", job.device}:
        if (needed := _WEIGHT_BYTES * params) > (free := memory.room(place)):
            text = f"its weights take {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free"
            raise _Failure("no memory", f"{text} on the {'GPU' if place == 'cuda' else 'machine'}", "oom")
    try:
        with backends.arithmetic(job):
            of_file = onnx_file.is_file(job.model.builder)
            return asdict(measured.measure_file(job) if of_file else measured.measure(job))
    except backends.BackendError as error:
        raise _Failure(f"not in {job.precision if job.backend == 'eager' else job.backend}", str(error)) from error
    except UserError as error:
        raise _Failure("not built", str(error).partition("\n")[0]) from error
    except RuntimeError as error:
        if not memory.is_out_of_memory(error):
            raise
        raise _Failure("no memory", f"out of memory on {job.device} with one image", "oom") from error
