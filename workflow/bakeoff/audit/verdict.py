"""What an audit found, in sentences: what `audit: strict` refuses, what warns, what is good to know. Needs no numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bakeoff.errors import UserError
from bakeoff.provenance import Json

IMBALANCED = 1.5
"""From this ratio of the largest class to the smallest on, accuracy alone misleads."""
_NAMED = 5

_PARTS = {"train": "training", "val": "validation", "test": "test"}
_SEEN = "train+val/test"

Name = Callable[[int], str]
"""What an image is called: its id, and where it has one its file."""


def with_verdict(audit: Json, class_names: Sequence[str], name: Name = str) -> Json:
    """The audit with its sentences: `refused` by strict, and `warnings`, which has these too; `notes`."""
    refused = list(_faults(audit, class_names, name))
    return {
        **audit,
        "refused": refused,
        "warnings": [*refused, *_empty(audit, class_names)],
        "notes": list(_notes(audit, class_names, name)),
    }


def refuse(dataset: str, audit: Json) -> None:
    """Raise UserError when the data set has what `audit: strict` does not let pass."""
    if audit["refused"]:
        raise UserError(
            "\n  ".join(
                [
                    f"{dataset}: is refused by audit: strict;",
                    *audit["refused"],
                    "mend or remove these images, or write audit: warn to go on with a warning",
                ]
            )
        )


def _faults(audit: Json, class_names: Sequence[str], name: Name) -> Iterator[str]:
    seen = audit["exact"][_SEEN]
    if n := seen["images"]:
        pairs = [f"{name(test)} is {name(first)}" for first, test in seen["listed"]]
        yield (
            f"{_images(n, 'test')} {_be(n)} also among the training or validation images, byte for byte, "
            f"so the test is easier than it should be: {_few(pairs, n)}"
        )
    conflicts = audit["conflicts"]
    if n := conflicts["contents"]:
        pairs = [_disputed(pair, class_names, name) for pair in conflicts["listed"]]
        how = "with different targets" if audit.get("of") == "targets" else "as different classes"
        yield f"{_images(n)} {_be(n)} there more than once, {how}: {_few(pairs, n)}"
    constant = audit["constant"]
    if n := constant["count"]:
        yield f"{_images(n)} {_be(n)} of one colour throughout: {_few([name(i) for i in constant['listed']], n)}"
    unreadable = audit["unreadable"]
    if n := unreadable["count"]:
        yield f"{_images(n)} cannot be read and {_be(n, past=True)} left out: {_few(unreadable['listed'], n)}"
    outside = audit["labels_out_of_range"]
    if n := outside["count"]:
        ids = [name(i) for i in outside["listed"]]
        yield f"{_images(n)} {_have(n)} a label outside 0..{len(class_names) - 1}: {_few(ids, n)}"


def _disputed(pair: Json, class_names: Sequence[str], name: Name) -> str:
    return " and ".join(
        f"{name(i)} ({class_names[label] if 0 <= label < len(class_names) else label})"
        for i, label in zip(pair["ids"], pair["labels"], strict=True)
    )


def _empty(audit: Json, class_names: Sequence[str]) -> Iterator[str]:
    for part, empty in audit["empty_classes"].items():
        if n := empty["count"]:
            noun = "class has" if n == 1 else "classes have"
            names = _few([repr(class_names[label]) for label in empty["listed"]], n)
            yield f"{n} {noun} no {_PARTS[part]} images: {names}"


def _notes(audit: Json, class_names: Sequence[str], name: Name) -> Iterator[str]:
    yield from _imbalances(audit, class_names)
    exact = audit["exact"]
    if n := exact["train/val"]["images"]:
        pairs = _listed(exact, name, "train/val")
        yield f"{_images(n, 'validation')} {_be(n)} also among the training images, byte for byte: {pairs}"
    for part, word in _PARTS.items():
        if n := exact[part]["images"]:
            yield f"{_images(n, word)} {_have(n)} a copy among the {word} images: {_listed(exact, name, part)}"
    near = audit["near"]
    if near["reason"]:
        yield f"near duplicates: {near['reason']}"
    if near["found"] and (n := near["found"][_SEEN]["images"]):
        pairs = _listed(near["found"], name, _SEEN)
        yield f"{_images(n, 'test')} {_be(n)} nearly the same as a training or validation image: {pairs}"


def _imbalances(audit: Json, class_names: Sequence[str]) -> Iterator[str]:
    """One sentence, of the first part whose classes are of too different size."""
    for part, word in _PARTS.items():
        ratio, counts = audit["imbalance"][part], audit["class_counts"][part]
        if ratio is not None and ratio > IMBALANCED:
            most = max(counts)
            least = min(count for count in counts if count)
            yield (
                f"the largest class has {ratio:.1f} times the {word} images of the smallest "
                f"({class_names[counts.index(most)]} {most:,}, {class_names[counts.index(least)]} {least:,}): "
                f"accuracy alone misleads, balanced accuracy does not"
            )
            return


def _listed(found: Json, name: Name, relation: str) -> str:
    pairs = found[relation]
    return _few([f"{name(one)} and {name(other)}" for one, other in pairs["listed"]], pairs["pairs"])


def _images(n: int, kind: str = "") -> str:
    return f"{n:,} {kind} {'image' if n == 1 else 'images'}".replace("  ", " ")


def _be(n: int, past: bool = False) -> str:
    return ("was" if n == 1 else "were") if past else ("is" if n == 1 else "are")


def _have(n: int) -> str:
    return "has" if n == 1 else "have"


def _few(texts: Sequence[Any], of: int) -> str:
    """The first of some texts, and how many more there are."""
    named = list(map(str, texts[:_NAMED]))
    more = [f"and {of - len(named):,} more"] if of > len(named) else []
    return "; ".join(named + more)
