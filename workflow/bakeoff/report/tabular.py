"""What a table is: columns applied to items, once, and rendered to Markdown, CSV, JSON and HTML (LaTeX: `latex`)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Generic, Protocol, TypeVar

from bakeoff.report.text import Names, labelled, markdown
from bakeoff.spreadsheet import as_text

T = TypeVar("T", contravariant=True)


@dataclass(frozen=True)
class Head:
    """What stands above a column: a name, and in parentheses a unit or what else tells how to read it."""

    name: str
    unit: str
    left: bool

    @property
    def text(self) -> str:
        """Name and unit on one line."""
        return labelled(self.name, self.unit)


@dataclass(frozen=True)
class Column(Generic[T]):
    """A header, and how to get and format the value below it. One that is not there `always` may be left out of a
    table in which it has no value at all.
    """

    name: str
    text: Callable[[T], str]
    bold: Callable[[T], bool] = lambda _: False
    unit: str = ""
    left: bool = False
    always: bool = False

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


def to_csv(table: Table, grouping: str = "Group") -> str:
    """The texts of the table under one line of heads; where there are headings of groups, they are the first column."""
    grouped = any(group.title for group in table.groups)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*[grouping] * grouped, *(as_text(head.text) for head in table.heads)])
    for group in table.groups:
        for row in group.rows:
            writer.writerow([*[as_text(group.title)] * grouped, *(as_text(entry.text) for entry in row)])
    return out.getvalue()


def to_json(table: Table) -> str:
    """The table as data: title, columns, groups of rows of texts, which of them are bold, and the notes."""
    groups = [
        {
            "title": group.title,
            "rows": [[entry.text for entry in row] for row in group.rows],
            "bold": [[entry.bold for entry in row] for row in group.rows],
        }
        for group in table.groups
    ]
    columns = [{"name": head.name, "unit": head.unit} for head in table.heads]
    body = {"title": table.title, "columns": columns, "groups": groups, "notes": list(table.notes)}
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def to_html(table: Table, language: str = "en") -> str:
    """A page with the table and nothing else, which loads nothing and runs nothing."""
    body = []
    for group in table.groups:
        if group.title:
            body.append(f'<tr><th class="group" colspan="{len(table.heads)}">{escape(group.title)}</th></tr>')
        for row in group.rows:
            cells = zip(row, table.heads, strict=True)
            body.append(f"<tr>{''.join(_html_cell('td', e.text, head.left, e.bold) for e, head in cells)}</tr>")
    heads = "".join(_html_cell("th", head.text, head.left, False) for head in table.heads)
    return _HTML_PAGE.format(
        language=language,
        title=escape(table.title),
        heads=heads,
        body="\n".join(body),
        notes="".join(f"<li>{escape(note)}</li>\n" for note in table.notes),
    )


def _html_cell(tag: str, text: str, left: bool, bold: bool) -> str:
    inner = f"<b>{escape(text)}</b>" if bold else escape(text)
    kind = ' class="left"' if left else ""
    return f"<{tag}{kind}>{inner}</{tag}>"


_HTML_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #222;
  background: #fff }}
table {{ border-collapse: collapse; border: solid #222; border-width: 1.5px 0; font-variant-numeric: tabular-nums }}
td, th {{ padding: .2rem .6rem; text-align: right; vertical-align: bottom; white-space: nowrap }}
thead th {{ border-bottom: 1px solid #222; white-space: normal }}
.left {{ text-align: left }}
.group {{ text-align: left; font-weight: normal; font-style: italic; border-top: 1px solid #aaa }}
ul {{ font-size: .85rem; color: #444; padding-left: 1.1rem }}
</style>
</head>
<body>
<h1 style="font-size: 1.15rem">{title}</h1>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{body}
</tbody>
</table>
<ul>
{notes}</ul>
</body>
</html>
"""
