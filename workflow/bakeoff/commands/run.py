"""`bakeoff run`: snakemake on a study file that one need not trust, with a live view where there is a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

import typer

from bakeoff.commands import news
from bakeoff.commands.options import DEFAULT_STUDY, StudyFile
from bakeoff.commands.watch import Watcher
from bakeoff.provenance import PACKAGE

if TYPE_CHECKING:
    from rich.console import Console

    from bakeoff.study import Study

_BEGINS = re.compile(r"Execute \d+ jobs")
# What the live view says better; all of it stands in Snakemake's own log.
_NOISE = re.compile(
    r"Select jobs to execute|Execute \d+ jobs|\[\w{3} \w{3} [ \d]\d [\d:]+ \d{4}\]$|Finished jobid: "
    r"|\d+ of \d+ steps \(.*\) done|\S+ \S+ \S+ \S+ seed \d+: epoch "
)
_SECONDS = 2.0


def run(context: typer.Context, study: StudyFile = DEFAULT_STUDY) -> None:
    """Run a study that one need not trust: it is read as plain data. Further arguments go to snakemake."""
    from bakeoff.study import load
    from bakeoff.studyfile import write

    loaded = load(study)
    plain = write(
        loaded.model_dump(mode="json", exclude_unset=True), Path(".snakemake") / "studies" / f"{loaded.study}.json"
    )
    command = [sys.executable, "-m", "snakemake", "--configfile", str(plain), *context.args]
    if not Path("Snakefile").is_file():
        command += ["--snakefile", str(PACKAGE.parent.parent / "Snakefile")]
    if sys.stdout.isatty():
        raise SystemExit(_live(command, loaded, _cores(context.args)))
    raise SystemExit(subprocess.run(command, check=False).returncode)


def _cores(arguments: list[str]) -> int | None:
    """The cores that snakemake is given, None where it takes all."""
    given = re.search(r"(?:^|\s)(?:--cores[ =]|-c ?)(\d+)(?:\s|$)", " ".join(arguments))
    return int(given[1]) if given else None


def _live(command: list[str], study: Study, cores: int | None = None) -> int:
    """Snakemake's lines above, the study below, once jobs begin; returns Snakemake's exit status."""
    from rich.console import Console

    from bakeoff.grid import Grid

    console = Console()
    environment = {**os.environ, news.OFF: "off", "COLUMNS": str(console.width)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
    ) as process:
        assert process.stdout is not None  # it is a pipe
        begun = threading.Event()
        reader = threading.Thread(target=_copy, args=(process.stdout, console, begun), daemon=True)
        reader.start()
        try:
            while process.poll() is None and not begun.wait(0.2):
                pass
            if process.poll() is None:
                _show(process, Watcher(Grid(study), cores), console)
        except KeyboardInterrupt:
            console.print("Snakemake stops its jobs; what is done is kept.")  # the terminal sent it the same signal
        status = process.wait()
        reader.join(5)
    return status


def _copy(lines: IO[str], console: Console, begun: threading.Event) -> None:
    for line in lines:
        if _BEGINS.match(line):
            begun.set()
        if not _NOISE.match(line):
            console.print(line.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)


def _show(process: subprocess.Popen[str], watcher: Watcher, console: Console) -> None:
    from rich.live import Live

    with Live(watcher.look().renderable(), console=console, auto_refresh=False, transient=True) as live:
        while process.poll() is None:
            try:
                process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                live.update(watcher.look().renderable(), refresh=True)
