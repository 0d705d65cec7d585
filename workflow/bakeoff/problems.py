"""What is wrong with a study file, in the file's own words: the key path, the value, and what would be right."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from bakeoff.errors import UserError
from bakeoff.studyfile import Document, KeyPath, scalar

Problem = tuple[KeyPath, str]

NAME = r"^[a-z0-9]([a-z0-9_.-]{0,98}[a-z0-9_-])?$"
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that are no files on Windows."""
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
"""Text without line ends and other control characters: they would break a table's row or an SVG."""

_MOST = 20

_WORDS = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "list_type": "must be a list, as in [a, b]",
    "tuple_type": "must be a list, as in [a, b]",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "missing": "is missing",
    "string_too_short": "is empty",
    "string_pattern_mismatch": "must be one line of text",
}
_NO_NAME = (
    "is no name: use a-z, 0-9, _ . - only, beginning with a letter or digit, at most 100 of them, without a dot at the "
    "end (names become folders)"
)


def no_device(name: str) -> str:
    """The name, unless Windows knows a device by it. Raises what pydantic expects of a validator."""
    if _DEVICE.fullmatch(name):
        raise PydanticCustomError("device", "is no name: a folder of this name cannot be on Windows; choose another")
    return name


def nearest(value: str, known: Collection[str], otherwise: str = "there are") -> str:
    """A hint: the known words that are most like this one, or else all of them (or the first)."""
    near = difflib.get_close_matches(value, known, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    few = list(known) if len(known) <= _MOST else [*list(known)[:8], "..."]
    return f"{otherwise} {', '.join(few)}"


def one_of(kind: str, value: str, known: Collection[str], command: str) -> str:
    """The value, when it is known. Raises what pydantic expects of a validator, with the nearest known words."""
    if value in known:
        return value
    hint = f"{nearest(value, known)} (all: bakeoff {command})"
    raise PydanticCustomError("unknown", "is no such {kind}; {hint}", {"kind": kind, "hint": hint})


def explain(
    error: ValidationError, key: str, data: object, keys_at: Callable[[KeyPath], Collection[str]]
) -> Iterator[Problem]:
    """The problems that pydantic found in `data`, which stands at `key`; `keys_at` gives the keys that the mapping at a
    path within may have.
    """
    found: dict[KeyPath, list[str]] = {}
    values: dict[KeyPath, object] = {}
    within: set[KeyPath] = set()
    for item in error.errors(include_url=False):
        if item["type"] == "default_factory_not_called":  # for another key's fault, which is reported
            continue
        path = (key, *_in_file(item, data))
        within |= {path[:depth] for depth in range(len(path))}
        found.setdefault(path, []).append(_words(item, keys_at(path[1:-1])))
        if item["type"] != "extra_forbidden":
            values.setdefault(path, item["input"])
    for path, texts in found.items():
        if path not in within:  # where a mapping is faulty in itself, the alternatives to it were not meant
            yield path, f"{_shown(values.get(path, ...))}{_joined(texts)}"


def _in_file(item: ErrorDetails, data: Any) -> Iterator[str | int]:
    """The part of pydantic's path that is the file's; the rest are steps of unions and of words written out."""
    for step in item["loc"]:
        if step in data if isinstance(data, dict) else isinstance(data, list) and isinstance(step, int):
            data = data[step]
            yield step
    if item["type"] == "missing":
        yield item["loc"][-1]
    elif "key" in item.get("ctx", {}):
        yield item["ctx"]["key"]


def _words(item: ErrorDetails, keys: Collection[str]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return f"no such key; {nearest(str(item['loc'][-1]), keys, 'the keys here are')}"
    if kind == "string_pattern_mismatch" and context.get("pattern") == NAME:
        return _NO_NAME
    if kind in ("too_short", "too_long"):
        return _wrong_length(context["actual_length"], context.get("min_length"), context.get("max_length"))
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    if kind in ("int_type", "float_type") and isinstance(item["input"], str) and scalar(item["input"]) != item["input"]:
        return f"{_WORDS[kind]}, without quotes"
    return _WORDS.get(kind) or item["msg"].replace("Input should be ", "must be ")


def _wrong_length(actual: int, least: int | None, most: int | None) -> str:
    if least == 1 and actual == 0:
        return "is empty; give at least one"
    wanted = f"at least {least}" if least is not None else f"at most {most}"
    return f"has {actual} value{'s' if actual != 1 else ''}; give {wanted}"


def _joined(texts: list[str]) -> str:
    """Several complaints about one value: the alternatives of a union are alternatives."""
    unique = list(dict.fromkeys(texts))
    if all(text.startswith("must be ") for text in unique):
        return " or ".join([unique[0], *(text.removeprefix("must be ") for text in unique[1:])])
    return "; ".join(unique)


def _shown(value: object) -> str:
    """The value before what is wrong with it, as the file has it; only a scalar is repeated."""
    if not isinstance(value, str | int | float | None):
        return ""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return f"{_cut(text)} "


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def dotted(path: KeyPath) -> str:
    """A key path as one writes it: models[2].builder."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{_cut(step)}" for step in path)
    return text.removeprefix(".")


def report(document: Document, problems: list[Problem]) -> None:
    """Raise UserError with all problems, one a line, in the order of the file; nothing when there is none."""
    order = {path: i for i, path in enumerate(document.places)}
    problems = sorted(problems, key=lambda problem: order.get(document.known(problem[0]), -1))
    lines = [f"{document.where(path)}: {printable(f'{dotted(path)}: {text}')}" for path, text in problems[:_MOST]]
    if len(problems) > _MOST:
        lines.append(f"... and {len(problems) - _MOST} more")
    if lines:
        raise UserError("\n".join(lines))


def printable(text: str) -> str:
    """A stranger's text with its control characters written out, for they could rewrite the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
