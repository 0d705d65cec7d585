"""One's own images in folders: path/class/image, or path/split/class/image with train, val, test.

`path` is looked for below data_root, then below the working folder. Files are jpg, jpeg, png, webp or bmp, in any case,
in folders within the class folder too; what begins with a dot is passed over. A link is followed when it stays within
the folder or within data_root.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from bakeoff.data.listing import PART_NAMES, SUFFIXES, Entry, Listing, checked, few, find, inside
from bakeoff.data.source import Info, Raw
from bakeoff.errors import UserError


def info(data_root: Path, *, path: str, channels: int, flip: bool, **_: Any) -> Info:
    """The facts that the names of the files tell."""
    return listing(data_root, path).info(channels, flip)


def content(data_root: Path, *, path: str, **_: Any) -> str:
    """The digest of all files and their classes."""
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
    """The images below `path`. Raises UserError when they are not in class folders."""
    root = find(path, data_root, "folder of images")
    if not root.is_dir():
        raise UserError(f"path: {root} is no folder")
    allowed = (root.resolve(), data_root.resolve())
    parts = _parts(root, allowed)
    if parts is None:
        entries = list(_classes(root, "", None, allowed))
    else:
        entries = [entry for part in parts for entry in _classes(root, part, PART_NAMES[part.lower()], allowed)]
    return checked(root, root, entries)


def _parts(root: Path, allowed: tuple[Path, ...]) -> list[str] | None:
    """The split folders, when that is what the folders are; a class may be called `train` when others are not so."""
    names = [name for name, is_folder in _read(root, allowed) if is_folder]
    kinds = [PART_NAMES.get(name.lower()) for name in names]
    if "train" not in kinds or None in kinds:
        return None
    twice = [name for name, kind in zip(names, kinds, strict=True) if kinds.count(kind) > 1]
    if twice:
        raise UserError(f"{root}: {few(twice)} are one split; keep one of them")
    return names


def _classes(root: Path, within: str, part: Any, allowed: tuple[Path, ...]) -> Iterator[Entry]:
    folder = root / within
    labels: dict[str, str] = {}
    for name, is_folder in _read(folder, allowed):
        if not is_folder:
            raise UserError(f"{folder / name}: stands beside the class folders; put it into the folder of its class")
        label = unicodedata.normalize("NFC", name)
        if label in labels:
            raise UserError(f"{folder}: two folders of one name, {label!r}, written in two ways; keep one")
        labels[label] = name
        images = list(_images(root, f"{within}/{name}" if within else name, allowed))
        if not images:
            raise UserError(f"{folder / name}: has no images ({', '.join(sorted(SUFFIXES))}); remove it or fill it")
        yield from (Entry(image, label, part) for image in images)


def _images(root: Path, within: str, allowed: tuple[Path, ...]) -> Iterator[str]:
    for name, is_folder in _read(root / within, allowed, into_links=False):
        if is_folder:
            yield from _images(root, f"{within}/{name}", allowed)
        else:
            yield f"{within}/{name}"


def _read(folder: Path, allowed: tuple[Path, ...], into_links: bool = True) -> list[tuple[str, bool]]:
    """Names in a folder in order, each with whether it is one itself; of files, only images."""
    found = []
    with os.scandir(folder) as items:
        for item in items:
            if item.name.startswith(".") or item.name == "__MACOSX":
                continue
            is_folder = item.is_dir()
            if not is_folder and os.path.splitext(item.name)[1].lower() not in SUFFIXES:  # noqa: PTH122
                continue
            if not item.name.isprintable():  # this also finds names that are no UTF-8
                raise UserError(f"{folder}: the name {item.name!a} cannot be printed; rename it")
            if item.is_symlink():
                if not inside(folder / item.name, allowed):
                    raise UserError(f"{folder / item.name}: links to a place outside its folder and data_root")
                if is_folder and not into_links:
                    raise UserError(f"{folder / item.name}: is a link to a folder, inside a class; link the class")
            found.append((item.name, is_folder))
    return sorted(found)
