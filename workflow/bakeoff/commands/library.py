"""A line about each net of a library, read off its source as the names are: importing timm takes seconds."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

_FUNCTION = re.compile(
    r'^def (\w+)\((?:[^()]|\([^()]*\))*\)(?:\s*->\s*[^:\n]+)?:\s*\n\s+(?:r|u)?"""\s*([^\s"][^\n"]*)', re.MULTILINE
)
_FILE = re.compile(r'\s*(?:r|u)?"""\s*([^\s"][^\n"]*)')
_CUT = re.compile(r"(?: from)?[ .:]*$")
_MARKUP = re.compile(r"`([^`<]*?)\s*(?:<[^>]*>)?`_*|:\w+:")


def about(builder: str) -> str:
    """What a net such as timm/resnet18 is: the first line of its function's docstring, else of its file's."""
    library, _, name = builder.partition("/")
    lines, files = _sources(library)
    text = lines.get(name) or files.get(name, "")
    return _CUT.sub("", " ".join(_MARKUP.sub(r"\1", text).split()))


@cache
def _sources(library: str) -> tuple[dict[str, str], dict[str, str]]:
    """By name of a function, the line of its docstring, and that of the file which it stands in."""
    lines: dict[str, str] = {}
    files: dict[str, str] = {}
    found = importlib.util.find_spec(library)
    if found is None or found.origin is None:
        return lines, files
    for path in sorted(Path(found.origin).parent.joinpath("models").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines |= dict(_FUNCTION.findall(text))
        head = _FILE.match(text)
        files |= dict.fromkeys(re.findall(r"^def (\w+)", text, re.MULTILINE), head[1] if head else path.stem)
    return lines, files
