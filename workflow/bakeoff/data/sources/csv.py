"""One's own images in a table: a CSV file with the columns path, label and, if wanted, split (train, val, test).

`path` of the study is looked for below data_root, then below the working folder; the paths in the table are relative to
the table's folder, and may not lead out of it: a table may be a stranger's. Absolute paths, and links, may lead into
data_root too, which is the user's word.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from bakeoff.data.listing import PART_NAMES, SUFFIXES, Entry, Listing, checked, find, inside
from bakeoff.data.source import Info, Raw
from bakeoff.errors import UserError


def info(data_root: Path, *, path: str, channels: int, flip: bool, **_: Any) -> Info:
    """The facts that the table tells."""
    return listing(data_root, path).info(channels, flip)


def content(data_root: Path, *, path: str, **_: Any) -> str:
    """The digest of all files with their labels; the order of the rows and other columns are no part of it."""
    from bakeoff.data.fingerprint import fingerprint

    return fingerprint(listing(data_root, path))


def load(
    data_root: Path,
    *,
    path: str = "",
    channels: Literal[1, 3] = 3,
    fit: Literal["crop", "squash", "pad"] = "crop",
    flip: bool = True,
    skip_broken: bool = False,
) -> Raw:
    """The images, to be decoded when they are wanted."""
    from bakeoff.data.files import raw

    return raw(listing(data_root, path), channels, fit, skip_broken)


def listing(data_root: Path, path: str) -> Listing:
    """The images of a table. Raises UserError, with file and line, for a row that is none."""
    table = find(path, data_root, "CSV file")
    allowed = (table.parent.resolve(), data_root.resolve())
    known: dict[str, bool] = {}
    entries = []
    for where, row in _rows(table):
        image = _path(where, row["path"])
        folder = os.path.dirname(image)  # noqa: PTH120 - a million of them: pathlib takes ten times as long
        if folder not in known:
            known[folder] = inside(table.parent / folder, allowed)
        if not known[folder] or ((table.parent / image).is_symlink() and not inside(table.parent / image, allowed)):
            raise UserError(f"{where}: path: {image!r} leads out of {table.parent} (and is not in data_root)")
        entries.append(Entry(image, row["label"].strip(), _part(where, row)))
    return checked(table, table.parent, entries)


def _rows(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            names = reader.fieldnames or []
            for column in ("path", "label"):
                if names.count(column) != 1:
                    raise UserError(f"{table}:1: must have one column {column!r}; it has {', '.join(names) or 'none'}")
            for row in reader:
                where = f"{table}:{reader.line_num}"
                if None in row or None in row.values():
                    raise UserError(f"{where}: has not the {len(names)} fields of the first line")
                yield where, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table}: cannot be read as a CSV file ({error})") from None


def _path(where: str, path: str) -> str:
    if not path.isprintable() or not path:
        raise UserError(f"{where}: path: {path!a} is no path")
    image = os.path.normpath(path)
    if Path(image).suffix.lower() not in SUFFIXES:
        raise UserError(f"{where}: path: {path!r} is none of {', '.join(sorted(SUFFIXES))}")
    return image


def _part(where: str, row: dict[str, str]) -> Any:
    if "split" not in row:
        return None
    part = PART_NAMES.get(row["split"].strip().lower())
    if part is None:
        raise UserError(f"{where}: split: {row['split']!r} must be one of {', '.join(PART_NAMES)}")
    return part
