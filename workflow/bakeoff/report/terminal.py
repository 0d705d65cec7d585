"""A table as the terminal shows it: the same columns as in the paper's, nobody's text read as markup."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from bakeoff.report.tabular import Table


def show(table: Table, console: Console) -> None:
    """Print title, groups and notes."""
    console.print(Text(table.title, style="bold"))
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in table.heads:
        grid.add_column(Text(head.text), justify="left" if head.left else "right", overflow="fold")
    for group in table.groups:
        if group.title:
            grid.add_section()
            grid.add_row(Text(group.title, style="italic"))
        for row in group.rows:
            grid.add_row(*(Text(entry.text, style="bold" if entry.bold else "") for entry in row))
    console.print(grid)
    for note in table.notes:
        console.print(Text(f"  {note}", style="dim"))
    console.print()
