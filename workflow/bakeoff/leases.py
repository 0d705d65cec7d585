"""Which GPUs of this machine are a job's own while it runs.

Snakemake counts GPUs but hands out none (snakemake#281): two jobs that run side by side would start on the same one. A
lease is a lock (flock) on a file that stands for a device. The kernel frees it when the process that holds it ends,
however it ends, so nothing is ever to be cleaned up. Devices are known by the UUID that the driver gives them, so it
does not matter by which numbers two studies call them. Leases hold among one user's jobs on one machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bakeoff.errors import UserError
from bakeoff.provenance import Json

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
_SECONDS = 0.5
"""Between two looks at whether a device has become free."""


@dataclass(frozen=True)
class Lease:
    """Devices that a job may use, and the number of jobs that a device is shared by at most: 1 is its own."""

    devices: tuple[str, ...]
    share: int

    def record(self) -> Json:
        """For run.json."""
        return {"devices": list(self.devices), "share": self.share}


@contextmanager
def leased(device: str, count: int = 1, share: int = 1) -> Iterator[Lease | None]:
    """Wait for `count` GPUs and let CUDA see them alone; None for `device: cpu` and where no GPU is to be seen.

    Only those that are visible already are leased: what a scheduler or a person left out of CUDA_VISIBLE_DEVICES stays
    out. With a `share` above 1 up to so many jobs have one device; a job of several devices has them for itself. It has
    to be called before CUDA is first used. Raises UserError where fewer devices are visible than asked for.
    """
    found = [] if device == "cpu" else visible()
    if not found:
        yield None
        return
    if len(found) < count:
        shown = f"{VISIBLE}={os.environ[VISIBLE]}" if VISIBLE in os.environ else "no other is in the machine"
        there = f"{len(found)} {'is' if len(found) == 1 else 'are'} visible here ({shown})"
        raise UserError(
            f"gpus: {count} were asked for and {there}; set gpus: {len(found)} in the recipe, or give the job {count} "
            f"(on a cluster: its resource gpu)"
        )
    share = share if count == 1 else 1
    with ExitStack() as held:
        chosen = _wait(found, count, share, held)
        held.enter_context(_seen({VISIBLE: ",".join(chosen), ORDER: "PCI_BUS_ID"}))
        yield Lease(chosen, share)


def visible() -> list[str]:
    """The GPUs that this process may use, by UUID; numbers in CUDA_VISIBLE_DEVICES are those of nvidia-smi. Unknown
    names stand as they are given.
    """
    given = os.environ.get(VISIBLE)
    if given is not None and given.strip() in ("", "-1"):
        return []
    there = _devices()
    if given is None or not there:
        return there
    # Like CUDA: what follows an unknown number is not visible.
    found: list[str] = []
    for name in (name.strip() for name in given.split(",")):
        if name.isdecimal() and int(name) < len(there):
            found.append(there[int(name)])
        elif name and not name.isdecimal() and name != "-1":
            found.append(next((uuid for uuid in there if uuid.startswith(name)), name))
        else:
            break
    return list(dict.fromkeys(found))


def _devices() -> list[str]:
    """UUIDs of the GPUs that the driver shows, in its order; asks the driver, not torch, which would start CUDA."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        names = [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return []
    return names


def folder() -> Path:
    """Where this user's leases on this machine stand. In an allocation of SLURM they are its own: what it was given,
    perhaps a part of a device, is not for Bakeoff to share out anew.
    """
    name = "-".join(filter(None, ("bakeoff", str(os.getuid()), os.environ.get("SLURM_JOB_ID"))))
    path = Path(tempfile.gettempdir()) / name
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        raise UserError(f"{path}: is not yours, and leases of GPUs would stand there; set TMPDIR to another folder")
    return path


def _wait(found: Sequence[str], count: int, share: int, held: ExitStack) -> tuple[str, ...]:
    """Take `count` of these devices as soon as they are free, all at once."""
    place = folder()
    told = False
    while True:
        with ExitStack() as turn:
            # One at a time, or two jobs of two devices could each hold one for ever.
            while not _lock(place / "turn", turn):
                time.sleep(_SECONDS / 10)
            if chosen := _take(place, found, count, share, held):
                return chosen
        if not told:
            news = f"waits for {count} of {len(found)} GPUs: other jobs have them"
            print(news, flush=True)
            print(news, file=sys.stderr, flush=True)
            told = True
        time.sleep(_SECONDS)


def _take(place: Path, found: Sequence[str], count: int, share: int, held: ExitStack) -> tuple[str, ...]:
    """`count` devices, now held, or none of them. Jobs that share spread over the devices before they crowd one."""
    with ExitStack() as taken:
        chosen: list[str] = []
        for number in range(share):
            for device in found:
                with ExitStack() as this:
                    if not _lock(place / f"{device}.lease", this, shared=share > 1):
                        continue
                    if share > 1 and not _lock(place / f"{device}.{number}.lease", this):
                        continue
                    taken.enter_context(this.pop_all())
                    chosen.append(device)
                if len(chosen) == count:
                    held.enter_context(taken.pop_all())
                    return tuple(chosen)
    return ()


def _lock(path: Path, until: ExitStack, shared: bool = False) -> bool:
    """Lock a file, alone or beside others that do so `shared`; returns whether that could be done at once."""
    import fcntl

    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            return False
        raise
    os.utime(file)  # those who clean up temporary folders look for old files
    until.callback(_unlock, file)
    return True


def _unlock(file: int) -> None:
    import fcntl

    fcntl.flock(file, fcntl.LOCK_UN)  # also where a process that was forked meanwhile has the file open
    os.close(file)


@contextmanager
def _seen(settings: Mapping[str, str]) -> Iterator[None]:
    """Environment variables, for a while."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
