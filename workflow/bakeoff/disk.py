"""What a disk that is full or cannot be written to is called: one line, and what to do."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

from bakeoff.layout import RESULTS

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_AGAIN = "give the same command again; what is done is kept"
# As the libraries that write for us put it, whose errors are no OSError.
_IN_WORDS = re.compile(r"\(os error (\d+)\)")


def sentence(error: BaseException) -> str | None:
    """An error as a line when the disk is its cause; else None."""
    number = error.errno if isinstance(error, OSError) else _number(str(error))
    file = getattr(error, "filename", None)
    if number in _FULL:
        free = _free(Path(file) if file else RESULTS)
        return f"the disk is full ({free}): make room, as with bakeoff clean, and {_AGAIN}"
    if number in _CLOSED:
        reason = "is read-only" if number == errno.EROFS else "permission denied"
        return f"{file or RESULTS}: {reason}; mend it and {_AGAIN}"
    return None


def _number(text: str) -> int | None:
    found = _IN_WORDS.search(text)
    return int(found[1]) if found else None


def _free(path: Path) -> str:
    place = next((each for each in (path, *path.parents) if each.exists()), Path())
    return f"{shutil.disk_usage(place).free / 1e6:.1f} MB free at {place}"
