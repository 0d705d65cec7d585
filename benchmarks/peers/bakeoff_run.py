"""One run of bakeoff on one thread, as a rule of the workflow starts it; there are as many of them as cores."""

from __future__ import annotations

from benchmarks import ours
from benchmarks.peers.entry import Entry

EPOCHS = 100_000  # more than a race has


def train(entry: Entry) -> None:
    setting = ours.Setting(
        entry.model, precision=entry.precision, optimizer=entry.optimizer, dataset=entry.dataset, threads=1
    )
    before = 0

    def progress(seen: int, total: int) -> None:
        nonlocal before
        if seen > 0:
            entry.count(seen - before)
        before = seen

    ours.run_loop(ours.make_job(setting.grid(EPOCHS), entry.root), progress, seed=entry.seed)


if __name__ == "__main__":
    train(Entry.from_command_line())
