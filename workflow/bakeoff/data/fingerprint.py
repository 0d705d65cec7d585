"""The digest of a user's images by their bytes, so that what was made from other bytes is known to be stale.

Each file is hashed once; what was found is kept in results/ under the file's size and times, so that a study is read by
asking for these alone. Times are not part of the digest: a copy, or a `touch`, is the same data set.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bakeoff.data.listing import Listing, few
from bakeoff.errors import UserError
from bakeoff.provenance import sha256, write_json

CACHE = Path("results/data/.fingerprints")

_Known = dict[str, list[int | str]]


def fingerprint(listing: Listing) -> str:
    """64 hex digits over the name, part, class and content of every image.

    Raises UserError when a file is missing or none.
    """
    path = CACHE / f"{hashlib.sha256(os.fsencode(listing.source.resolve())).hexdigest()[:16]}.json"
    known = _read(path)
    stats = _stats(listing)
    new = {name: marks for name, marks in stats.items() if known.get(name, [])[:3] != marks}
    if new:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            digests = pool.map(lambda name: sha256(listing.root / name), new)
            known |= {name: [*new[name], digest] for name, digest in zip(new, digests, strict=True)}
    if new or len(known) > len(stats):
        known = {name: known[name] for name in stats}
        _write(path, known)
    total = hashlib.sha256()
    for entry in listing.entries:
        # Names and labels have no control characters in them.
        total.update(f"{entry.name}\0{entry.part}\0{entry.label}\0{known[entry.path][3]}\n".encode())
    return total.hexdigest()


def _stats(listing: Listing) -> _Known:
    """Size and times of each file. The time of the last change of the inode betrays an edit that set back the other."""
    stats: _Known = {}
    missing = []
    root = os.fspath(listing.root)
    for entry in listing.entries:
        try:
            found = os.stat(os.path.join(root, entry.path))  # noqa: PTH116, PTH118 - there may be a million of them
        except OSError:
            missing.append(entry.name)
            continue
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{listing.root / entry.path}: is no file")
        stats[entry.path] = [found.st_size, found.st_mtime_ns, found.st_ctime_ns]
    if missing:
        raise UserError(f"{listing.source}: {len(missing)} of its images cannot be found: {few(missing)}")
    return stats


def _read(path: Path) -> _Known:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {name: marks for name, marks in known.items() if len(marks) == 4 and len(marks[3]) == 64}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # hashed again


def _write(path: Path, known: _Known) -> None:
    with contextlib.suppress(OSError):  # a folder that cannot be written to: hashed again the next time
        write_json(path, known)
