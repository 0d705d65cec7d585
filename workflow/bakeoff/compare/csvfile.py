"""A CSV of anybody's: from bytes to text, its delimiter and its columns, or a sentence on what is wrong with it."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path

from bakeoff.errors import UserError

MOST_BYTES = 1_000_000_000
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DELIMITERS = (",", ";", "\t")
# How files begin that spreadsheets write, and that are no text.
_BINARY = {b"PK\x03\x04": "a workbook (.xlsx) or another archive", b"\xd0\xcf\x11\xe0": "an old workbook (.xls)"}
_SAVE_AS = 'save it as "CSV UTF-8"'


def contents(path: Path) -> bytes:
    """All of a file. Raises UserError for one that cannot be read, or is too large."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: has more than {MOST_BYTES:,} bytes; compare fewer runs at a time")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def text_of(data: bytes, source: str) -> str:
    """The text of a CSV in UTF-8 or, with its mark at the beginning, in UTF-16, as Excel saves "Unicode text".

    Raises UserError, naming `source` and the place, for anything else: a guessed encoding changes names in silence.
    """
    for start, what in _BINARY.items():
        if data.startswith(start):
            raise UserError(f"{source}: is {what}, not a CSV; {_SAVE_AS} first")
    try:
        text = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{source}: line {line}: is not UTF-8{_guess(data)}; {_SAVE_AS}") from None
    if "\x00" in text:
        raise UserError(f"{source}: line {text[: text.index(chr(0))].count(chr(10)) + 1}: holds a NUL, so it is no CSV")
    if not text.strip():
        raise UserError(f"{source}: is empty")
    return text


def _guess(data: bytes) -> str:
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        return ""
    japanese = any("\u3040" <= letter <= "\u30ff" or "\u4e00" <= letter <= "\u9fff" for letter in text)
    return " (Shift_JIS?)" if japanese else ""


def delimiter_of(header: str, known: Collection[str]) -> str:
    """Comma, semicolon or tab: that which makes the most known columns of the first line."""
    return max(_DELIMITERS, key=lambda delimiter: len(set(columns_of(header.split(delimiter))) & set(known)))


def columns_of(header: Sequence[str]) -> list[str]:
    """The names of columns as they are looked for: in small letters, without spaces and quotes around them."""
    return [name.strip().strip('"').strip().lower() for name in header]


def check_columns(columns: Sequence[str], needed: Sequence[str], known: Sequence[str], source: str) -> list[str]:
    """A warning for each column that nothing reads. Raises UserError when one is missing or there twice."""
    twice = [name for name, count in Counter(columns).items() if name and count > 1]
    if twice:
        raise UserError(f"{source}: line 1: column {twice[0]!r} is there twice")
    missing = [name for name in needed if name not in columns]
    if missing:
        near = get_close_matches(missing[0], [name for name in columns if name not in known], n=1)
        raise UserError(
            f"{source}: line 1: there is no column {missing[0]!r}"
            + (f"; is {near[0]!r} meant?" if near else "")
            + f" (needed: {', '.join(needed)}; there: {shown(', '.join(filter(None, columns)) or 'none')})"
        )
    unread = [name for name in columns if name and name not in known]
    return [f"{source}: column {shown(name)} is not read{_meant(name, known)}" for name in unread]


def _meant(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; is {near[0]!r} meant?" if near else ""


def shown(text: str, most: int = 80) -> str:
    """A stranger's text in a message: without control characters, which could rewrite the terminal, and not long."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return printable if len(printable) <= most else printable[: most - 3] + "..."
