"""A table as the terminal shows it: the same columns as in the paper's, nobody's text read as markup."""

from __future__ import annotations

from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from bakeoff.report.tabular import Group, Table

_GAP = 3
"""Between columns: rich's padding, and the place of a line that is not drawn."""


def show(table: Table, console: Console) -> None:
    """Print title, groups and notes. Where the columns are wider than the console, those that do not fit follow below,
    each time after the first column: a row is never broken.
    """
    console.print(Text(table.title, style="bold"))
    for group in table.groups:
        console.print()
        if group.title:
            console.print(Text(group.title, style="italic"))
        needed = _widths(table, group)
        for k, columns in enumerate(_parts(needed, console.width)):
            if k:
                console.print()
            console.print(_drawn(table, group, _given(table, columns, needed, console.width)))
    console.print()
    for note in table.notes:
        console.print(Text(f"- {note}"))


def _widths(table: Table, group: Group) -> list[int]:
    """What each column needs: its longest entry, the longest word of its head."""
    return [
        max(map(cell_len, [*head.text.split(), *(row[i].text for row in group.rows)]))
        for i, head in enumerate(table.heads)
    ]


def _parts(widths: list[int], width: int) -> list[list[int]]:
    """The columns that stand beside each other."""
    parts, used = [[0]], widths[0]
    for i, needed in enumerate(widths[1:], 1):
        if used + _GAP + needed > width and len(parts[-1]) > 1:
            parts.append([0])
            used = widths[0]
        parts[-1].append(i)
        used += _GAP + needed
    return parts


def _given(table: Table, columns: list[int], needed: list[int], width: int) -> dict[int, int]:
    """The width of each of these columns: what is left over lets their heads stand on fewer lines."""
    spare = width - sum(needed[i] for i in columns) - _GAP * (len(columns) - 1)
    given = {}
    for i in columns:
        more = max(min(cell_len(table.heads[i].text) - needed[i], spare), 0)
        given[i] = needed[i] + more
        spare -= more
    return given


def _drawn(table: Table, group: Group, widths: dict[int, int]) -> Grid:
    drawn = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, width in widths.items():
        head = table.heads[i]
        side: Literal["left", "right"] = "left" if head.left else "right"
        drawn.add_column(Text(head.text), justify=side, vertical="bottom", width=width, overflow="fold")
    for row in group.rows:
        entries = (row[i] for i in widths)
        drawn.add_row(*(Text(entry.text, style="bold" if entry.bold else "") for entry in entries))
    return drawn
