"""`bakeoff verify`: whether every result is still what its record says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.errors import Refused, UserError
from bakeoff.layout import RESULTS
from bakeoff.provenance import check_files, read_record

_WEIGHTS = "model.safetensors"
_SEEN = '"record_digest"'


def verify(folder: Annotated[Path, typer.Argument(help="Folder of results, whole or a part.")] = RESULTS) -> None:
    """Read every record and the files that it describes; name what was changed, cut or lost. Changes nothing."""
    if not folder.is_dir():
        raise UserError(f"verify: {folder}: is no folder")
    records = sorted(path for path in folder.rglob("*.json") if path.is_file() and not path.name.startswith("."))
    with ThreadPoolExecutor() as pool:
        wrong = [problem for found in pool.map(lambda path: list(problems_of(path)), records) for problem in found]
    if wrong:
        raise UserError("\n".join([f"verify: {len(wrong)} of {len(records)} files are not what they were:", *wrong]))
    print(f"{len(records)} files and all that they describe are what they were.")


def problems_of(path: Path) -> Iterator[str]:
    """What is wrong with a record and with the files that it describes; nothing of JSON that is no record."""
    try:
        text = path.read_text(encoding="utf-8")
        kind = str(json.loads(text).get("kind")) if _SEEN in text else None
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        yield f"{path}: is no JSON ({type(error).__name__}); delete it to have it made anew"
        return
    if kind is None:
        return
    try:
        record = read_record(path, kind)
    except Refused as error:
        yield str(error)
        return
    epochs = record.get("epoch_weights") or {}
    for name in (*record["files"], *epochs):
        if (name == _WEIGHTS or name in epochs) and not (path.parent / name).exists():
            continue  # a study with train.keep: none left none, and `bakeoff clean` takes those after each epoch
        try:
            check_files(path, {"files": record["files"] | epochs}, name)
        except Refused as error:
            yield str(error)
