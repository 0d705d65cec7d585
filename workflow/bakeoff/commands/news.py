"""What Snakemake tells of a study besides its own lines: news while it runs, the table at its end."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff import layout
from bakeoff.commands import show, watch
from bakeoff.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bakeoff.grid import Grid

OFF = "BAKEOFF_NEWS"
"""Environment variable: "off" when who started Snakemake shows the study by other means."""
SECONDS = 30.0


def say(text: str) -> None:
    """Print it at once: standard output may be a file."""
    print(text, flush=True)


class News:
    """Lines that are said while a study runs, from a thread of its own."""

    def __init__(self, grid: Grid, say: Callable[[str], None] = say, every: float = SECONDS) -> None:
        self.grid = grid
        self._say = say
        self._every = every
        self._ended = threading.Event()

    def begin(self, cores: int | None) -> None:
        """Say a line now and then, where it is news, on a machine of so many cores."""
        if os.environ.get(OFF) != "off":
            threading.Thread(target=self._work, args=(cores,), name="bakeoff-news", daemon=True).start()

    def end(self) -> None:
        """No more."""
        self._ended.set()

    def _work(self, cores: int | None) -> None:
        watcher, last = watch.Watcher(self.grid, cores), ""
        while not self._ended.wait(self._every):
            try:
                line = watcher.look().line()
            except (UserError, OSError):  # a file that changes while it is read; the next look will do
                continue
            if line != last and not self._ended.is_set():
                self._say(f"[{self.grid.study.study}] {line}")
                last = line


def success(grid: Grid, whole: bool) -> str:
    """The tables of a study and where its report stands; where not the `whole` was asked for, how far the study is."""
    if not whole:
        return f"\n{watch.Watcher(grid).look().text()}"
    page = layout.study_dir(grid.study.study) / "report.html"
    try:
        text = show.render(show.tables(grid.study) or [], "table")
    except (UserError, ImportError) as error:  # what cannot be shown here is in the report all the same
        text = f"({error})"
    return f"\n{text}\n\nThe report of study {grid.study.study}: {Path(page).resolve()}"


def failure(grid: Grid) -> str:
    """How far a study came, what failed and where its log is, and what to do."""
    return (
        f"\n{watch.Watcher(grid).look().text()}\n"
        f"\nStudy {grid.study.study} is not complete. What failed is named above, with its log; the logs stand in "
        "logs/.\nWhat is done is kept: the same command goes on from there."
    )
