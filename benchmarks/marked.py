"""`bakeoff`, with a note of the CPU seconds at the start of the first step and at the end of the last one.

    python -m benchmarks.marked NOTE train ...

For startup.py, which does not import this: what stands here must import nothing that bakeoff does not.
"""

from __future__ import annotations

import json
import sys
import time

from bakeoff.cli import main
from bakeoff.train.progress import Progress

_batch = Progress.batch
_seconds: list[float] = []


def _marked(self: Progress, seen: int, total: int) -> None:
    _seconds.append(time.process_time())
    _batch(self, seen, total)


if __name__ == "__main__":
    note = sys.argv.pop(1)
    Progress.batch = _marked
    try:
        main()
    finally:
        with open(note, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump([_seconds[0], _seconds[-1], len(_seconds)], file)
