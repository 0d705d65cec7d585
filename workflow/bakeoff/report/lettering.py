"""The letters of figures: fonts that have them, and their texts in the report's language."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from fontTools import subset
from matplotlib import font_manager
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from bakeoff.report.language import Translator, wrapped

LATIN = "DejaVu Sans"
# Where that has no glyph: the font that matplotlib-fontja carries, then what the machine may have, for other scripts.
_JAPANESE = "IPAexGothic"
_INSTALLED = ("Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK SC", "Noto Sans", "Noto Sans Symbols 2")
_MISSING = re.compile(r"Glyph (\d+) ")
_SHAPING = ("GDEF", "GPOS", "GSUB")
"""Tables of a font by which a text finds its glyphs and their places."""
_SMALL = 6
"""Points of a note's print; its lines are filled anew, those of other texts stay as they are."""
_FULL = 45
"""Letters from which on a line of small print is one of a note."""
_NARROW = 1.0
"""Halves of a Japanese letter that take the width of a Latin one."""


@cache
def families() -> list[str]:
    """The fonts of figures, for each letter the first that has it."""
    spec = importlib.util.find_spec("matplotlib_fontja")
    if spec is not None and spec.origin is not None:
        font_manager.fontManager.addfont(Path(spec.origin).parent / "fonts" / "ipaexg.ttf")
        plain = font_manager.fontManager.ttflist[-1]
        # It has one weight: titles, which are bold in Latin letters, take it without a word.
        font_manager.fontManager.ttflist.append(replace(plain, weight="bold"))
    there = {font.name for font in font_manager.fontManager.ttflist}
    return [LATIN, *(name for name in (_JAPANESE, *_INSTALLED) if name in there)]


@contextmanager
def missing_letters() -> Iterator[list[str]]:
    """Collects, instead of matplotlib's warnings, the letters that no font has; each once."""
    letters: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield letters
    for warning in caught:
        if found := _MISSING.match(str(warning.message)):
            letters.append(chr(int(found[1])))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    letters[:] = dict.fromkeys(letters)


@contextmanager
def only_shapes() -> Iterator[None]:
    """PDFs written meanwhile hold no tables by which a text finds its glyphs: a PDF names glyphs and places itself, and
    to cut those tables down takes longer than all else of a font.
    """
    # matplotlib hands no option on. Under another name in another fontTools, this changes nothing.
    before = getattr(subset.Options, "_drop_tables_default", [])
    subset.Options._drop_tables_default = [*before, *_SHAPING]
    try:
        yield
    finally:
        subset.Options._drop_tables_default = before


def hint(letters: Iterable[str]) -> str:
    """What to do about letters that no font has."""
    return (
        f"report: figures show boxes for {' '.join(letters)}: no font here has these letters. Install one that does "
        "(Noto Sans CJK for Chinese, Japanese and Korean: Debian's fonts-noto-cjk), or write report.labels without them"
    )


def translate(figure: Figure, say: Translator) -> None:
    """Put all texts of a drawn figure into the language of the report; what is set in small print is wrapped anew."""
    if say.code == "en":
        return
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            _ticks(axis, say)
    for text in figure.findobj(Text):
        _say(text, say)


def _ticks(axis: Axis, say: Translator) -> None:
    formatter = axis.get_major_formatter()
    if isinstance(formatter, (FixedFormatter, FuncFormatter)):  # labels that were set, not numbers
        axis.set_major_formatter(FuncFormatter(lambda at, place: say(formatter(at, place))))


def _say(text: Text, say: Translator) -> None:
    before = text.get_text()
    if not before:
        return
    most = max(map(len, before.split("\n")))
    if text.get_fontsize() != _SMALL or most < _FULL:
        text.set_text(say(before))
        return
    text.set_text("\n".join(wrapped(say(" ".join(before.split("\n"))), round(most * _NARROW))))
