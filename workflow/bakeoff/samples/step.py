"""The step `samples`: a few training images under each policy of a study, in files of its own, so that the report needs
no torch and no run depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bakeoff import layout
from bakeoff.data import arrays
from bakeoff.provenance import environment, read_record, validated, whole, write_record
from bakeoff.samples.spec import Sampled, SamplesSpec
from bakeoff.train.policies import _sheet

IMAGES = 6


def run(spec: Mapping[str, Any], code: str, results: Path = layout.RESULTS) -> Path:
    """Write samples.npz and its record samples.json, which is returned, to the study's folder.

    The arrays are `0`, `1`, ... [N, 1 + draws, C, S, S] uint8, an image as it is before what becomes of it; which data
    set and policy each is of, the record says. Raises Refused for data that are not there.
    """
    settings = validated(SamplesSpec, spec)
    pictures: list[NDArray[np.uint8]] = []
    rows: list[dict[str, str]] = []
    for dataset, entry in settings.datasets.items():
        for policy, found in _of(entry, results / "data" / entry.data).items():
            rows.append({"dataset": dataset, "augmentation": policy, "array": str(len(pictures))})
            pictures.append(found)
    folder = results / layout.study_dir(settings.study).relative_to(layout.RESULTS)
    file = folder / "samples.npz"
    with whole(file) as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **{str(i): each for i, each in enumerate(pictures)})
    out = folder / "samples.json"
    body = {"samples": rows, "environment": environment(["numpy", "torch", "torchvision"])}
    write_record(out, "samples", spec, code, body, [file])
    return out


def _of(entry: Sampled, data: Path) -> dict[str, NDArray[np.uint8]]:
    """The same images under each policy."""
    manifest = read_record(data / "manifest.json", "data")
    train = arrays.load(data, "train")
    pixels = torch.from_numpy(np.ascontiguousarray(train.pixels[_first(train.labels)]))
    examples = _sheet.Examples(pixels, manifest["flip"])
    return {name: _sheet.cells(policy, examples).numpy() for name, policy in entry.policies.items()}


def _first(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Places of the first images, one a class before a second of any."""
    each = np.sort(np.unique(labels, axis=0, return_index=True)[1])
    others = np.setdiff1d(np.arange(len(labels)), each)
    return np.concatenate([each, others])[:IMAGES].astype(np.int64)
