"""`bakeoff run`: snakemake on a study file that one need not trust, with a live view where there is a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

import typer

from bakeoff import lock
from bakeoff.commands import news
from bakeoff.commands.options import DEFAULT_STUDY, Scale, StudyFile
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
_NO_LOCK = {"-n", "--dry-run", "--dryrun", "--nolock"}


def run(context: typer.Context, study: StudyFile = DEFAULT_STUDY, scale: Scale = None) -> None:
    """Run a study that one need not trust: it is read as plain data. Further arguments go to snakemake."""
    from bakeoff.study import load
    from bakeoff.studyfile import write

    loaded = load(study, scale)
    plain = write(
        loaded.model_dump(mode="json", exclude_unset=True), Path(".snakemake") / "studies" / f"{loaded.study}.json"
    )
    # --configfile takes all names that follow it: a target among the arguments must not.
    command = [sys.executable, "-m", "snakemake", *context.args, "--configfile", str(plain)]
    if not Path("Snakefile").is_file():
        command += ["--snakefile", str(PACKAGE.parent.parent / "Snakefile")]
    if lock.is_locked() and not _NO_LOCK.intersection(context.args):
        print(f"Removed the lock of {lock.unlock() or 'a Snakemake that was killed'}. What was done is kept.")
    if sys.stdout.isatty():
        raise SystemExit(_live(command, loaded, _cores(context.args)))
    raise SystemExit(_plain(command))


def _plain(command: list[str]) -> int:
    """Snakemake as it is; returns its exit status."""
    with subprocess.Popen(command) as process:
        _pass_on(process)
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the terminal sent it the same signal; to kill it would leave its lock
                continue


def _pass_on(process: subprocess.Popen[Any]) -> None:
    """Let a SIGTERM reach Snakemake, which then starts no more, and its jobs, which it would leave running: those that
    train put down their work and end.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        import psutil

        try:
            snakemake = psutil.Process(process.pid)
            jobs = snakemake.children(recursive=True)
            snakemake.send_signal(number)
        except psutil.Error:
            return
        for job in jobs:
            # A shell that ends before its command would have the job taken for ended; it ends with it.
            with contextlib.suppress(psutil.Error):
                if job.name() not in ("bash", "sh"):
                    job.send_signal(number)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


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
        _pass_on(process)
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
