"""Reading YAML that nobody vouches for: plain data only, with the line of every key for error messages.

Snakemake runs code that it finds in YAML, YAML 1.1 takes `1e-3` for text and `no` for false, and a few aliases can
fill the memory. Here tags, anchors and duplicate keys are refused, and scalars are read as JSON's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
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
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Document:
    """The data of a YAML file, and the line at which each key or item starts."""

    source: str
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def where(self, path: KeyPath) -> str:
        """`file:line` of a key, or of the nearest key above it that the file has."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return f"{self.source}:{self.lines[path[:end]]}"
        return self.source


def read(path: Path) -> Document:
    """Read a study file. Raises UserError, with file and line, for whatever is not plain YAML data."""
    try:
        text = path.read_bytes()[: MAX_BYTES + 1]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; study files stand in studies/, the default is config.yaml") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if len(text) > MAX_BYTES:
        raise UserError(f"{path}: is larger than {MAX_BYTES:,} bytes, so it is no study file")
    return parse(text, str(path))


def parse(text: str | bytes, source: str) -> Document:
    """The same for a text; `source` names it in messages."""
    try:
        _check_depth(text, source)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise UserError(_syntax_message(error, source)) from None
    except (yaml.YAMLError, UnicodeError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{source}: is not YAML text: {reason}; save it as UTF-8 text") from None
    if not isinstance(root, yaml.MappingNode):
        raise UserError(
            f"{source}: is not a study: a study is a mapping of keys such as study, datasets, models, seeds"
        )
    lines: dict[KeyPath, int] = {}
    return Document(source, _plain(root, (), source, lines), lines)


def _syntax_message(error: yaml.MarkedYAMLError, source: str) -> str:
    mark = error.problem_mark or error.context_mark
    line = f":{mark.line + 1}" if mark else ""
    problem = error.problem or error.context or "syntax error"
    remedy = "indent with spaces, not tabs" if "\\t" in problem else "check indentation, colons and quotes on this line"
    return f"{source}{line}: is not valid YAML: {problem}; {remedy}"


def _line(item: yaml.Node | yaml.Event) -> int:
    return int(item.start_mark.line) + 1 if item.start_mark else 1


def _check_depth(text: str | bytes, source: str) -> None:
    """Refuse aliases and deep nesting before anything is built from them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{source}:{_line(event)}"
        if isinstance(event, yaml.AliasEvent):
            raise UserError(f"{where}: aliases (*{event.anchor}) are not read; write the values out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise UserError(f"{where}: is nested more than {MAX_DEPTH} levels deep, so it is no study file")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _plain(node: yaml.Node, path: KeyPath, source: str, lines: dict[KeyPath, int]) -> Any:
    where = f"{source}:{_line(node)}"
    if node.tag.startswith("!") or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:binary"):
        raise UserError(f"{where}: tags ({node.tag}) are not read; write plain values")
    if isinstance(node, yaml.SequenceNode):
        return [_item(child, (*path, i), source, lines) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, source, lines)
    if not node.tag.startswith("tag:yaml.org,2002:"):
        raise UserError(f"{where}: tags ({node.tag}) are not read; write plain values")
    quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
    return node.value if quoted else _scalar(node.value)


def _item(node: yaml.Node, path: KeyPath, source: str, lines: dict[KeyPath, int]) -> Any:
    lines[path] = _line(node)
    return _plain(node, path, source, lines)


def _mapping(node: yaml.MappingNode, path: KeyPath, source: str, lines: dict[KeyPath, int]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        where = f"{source}:{_line(key_node)}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise UserError(f"{where}: a key must be a word")
        key = key_node.value
        if key in result:
            raise UserError(f"{where}: the key {key!r} stands twice; keep one")
        lines[(*path, key)] = _line(key_node)
        result[key] = _plain(value_node, (*path, key), source, lines)
    return result


def _scalar(text: str) -> Any:
    """A plain scalar as JSON would have it; what is no null, boolean or number is text."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 20 else text
    return float(text) if _NUMBER.fullmatch(text) else text


def write(data: dict[str, Any], path: Path) -> Path:
    """Write the data of a study as JSON, which is YAML without anything but data; returns the path."""
    write_json(path, data)
    return path
