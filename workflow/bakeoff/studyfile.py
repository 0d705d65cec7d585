"""Reading YAML that nobody vouches for: plain data only, with the place of every key for error messages.

Snakemake runs code that it finds in YAML, YAML 1.1 takes `1e-3` for text and `no` for false, and a few aliases can
fill the memory. Here tags, anchors and duplicate keys are refused, and scalars are read as JSON's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bakeoff.errors import UserError
from bakeoff.provenance import write_json

KeyPath = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 20

_NULL = ("", "~", "null", "Null", "NULL")
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Document:
    """The data of a study file, and where each key or item stands ("file:line"), in the order of the file."""

    source: str
    data: dict[str, Any]
    places: dict[KeyPath, str]

    def known(self, path: KeyPath) -> KeyPath:
        """The path, or the nearest one above it that the file has; () when it has none."""
        return next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.places), ())

    def where(self, path: KeyPath) -> str:
        """`file:line` of a key, or of the nearest key above it that the file has."""
        return self.places.get(self.known(path), self.source)


def read(path: Path) -> Document:
    """Read a study file. Raises UserError, with file and line, for whatever is not plain YAML data."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; study files stand in studies/, the default is config.yaml") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if len(text) > MAX_BYTES:
        raise UserError(f"{path}: is larger than {MAX_BYTES:,} bytes, so it is no study file")
    return parse(text, str(path))


def parse(text: bytes, source: str) -> Document:
    """The same for the bytes of a file; `source` names it in messages."""
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise UserError(f"{source}:{line}: is not UTF-8 text ({error.reason}); save it as UTF-8") from None
    try:
        root = yaml.compose(decoded, Loader=_PlainLoader)
    except yaml.reader.ReaderError as error:
        line = decoded.count("\n", 0, error.position) + 1
        raise UserError(f"{source}:{line}: has a control character (U+{error.character:04X})") from None
    except _NotPlainError as error:
        line, why = error.args
        raise UserError(f"{source}:{line}: {why}") from None
    except yaml.MarkedYAMLError as error:
        raise UserError(_syntax_message(error, source)) from None
    if not isinstance(root, yaml.MappingNode):
        line = _line(root) if root else 1
        raise UserError(
            f"{source}:{line}: is not a study: a study is a mapping of keys such as study, datasets, models, seeds"
        )
    places: dict[KeyPath, str] = {}
    return Document(source, _mapping(root, (), source, places), places)


class _NotPlainError(Exception):
    """YAML that is more than data: line, and what it is."""


class _PlainLoader(yaml.SafeLoader):
    """Refuses tags, anchors, aliases and deep nesting before anything is built from them."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """PyYAML calls this for every node, before it reads the node's children."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        line = int(event.start_mark.line) + 1 if event.start_mark else 1
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            mark = "*" if isinstance(event, yaml.AliasEvent) else "&"
            raise _NotPlainError(
                line, f"anchors and aliases ({mark}{_cut(event.anchor)}) are not read; write the values out"
            )
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise _NotPlainError(line, f"tags ({_cut(event.tag)!r}) are not read; write plain values")
        if self.depth == MAX_DEPTH:
            raise _NotPlainError(line, f"is nested more than {MAX_DEPTH} levels deep, so it is no study file")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _syntax_message(error: yaml.MarkedYAMLError, source: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"{source}:{mark.line + 1 if mark else 1}"
    problem = error.problem or error.context or "syntax error"
    remedy = "indent with spaces, not tabs" if "\\t" in problem else "check indentation, colons and quotes on this line"
    return f"{where}: is not valid YAML: {problem}; {remedy}"


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _plain(node: yaml.Node, path: KeyPath, source: str, places: dict[KeyPath, str]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, source, places)
    if isinstance(node, yaml.SequenceNode):
        items = []
        for i, child in enumerate(node.value):
            places[*path, i] = f"{source}:{_line(child)}"
            items.append(_plain(child, (*path, i), source, places))
        return items
    return _value(node, source)


def _value(node: yaml.Node, source: str) -> Any:
    value = node.value if isinstance(node, yaml.ScalarNode) and node.style is not None else scalar(node.value)
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{source}:{_line(node)}: {_cut(node.value)} is larger than any number here can be")
    if isinstance(value, str) and _HALF_CHARACTER.search(value):
        raise UserError(
            f"{source}:{_line(node)}: {_cut(value)!a} is no text: \\ud800 to \\udfff are halves of characters"
        )
    return value


def _mapping(node: yaml.MappingNode, path: KeyPath, source: str, places: dict[KeyPath, str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        where = f"{source}:{_line(key_node)}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise UserError(f"{where}: a key must be a word")
        key = key_node.value
        if key in result:
            raise UserError(f"{where}: the key {_cut(key)!r} stands twice; keep one")
        places[*path, key] = where
        result[key] = _plain(value_node, (*path, key), source, places)
    return result


def scalar(text: str) -> Any:
    """A plain scalar as JSON would have it; what is no null, boolean or number is text."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def from_command_line(value: object) -> Any:
    """A value of Snakemake's --config as a study file would have it: there, what is inside a list is always text."""
    match value:
        case str():
            return scalar(value)
        case Mapping():
            return {str(key): from_command_line(item) for key, item in value.items()}
        case list() | tuple():
            return [from_command_line(item) for item in value]
        case None | int():
            return value
        case float() if math.isfinite(value):
            return value
    return str(value)


def paths(data: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of every key and item of plain data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in items:
        yield (*path, step)
        yield from paths(value, (*path, step))


def write(data: dict[str, Any], path: Path) -> Path:
    """Write the data of a study as JSON, which is YAML without anything but data; returns the path."""
    write_json(path, data)
    return path
