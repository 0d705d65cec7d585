"""A study's small version: its block `small:` laid over it, for the whole way from data to report in minutes.

`snakemake --config scale=small`, or `--scale small` of a command, asks for it. Mappings are merged key by key and lists
are replaced, as Snakemake does with a second --configfile; the results stand in results/{study}-small/. What the full
study's runs depend on knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from bakeoff.problems import Problem, nearest
from bakeoff.studyfile import Document, KeyPath, read

Scale = Literal["full", "small"]
SCALES: tuple[str, ...] = get_args(Scale)
KEYS = ("scale", "small")
"""The keys of a study file that are read here, and are none of the study's."""
GRID = ("models", "augmentations", "recipes")
"""The axes that are the same in both versions, name by name. Of data sets there are as many, though a small one may
stand for a large one; of seeds there may be fewer.
"""
_ENDING = "-small"


def versions(path: Path) -> list[Scale]:
    """The versions that a study file has."""
    return ["full", "small"] if "small" in read(path).data else ["full"]


def chosen(document: Document, known: list[str]) -> tuple[Document, list[Problem]]:
    """The version of a study that its `scale` means, and what is wrong with `scale` and `small`.

    `known` are the keys of a study.
    """
    data = {key: value for key, value in document.data.items() if key not in KEYS}
    scale, small = document.data.get("scale", "full"), document.data.get("small", {})
    problems: list[Problem] = []
    if scale not in SCALES:
        problems.append((("scale",), f"{scale!r} must be {' or '.join(SCALES)}"))
    if not isinstance(small, dict):
        return Document(document.source, data, document.places), [(("small",), "must be a mapping of keys to values")]
    allowed = [key for key in known if key != "study"]
    problems += [
        (("small", key), f"no such key; {nearest(key, allowed, 'the keys here are')}")
        for key in small
        if key not in allowed
    ]
    if scale == "small" and "small" not in document.data:
        problems.append((("scale",), "small: this study has no block `small:` that says what is smaller"))
    if scale != "small" or problems:
        return Document(document.source, data, document.places), problems
    merge(data, small)
    if isinstance(data.get("study"), str):
        data["study"] += _ENDING
    if isinstance(data.get("title"), str) and "title" not in small:
        data["title"] += " (small version)"
    return Document(document.source, data, document.places | _places(document.places, small)), problems


def merge(data: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Lay `changes` over `data`, which they change: mappings key by key, all else replaced."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(data.get(key), dict):
            data[key] = dict(data[key])  # the document's own stays what it is
            merge(data[key], value)
        else:
            data[key] = value


def _places(places: Mapping[KeyPath, str], small: Mapping[str, Any]) -> dict[KeyPath, str]:
    """Where the values that came from the block stand."""
    return {path[1:]: where for path, where in places.items() if path[0] == "small" and len(path) > 1}


def other_grid(full: Mapping[str, list[str]], small: Mapping[str, list[str]]) -> list[Problem]:
    """What of the small version's grid is not that of the full one, by the names on each axis."""
    problems: list[Problem] = []
    for key in GRID:
        if key in full and key in small and sorted(full[key]) != sorted(small[key]):
            problems.append(((key,), f"small: must have the names of the full study: {', '.join(full[key])}"))
    if len(full.get("datasets", [])) != len(small.get("datasets", [])):
        problems.append((("datasets",), "small: must be as many as in the full study"))
    return problems


def in_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a study with the keys that are read here."""
    within = {key: {"$ref": f"#/properties/{key}"} for key in schema["properties"] if key != "study"}
    about = "The small version (--config scale=small): keys of a study that differ there; a list stands for the whole."
    keys = {
        "scale": {"enum": list(SCALES), "default": "full", "description": "Which version is meant."},
        "small": {"type": "object", "description": about, "properties": within, "additionalProperties": False},
    }
    return {**schema, "properties": schema["properties"] | keys}
