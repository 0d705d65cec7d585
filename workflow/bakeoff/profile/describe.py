"""A profile as a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def describe(body: Mapping[str, Any]) -> str:
    """What `step.profile_model` found of a model that can be built; costs that there are none of are left out."""
    return "\n".join([*_lines(body), *(f"  note: {note}" for note in _notes(body))])


def _lines(body: Mapping[str, Any]) -> Iterator[str]:
    machine = body["environment"]
    device = machine["gpu"] or machine["cpu"]
    yield body["model"] if body["latency_ms"] is None else f"{body['model']} on {device} ({body['condition']})"
    yield f"  parameters   {body['params']:,} ({body['trainable_params']:,} trainable), {body['size_mb']:.1f} MB"
    if body["macs"] is not None:
        yield f"  MACs         {body['macs'] / 1e6:,.1f} million for one image"
        yield f"  activations  {body['activations'] / 1e6:,.2f} million for one image"
    if (times := body["latency_ms"]) is not None:
        yield (
            f"  latency      p50 {times['p50']:.3g} ms, p95 {times['p95']:.3g} ms, p99 {times['p99']:.3g} ms"
            f" over {times['n']} requests of one image"
        )
    if (rates := body["throughput"]) is not None:
        within = "" if rates["lo"] is None else f" [{rates['lo']:,.0f} to {rates['hi']:,.0f}]"
        yield f"  throughput   {rates['images_per_second']:,.0f}{within} images/s, batch size {rates['batch_size']}"
    peaks = {
        "one image": body["peak_memory_mb"],
        f"the batch of {(rates or {}).get('batch_size')}": body["best_batch_memory_mb"],
        f"a step of training, batch size {body['train_batch_size']}": body["train_memory_mb"],
    }
    known = [f"{value:,.0f} MB for {what}" for what, value in peaks.items() if value is not None]
    if known:
        yield f"  peak memory  {', '.join(known)}"
    if body["joules_per_image"] is not None:
        yield f"  energy       {body['joules_per_image']:.3g} J per image"


def _notes(body: Mapping[str, Any]) -> Iterator[str]:
    if body["macs_note"]:
        yield body["macs_note"]
    if body["energy"] is not None and body["energy"]["reason"]:
        yield f"no energy: {body['energy']['reason']}"
    for mark in body["marks"]:
        yield f"{mark}: these times do not compare with those of a quiet machine"
