"""A user's own images as a list: which files there are, of which class, in which part. No image is opened."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.data.source import Info
from bakeoff.errors import UserError

if TYPE_CHECKING:
    from bakeoff.data.arrays import Part

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
PART_NAMES: dict[str, Part] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One image: its path below the root as the file system has it, its class, its official part (None: to split)."""

    path: str
    label: str
    part: Part | None

    @property
    def name(self) -> str:
        """The path in the one form that it has everywhere: macOS takes accents apart, Linux does not."""
        return self.path if self.path.isascii() else unicodedata.normalize("NFC", self.path)


@dataclass(frozen=True)
class Listing:
    """The images of a folder or table `source`, below `root`, in the order of their names; the classes in order."""

    source: Path
    root: Path
    entries: tuple[Entry, ...]
    class_names: tuple[str, ...]

    def of(self, *parts: Part | None) -> list[Entry]:
        """The images of these official parts."""
        return [entry for entry in self.entries if entry.part in parts]

    def info(self, channels: int, flip: bool) -> Info:
        """The facts about these images that a study needs."""
        return Info(
            title="",
            origin="own images",
            channels=channels,
            size=None,
            class_names=self.class_names,
            official_test=any(entry.part == "test" for entry in self.entries),
            flip=flip,
        )


def find(path: str, data_root: Path, what: str) -> Path:
    """Where a study's path leads: below data_root or, when there is nothing, below the working folder.

    Raises UserError when there is nothing in either place, or no path was given.
    """
    if not path:
        raise UserError(f"needs the option path: the {what}")
    for place in (data_root / path, Path(path)):
        if place.exists():
            return place
    places = " nor ".join(dict.fromkeys([str(data_root / path), str(Path(path).absolute())]))
    raise UserError(f"path: {path!r}: no such {what}: there is no {places}")


def inside(path: Path, allowed: Iterable[Path]) -> bool:
    """Whether a path, with all links followed, stands in one of these folders, themselves with all links followed."""
    real = path.resolve()
    return any(real.is_relative_to(folder) for folder in allowed)


def checked(source: Path, root: Path, entries: list[Entry]) -> Listing:
    """A listing in its order. Raises UserError when the images make no classification task."""
    trained = {entry.label for entry in entries if entry.part in (None, "train")}
    for label in sorted({entry.label for entry in entries}):
        if not label.strip() or not label.isprintable():
            raise UserError(f"{source}: the class name {label!r} cannot be printed; rename it")
    for part in ("val", "test"):
        foreign = {entry.label for entry in entries if entry.part == part} - trained
        if foreign:
            missing = sorted(trained - {entry.label for entry in entries if entry.part == part})
            raise UserError(
                f"{source}: {part} has classes that train has no images of: {few(sorted(foreign))}"
                + (f"; it has none of train's {few(missing)}" if missing else "")
            )
    if not trained:
        raise UserError(f"{source}: has no images to train on ({', '.join(sorted(SUFFIXES))})")
    if len(trained) == 1:
        raise UserError(f"{source}: has the one class {trained.pop()!r}; there must be two or more to tell apart")
    ordered = sorted(entries, key=lambda entry: entry.name)
    twice = sorted({one.name for one, other in pairwise(ordered) if one.name == other.name})
    if twice:
        raise UserError(f"{source}: {few(twice)} stands there twice")
    return Listing(source, root, tuple(ordered), tuple(_in_order(trained)))


def _in_order(labels: Iterable[str]) -> list[str]:
    """By number when all are numbers, else by character."""
    labels = sorted(labels)
    return sorted(labels, key=int) if all(label.isascii() and label.isdecimal() for label in labels) else labels


def few(words: list[str], most: int = 5) -> str:
    """The first of some words, quoted, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(map(repr, words[:most])) + more
