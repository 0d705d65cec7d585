"""Tables as LaTeX that a journal would print: booktabs' rules, siunitx' columns of numbers, marks of amssymb."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bakeoff.report.tabular import Entry, Head, Table
from bakeoff.report.text import latex

PACKAGES = r"\usepackage{booktabs,siunitx,graphicx,amssymb}"

# Letters of a word column that are not broken into lines yet.
_LONG = 36
_LABEL_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")
# A number as the tables print it, and what may stand behind it: ± 0.45, (+0.40 to +2.09), ★★†, of 5.
_NUMBER = re.compile(r"(?P<less>< )?(?P<sign>[+−]?)(?P<whole>\d+)(?:\.(?P<part>\d+))?(?: (?P<rest>\S.*))?")


@dataclass(frozen=True)
class _Column:
    """A column of the table as one or, where something stands behind its numbers, two of LaTeX.

    Numbers stand under each other by the decimal point, and what is behind them begins at one place.
    """

    head: Head
    format: str
    rests: bool
    long: bool = False

    @classmethod
    def of(cls, head: Head, entries: Sequence[Entry]) -> _Column:
        found = [match for entry in entries if (match := _NUMBER.fullmatch(entry.text))]
        if head.left or not found:
            return cls(head, "", False, head.left and any(len(entry.text) > _LONG for entry in entries))
        less = "<" * any(match["less"] for match in found)
        sign = "+" * any(match["sign"] for match in found)
        whole = max(len(match["whole"]) for match in found)
        part = max(len(match["part"] or "") for match in found)
        return cls(head, f"{less}{sign}{whole}{f'.{part}' if part else ''}", any(match["rest"] for match in found))

    @property
    def width(self) -> int:
        """Columns of LaTeX."""
        return 2 if self.rests else 1

    @property
    def declared(self) -> str:
        """As it stands in the head of a tabular."""
        if not self.format:
            return "r" if not self.head.left else ">{\\raggedright\\arraybackslash}p{15em}" if self.long else "l"
        return f"S[table-format={self.format}]" + r"@{\ }l" * self.rests

    def above(self, text: str) -> str:
        """A piece of its head."""
        if self.rests:
            return rf"\multicolumn{{2}}{{c}}{{{latex(text)}}}"
        return f"{{{latex(text)}}}" if self.format else latex(text)

    def cell(self, entry: Entry) -> str:
        """One cell, or two."""
        bold = r"\bfseries " if entry.bold else ""
        if not self.format:
            return bold + latex(entry.text)
        match = _NUMBER.fullmatch(entry.text)
        if match is None:
            return rf"\multicolumn{{{self.width}}}{{c}}{{{bold}{latex(entry.text)}}}"
        number = f"{match['less'] or ''}{match['sign'].replace('−', '-')}{match['whole']}"
        number += f".{match['part']}" if match["part"] else ""
        rest = f" & {bold}{latex(match['rest'])}" if match["rest"] else " &"
        return f"{bold}{number}{rest if self.rests else ''}"


def to_latex(table: Table, study: str) -> str:
    r"""A table* environment to be \input; its document needs PACKAGES. It shrinks when it is wider than the text."""
    rows = [row for group in table.groups for row in group.rows]
    columns = [_Column.of(head, [row[i] for row in rows]) for i, head in enumerate(table.heads)]
    body: list[str] = []
    for group in table.groups:
        body.append(r"\midrule")
        if group.title:
            width = sum(column.width for column in columns)
            body.append(rf"\multicolumn{{{width}}}{{@{{}}l}}{{\itshape {latex(group.title)}}} \\")
        for row in group.rows:
            body.append(_row(column.cell(entry) for column, entry in zip(columns, row, strict=True)))
    heads = [_row(column.above(column.head.name) for column in columns)]
    if any(head.unit for head in table.heads):
        heads.append(_row(column.above(f"({column.head.unit})" if column.head.unit else "") for column in columns))
    return "\n".join(
        (
            r"\begin{table*}",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            r"\sisetup{detect-weight, group-digits=integer, retain-explicit-plus}",
            rf"\caption{{{latex(table.title)}.}}",
            rf"\label{{tab:{_LABEL_UNSAFE.sub('-', f'{study}-{table.name}')}}}",
            rf"\sbox0{{\begin{{tabular}}{{@{{}}{' '.join(column.declared for column in columns)}@{{}}}}",
            r"\toprule",
            *heads,
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi",
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
            "\n".join(latex(_ended(note)).replace(" $<$ ", "~$<$~") for note in table.notes),
            r"\end{minipage}",
            r"\end{table*}",
            "",
        )
    )


def _ended(note: str) -> str:
    return note if note.endswith(("。", "）")) else note.rstrip(".") + "."


def _row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"


def document(tables: Sequence[str]) -> str:
    r"""A document that prints tables, each the path of a file to \input."""
    return "\n".join(
        (
            r"\documentclass{article}",
            r"\usepackage[margin=25mm]{geometry}",
            PACKAGES,
            r"\usepackage{iftex}",
            "% Labels in other than Latin letters need lualatex, Japanese luatexja too (texlive-lang-japanese).",
            r"\iftutex\IfFileExists{luatexja.sty}{\usepackage{luatexja}}{}\fi",
            r"\begin{document}",
            *(rf"\input{{{path}}}" for path in tables),
            r"\end{document}",
            "",
        )
    )
