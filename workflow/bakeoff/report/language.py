"""The language of a report: its texts in another tongue, put in where texts become tables, figures and the page.

Much of what a report says comes as English sentences from the comparison's files, with names and numbers inside. So a
catalogue has templates, as in "Mean {metric}": a text that fits one is said by its translation, and what stands in its
fields by theirs. Names of the study are never translated. A text that no template fits stays as it is.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from html import escape, unescape
from itertools import product
from pathlib import Path
from typing import Literal

from bakeoff.report.tabular import Entry, Group, Table

Code = Literal["en", "ja"]
Say = Callable[[str], str]

_FIELD = re.compile(r"\{([a-z_]+)\}")
# A field of one letter is a number, so that templates of sentences do not take a name for one.
_NUMBER = r"[<>≥≤= ]{0,2}[+−-]?\d[\d.,/]*(?:e[+-]?\d+)?"
_SENTENCE = re.compile(r"(?<=[.!?])(?<!\bal\.)\s+(?=\S)")
_SEPARATOR = re.compile(r"(; |, | and )")
_NAMES = re.compile(r", | · ")
_BESIDE = re.compile(r"( ·(?: |$))")
_SEPARATORS = {"; ": "；", ", ": "、", " and ": "、"}
_WIDE = ("W", "F", "A")
_NO_LINE_ENDS = "（「『【〈《(["
_NO_LINE_BEGINS = "、。，．・：；？！）」』】〉》％〜ーっゃゅょァィゥェォッャュョ,.:;)]%"


@dataclass(frozen=True)
class _Template:
    pattern: re.Pattern[str]
    needle: str
    target: str
    own: int
    ends: bool
    """Whether it is a sentence, with its full stop."""

    @classmethod
    def of(cls, source: str, target: str) -> _Template:
        parts = _FIELD.split(source)
        pattern = "".join(re.escape(part) if i % 2 == 0 else _field(part) for i, part in enumerate(parts))
        own = sum(map(len, parts[::2]))
        return cls(re.compile(pattern, re.DOTALL), max(parts[::2], key=len), target, own, source.endswith("."))


def _field(name: str) -> str:
    return f"(?P<{name}>{_NUMBER if len(name) == 1 else '.+?'})"


@dataclass(frozen=True)
class Translator:
    """Says English texts in another language. `kept` are names, which stay; `known` whole texts with their
    translations, as the sentences of rows, which the comparison has in both languages.
    """

    code: Code
    exact: Mapping[str, str]
    templates: tuple[_Template, ...]
    kept: frozenset[str] = frozenset()
    known: Mapping[str, str] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        """The text in this language; spaces at its ends stay."""
        if self.code == "en" or text in self.kept or not text or text.isspace():
            return text
        if text not in self._said:
            body = text.strip()
            before, _, after = text.partition(body)
            self._said[text] = f"{before}{self._paragraph(body)}{after}"
        return self._said[text]

    def table(self, table: Table) -> Table:
        """A table with all its texts in this language."""
        if self.code == "en":
            return table
        return replace(
            table,
            title=self(table.title),
            heads=tuple(replace(head, name=self(head.name), unit=self(head.unit)) for head in table.heads),
            groups=tuple(
                Group(self(g.title), tuple(tuple(Entry(self(e.text), e.bold) for e in row) for row in g.rows))
                for g in table.groups
            ),
            notes=tuple(self(note) for note in table.notes),
        )

    def page(self, html: str) -> str:
        """A page of HTML with its texts in this language; programs, styles and what is typed as code stay."""
        if self.code == "en":
            return html
        return TOKEN.sub(self._token, html).replace('<html lang="en">', f'<html lang="{self.code}">', 1)

    def _token(self, match: re.Match[str]) -> str:
        if match["text"]:
            return escape(self(unescape(match["text"])), quote=False)
        if match["tag"]:
            return _SPOKEN.sub(lambda found: f'{found[1]}"{escape(self(unescape(found[2])))}"', match["tag"])
        return match[0]

    # --- one text -----------------------------------------------------------------------------------------------

    def _paragraph(self, text: str) -> str:
        """A text of several lines or sentences."""
        if (whole := self.known.get(text) or self.exact.get(text)) is not None:
            return whole
        if " ·" in text:
            return "".join(part if i % 2 else self(part) for i, part in enumerate(_BESIDE.split(text)))
        if "\n" in text:
            return "\n".join(self._runs(text.split("\n")))
        return _joined(self._runs(_SENTENCE.split(text)))

    def _runs(self, pieces: list[str]) -> list[str]:
        """Each piece in this language; where none fits it alone, the shortest run of pieces that one fits."""
        said: list[str] = []
        at = 0
        while at < len(pieces):
            runs = ((end, self._found(" ".join(pieces[at:end]))) for end in range(at + 1, len(pieces) + 1))
            end, found = next(((end, found) for end, found in runs if found is not None), (at + 1, pieces[at]))
            said.append(found)
            at = end
        return said

    def _found(self, text: str) -> str | None:
        if not text:
            return None
        if self._is_named(text):
            return text
        if (whole := self.known.get(text) or self.exact.get(text)) is not None:
            return whole
        if text[0] == "(" and text[-1] == ")" and (inner := self._found(text[1:-1])) is not None:
            return f"（{inner}）"
        lower = text[:1].lower() + text[1:]
        if lower not in self.kept and (whole := self.exact.get(lower)) is not None:
            return whole
        for candidate in dict.fromkeys((text, lower)):
            # A part of a sentence takes the rest of it for a name: sentences are tried as sentences first.
            ends = candidate.endswith(".")
            for alike, template in product((True, False), self.templates):
                if (template.ends == ends) is not alike or template.needle not in candidate:
                    continue
                if match := template.pattern.fullmatch(candidate):
                    return template.target.format_map({k: self._part(v) for k, v in match.groupdict().items()})
        return None

    def _is_named(self, text: str) -> bool:
        return text in self.kept or all(part in self.kept for part in _NAMES.split(text))

    def _part(self, text: str) -> str:
        """What stands in a field: a text, a list of texts, or a name or number, which stays."""
        if self._is_named(text):
            return text
        for between in ("; ", ", "):
            parts = text.split(between)
            if len(parts) == 1 or any(part.count("(") != part.count(")") for part in parts):
                continue
            if all(each := [self._found(part) for part in parts]):
                return _SEPARATORS[between].join(map(str, each))
        if (found := self._found(text)) is not None:
            return found
        parts = _SEPARATOR.split(text)
        if len(parts) == 1:
            return text
        return "".join(
            _SEPARATORS.get(part, part) if i % 2 else (self._found(part) or part) for i, part in enumerate(parts)
        )


TOKEN = re.compile(
    r"(?P<code><(?P<element>script|style|pre|code)\b.*?</(?P=element)>)"
    r'|(?P<tag><(?:[^<>"]|"[^"]*")*>)|(?P<text>[^<]+)',
    re.DOTALL,
)
"""A piece of a page: a program or a style or what is typed as code, a tag, or a text."""
_SPOKEN = re.compile(r'( (?:title|alt|aria-label|placeholder)=)"([^"]*)"')


def translator(code: Code, kept: Iterable[str] = (), known: Mapping[str, str] | None = None) -> Translator:
    """The translator into a language: for English one that changes nothing."""
    exact, templates = ({}, ()) if code == "en" else _catalogue(code)
    return Translator(code, exact, templates, frozenset(kept), known or {})


@cache
def _catalogue(code: Code) -> tuple[Mapping[str, str], tuple[_Template, ...]]:
    texts = texts_of(code)
    templates = (_Template.of(source, target) for source, target in texts.items() if _FIELD.search(source))
    return texts, tuple(sorted(templates, key=lambda template: -template.own))  # the most letters of its own fit best


def texts_of(code: Code) -> dict[str, str]:
    """English texts and templates, and what they are in another language. Raises ValueError at one that is twice."""
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob(f"{code}*.toml")):
        for source, target in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if source in found:
                raise ValueError(f"{path}: {source!r} is there twice")
            found[source] = target
    return found


def _joined(sentences: list[str]) -> str:
    text = sentences[0]
    for sentence in sentences[1:]:
        text += sentence if text.endswith(("。", "）")) else f" {sentence}"
    return text


# --- lines --------------------------------------------------------------------------------------------------------


def width(text: str) -> int:
    """How wide a text is in halves of a square letter."""
    return sum(2 if unicodedata.east_asian_width(letter) in _WIDE and ord(letter) > 0x2E7F else 1 for letter in text)


_WORD = r"[^\s\u2e80-\uffef]+"
_PIECES = re.compile(rf"[\u2e80-\uffef]|{_WORD}(?: [=<>±] {_WORD})*|\s+")


def wrapped(text: str, most: int) -> list[str]:
    """Lines of at most `most` halves of a letter: between words but not beside a sign as in "P = 0.98", and between
    Japanese letters anywhere but before what may not begin a line and behind what may not end one.
    """
    lines, line = [], ""
    for piece in _PIECES.findall(text):
        if line and width(line + piece.rstrip()) > most and piece[0] not in _NO_LINE_BEGINS:
            left = len(line) - len(line.rstrip(_NO_LINE_ENDS))
            lines.append(line[: len(line) - left].rstrip())
            line = line[len(line) - left :]
        line += piece if line or not piece.isspace() else ""
    return [*lines, line.rstrip()] if line.strip() else lines
