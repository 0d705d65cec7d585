"""Who is at work in this folder: Snakemake locks it, and after a kill -9 cannot tell its lock from another's.

So the process that executes a study writes beside the locks who it is (see the Snakefile).
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bakeoff.errors import UserError
from bakeoff.provenance import write_json

LOCKS = Path(".snakemake/locks")
RECORD = Path(".snakemake/bakeoff.json")


@dataclass(frozen=True)
class Holder:
    """A Snakemake that executes, or did when it was killed. `begun` is its start, seconds since 1970."""

    pid: int
    host: str
    user: str
    begun: float

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.begun))
        return f"process {self.pid} of {self.user} on {self.host}, since {since}"

    @property
    def alive(self) -> bool | None:
        """Whether it still runs; None on another machine, where one cannot know from here."""
        if self.host != platform.node():
            return None
        import psutil

        try:  # the number may have gone to another process since
            return bool(abs(psutil.Process(self.pid).create_time() - self.begun) < 2)
        except psutil.Error:
            return False


def hold() -> None:
    """Say that this process executes."""
    import psutil

    begun = psutil.Process().create_time()
    write_json(RECORD, asdict(Holder(os.getpid(), platform.node(), getpass.getuser(), begun)))


def release() -> None:
    """This process executes no more; another's record stays."""
    who = _recorded()
    if who is not None and (who.pid, who.host) == (os.getpid(), platform.node()):
        RECORD.unlink(missing_ok=True)


def is_locked() -> bool:
    """Whether Snakemake would refuse to start here."""
    return LOCKS.is_dir() and any(LOCKS.iterdir())


def holder() -> Holder | None:
    """Who locked this folder: as recorded, or a Snakemake that is found at work here."""
    return _recorded() or _found()


def _recorded() -> Holder | None:
    try:
        return Holder(**json.loads(RECORD.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _found() -> Holder | None:
    import psutil

    family = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            at_work = any("snakemake" in word for word in process.cmdline()[:4]) and process.cwd() == os.getcwd()  # noqa: PTH109
            if at_work and process.pid not in family:
                return Holder(process.pid, platform.node(), process.username(), process.create_time())
        except psutil.Error:
            continue
    return None


def unlock(force: bool = False) -> Holder | None:
    """Remove the locks that a killed Snakemake left; returns who that was, where it is known.

    Raises UserError for one that is alive and, unless `force`, for one on another machine.
    """
    who = holder()
    if who is not None and who.alive:
        raise UserError(f"this folder is in use by {who}; wait until it ends, or end it with: kill {who.pid}")
    if who is not None and who.alive is None and not force:
        raise UserError(
            f"this folder was locked by {who}, and from here one cannot see whether it still runs; if it does not: "
            "bakeoff unlock --force"
        )
    for path in LOCKS.iterdir() if LOCKS.is_dir() else ():
        path.unlink()
    RECORD.unlink(missing_ok=True)
    return who


def remark() -> str | None:
    """What who starts Snakemake here should know of another; None where there is none."""
    if not is_locked():
        return None
    who = holder()
    if who is None or who.alive is False:
        return f"the lock here was left by {who or 'a Snakemake that was killed'}; remove it with: bakeoff unlock"
    return f"this folder is in use by {who}" + ("" if who.alive else "; if it does not run any more: bakeoff unlock")
