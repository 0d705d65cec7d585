"""The step `audit`: what is wrong with the prepared images of a data set, in a record beside their manifest.

It is no part of `prepare`, so that other words or thresholds make nothing anew but this record and the comparison.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bakeoff.audit import verdict
from bakeoff.audit.counts import Watch, audit, unwatched
from bakeoff.audit.spec import AuditSettings
from bakeoff.audit.targets import numbered, without_classes
from bakeoff.data import arrays
from bakeoff.data.arrays import PARTS
from bakeoff.provenance import Json, check_files, environment, read_record, validated, write_record


def run(spec: Mapping[str, Any], data: Path, out: Path, code: str, watch: Watch = unwatched) -> Path:
    """Write the record `out` of the audit of the prepared images in the folder `data`; returns `out`.

    `spec` holds the fields of AuditSettings. Raises Refused for images that are not what their manifest describes.
    """
    settings = validated(AuditSettings, spec)
    manifest = read_record(data / "manifest.json", "data")
    check_files(data / "manifest.json", manifest)
    body = {
        "dataset": manifest["spec"]["name"],
        "data_digest": manifest["record_digest"],
        "audit": of_folder(data, settings.near, watch),
        "environment": environment(["numpy", "scipy", "pillow"]),
    }
    write_record(out, "audit", spec, code, body)
    return out


def admit(data: Path) -> None:
    """Raise UserError when the images prepared in this folder have what `audit: strict` does not let pass.

    No near duplicates are looked for, as strict refuses none.
    """
    verdict.refuse(read_record(data / "manifest.json", "data")["spec"]["name"], of_folder(data, near=False))


def of_folder(data: Path, near: bool, watch: Watch = unwatched) -> Json:
    """What there is to say of the images prepared in a folder, in numbers and in sentences."""
    manifest = read_record(data / "manifest.json", "data")
    splits = {part: arrays.load(data, part) for part in PARTS}
    targets = [each["name"] for each in manifest.get("targets", [])]
    splits, classes = numbered(splits, targets) if targets else (splits, manifest["class_names"])
    found = audit(splits, len(classes), manifest["left_out"], look_for_near=near, watch=watch)
    if targets:
        found |= without_classes(splits)
    return verdict.with_verdict(found, classes, _names(data, manifest))


def _names(data: Path, manifest: Json) -> Callable[[int], str]:
    """What an image of this id is called: its id and, where it has one, its file."""
    if "names.json" not in manifest["files"]:
        return str
    names = json.loads((data / "names.json").read_text(encoding="utf-8"))
    return lambda id: f"{id} ({names[id]})"
