"""What a table is: columns applied to items, once, and rendered to Markdown, LaTeX and (by the template) HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, Protocol, TypeVar

from bakeoff.report.text import Names, latex, markdown

T = TypeVar("T", contravariant=True)

_LABEL_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")


@dataclass(frozen=True)
class Head:
    """What stands above a column: a name, and in parentheses a unit or what else tells how to read it."""

    name: str
    unit: str
    left: bool

    @property
    def text(self) -> str:
        """Name and unit on one line."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class Column(Generic[T]):
    """A header, and how to get and format the value below it."""

    name: str
    text: Callable[[T], str]
    bold: Callable[[T], bool] = lambda _: False
    unit: str = ""
    left: bool = False

    @property
    def head(self) -> Head:
        """The column without its items."""
        return Head(self.name, self.unit, self.left)


@dataclass(frozen=True)
class Entry:
    """One cell of a table, as plain text."""

    text: str
    bold: bool


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: tuple[tuple[Entry, ...], ...]


@dataclass(frozen=True)
class Table:
    """Plain Unicode text throughout; whoever renders it escapes it."""

    name: str
    title: str
    heads: tuple[Head, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()


def build(
    name: str,
    title: str,
    columns: Sequence[Column[T]],
    groups: Iterable[tuple[str, Iterable[T]]],
    notes: tuple[str, ...] = (),
) -> Table:
    """Columns applied to items: the only place where a table is made."""
    rows = (
        Group(heading, tuple(tuple(Entry(c.text(item), c.bold(item)) for c in columns) for item in items))
        for heading, items in groups
    )
    return Table(name, title, tuple(column.head for column in columns), tuple(rows), notes)


class OfDataset(Protocol):
    """Something of one data set."""

    @property
    def dataset(self) -> str:
        """Its id."""


S = TypeVar("S", bound=OfDataset)


def by_dataset(items: Iterable[S], names: Names) -> list[tuple[str, list[S]]]:
    """Items under the names of their data sets, which come in the order of their ids."""
    ordered = sorted(items, key=lambda item: item.dataset)
    return [(names(dataset), list(group)) for dataset, group in groupby(ordered, key=lambda item: item.dataset)]


# --- renderings ---------------------------------------------------------------------------------------------------


def to_markdown(table: Table) -> str:
    """A heading, one GitHub table for each group, and the notes."""
    lines = [f"## {markdown(table.title)}", ""]
    for group in table.groups:
        lines += [f"**{markdown(group.title)}**", ""] if group.title else []
        lines.append(_markdown_row(markdown(head.text) for head in table.heads))
        lines.append(_markdown_row(":--" if head.left else "--:" for head in table.heads))
        for row in group.rows:
            lines.append(
                _markdown_row(f"**{markdown(entry.text)}**" if entry.bold else markdown(entry.text) for entry in row)
            )
        lines.append("")
    lines += [f"- {markdown(note)}" for note in table.notes]
    return "\n".join(lines) + "\n"


def _markdown_row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def to_latex(table: Table, study: str) -> str:
    r"""A table* environment that needs \usepackage{booktabs} and nothing else."""
    body: list[str] = []
    for group in table.groups:
        body.append(r"\midrule")
        if group.title:
            body.append(rf"\multicolumn{{{len(table.heads)}}}{{@{{}}l}}{{\textit{{{latex(group.title)}}}}} \\")
        for row in group.rows:
            body.append(_latex_row(rf"\textbf{{{latex(e.text)}}}" if e.bold else latex(e.text) for e in row))
    columns = "".join("l" if head.left else "r" for head in table.heads)
    notes = "\n".join(latex(note.rstrip(".") + ".") for note in table.notes)
    return "\n".join(
        (
            r"\begin{table*}",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{latex(table.title)}.}}",
            rf"\label{{tab:{_LABEL_UNSAFE.sub('-', f'{study}-{table.name}')}}}",
            # The box lets a table that is wider than the text stand in its middle.
            rf"\makebox[\linewidth][c]{{\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            _latex_row(latex(head.name) for head in table.heads),
            _latex_row(latex(f"({head.unit})") if head.unit else "" for head in table.heads),
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
            notes,
            r"\end{minipage}",
            r"\end{table*}",
            "",
        )
    )


def _latex_row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"
