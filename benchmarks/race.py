"""Whole trainers on the whole machine, against each other.

  tutorial    the loop of a PyTorch tutorial: PIL transforms, DataLoader with 2 workers, .item() every step
  lightning   PyTorch Lightning's Trainer on the same data and loader
  timm        a loop in the manner of timm's train.py on timm's create_loader with 2 workers
  ours        bakeoff: as many runs as cores, one thread each, as the workflow starts them; in each of --precision

The same nets from one registry, Fashion-MNIST at 28 pixels, batch 128, crop padded by 4 pixels and flip, the same
optimizer. The programs are in benchmarks/peers. What ours trains at a time are so many runs, the others one: this is
the rate of a study, not of a single run. Ours validates on 600 images after each epoch, at its own cost; the others do
not validate.

How: all are started and warmed up, then stopped (SIGSTOP to all their processes, workers too) but for their turns. In
each round everyone has a turn of some seconds, in an order drawn anew. A contestant publishes its images and the time
of the last of them after every step; the first half second of a turn does not count. A turn in which other programs
used more than --disturbance of the machine is dropped. Rates are medians over turns, ratios medians over rounds, both
with quartiles.

    python -m benchmarks.race                      about ten minutes a model
    python -m benchmarks.race --models tiny_cnn --contestants tutorial,ours --precision bf16 --json race.json
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import common, ours
from benchmarks.common import Spread
from benchmarks.interleave import Disturbance
from benchmarks.peers.entry import Count, Counter, Entry

DISCARDED_SECONDS = 0.5
WARM_UP_STEPS = 5
PATIENCE_SECONDS = 300.0
PEERS = {
    "tutorial": ("benchmarks.peers.tutorial", "torchvision"),
    "lightning": ("benchmarks.peers.lightning_trainer", "lightning"),
    "timm": ("benchmarks.peers.timm_loader", "timm"),
}
OURS = "benchmarks.peers.bakeoff_run"
BASELINE = "tutorial"


class Broken(Exception):
    """A contestant ended, or does not move."""


@dataclass
class Program:
    """A program to start: its command, its counter, the variables it gets beside those of the race."""

    command: list[str]
    counter: Path
    environment: dict[str, str]


class Contestant:
    """One or more programs that train together in their turns."""

    def __init__(self, name: str, programs: Sequence[Program], log: Path) -> None:
        self.name, self.log = name, log
        self.counters = [Counter(program.counter) for program in programs]
        self.processes: list[subprocess.Popen[bytes]] = []
        self._programs = programs

    def start(self) -> None:
        """Each program in a session, and so a process group, of its own: signals reach its workers."""
        with self.log.open("wb") as log:
            for program in self._programs:
                self.processes.append(
                    subprocess.Popen(
                        program.command,
                        cwd=common.ROOT,
                        env={**os.environ, **program.environment},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def signal(self, number: int) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def end(self) -> None:
        self.signal(signal.SIGKILL)
        for process in self.processes:
            process.wait()

    def counts(self) -> list[Count]:
        """Raises Broken when one of the programs has ended."""
        if any(process.poll() is not None for process in self.processes):
            raise Broken(f"{self.name}: ended; the last it said:\n{self._last_words()}")
        return [counter.read() for counter in self.counters]

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def counts_after(self, moment: int) -> list[Count]:
        """As soon as each program has done a step after the moment (monotonic ns)."""
        return self.wait(lambda count: count.at > moment)

    def warm_up(self, images: int) -> None:
        """Until each program has trained on so many."""
        self.wait(lambda count: count.images >= images)

    def wait(self, reached: Any) -> list[Count]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(map(reached, counts := self.counts())):
            if time.monotonic() > deadline:
                raise Broken(
                    f"{self.name}: no step in {PATIENCE_SECONDS:.0f} s; the last it said:\n{self._last_words()}"
                )
            time.sleep(0.01)
        return counts


@dataclass(frozen=True)
class Turn:
    """What a turn gave: images/s, and the share of the machine that others used."""

    rate: float
    others: float


def take_turn(contestant: Contestant, seconds: float) -> Turn:
    """Let it run for a while; from the first step that ends after the discarded time to the last before the end."""
    contestant.signal(signal.SIGCONT)
    try:
        time.sleep(DISCARDED_SECONDS)
        first = contestant.counts_after(time.monotonic_ns())
        disturbance = Disturbance(process.pid for process in contestant.processes)
        time.sleep(seconds)
        last = contestant.counts()
        if any(a.images == b.images for a, b in zip(first, last, strict=True)):  # a step longer than the turn
            last = contestant.counts_after(time.monotonic_ns())
        others = disturbance.share()
    finally:
        contestant.signal(signal.SIGSTOP)
    rate = sum((b.images - a.images) / (b.at - a.at) for a, b in zip(first, last, strict=True))
    return Turn(1e9 * rate, others)


@dataclass(frozen=True)
class Rules:
    """How long to race: rounds in which everyone had an undisturbed turn, at most twice as many in all."""

    rounds: int
    seconds: float
    disturbance: float

    def counts(self, turn: Turn) -> bool:
        return turn.others <= self.disturbance


def race(contestants: Sequence[Contestant], rules: Rules, seed: int = 0) -> list[dict[str, Turn]]:
    """The rounds: the turn of each contestant, by name. All are running and stopped, and are left so."""
    random = Random(seed)
    rounds: list[dict[str, Turn]] = []
    whole = 0
    while whole < rules.rounds and len(rounds) < 2 * rules.rounds:
        order = random.sample(list(contestants), len(contestants))
        rounds.append({contestant.name: take_turn(contestant, rules.seconds) for contestant in order})
        whole += all(map(rules.counts, rounds[-1].values()))
    return rounds


def summarise(name: str, rounds: Sequence[dict[str, Turn]], rules: Rules, baseline: str | None) -> dict[str, Any]:
    """A contestant's figures."""
    kept = [turns[name].rate for turns in rounds if rules.counts(turns[name])]
    ratios = [
        turns[name].rate / turns[baseline].rate
        for turns in rounds
        if baseline is not None and rules.counts(turns[name]) and rules.counts(turns[baseline])
    ]
    return {
        "contestant": name,
        "rate": asdict(Spread.of(kept)),
        "ratio": asdict(Spread.of(ratios)),
        "turns_kept": len(kept),
        "turns_made": len(rounds),
        "turns": [asdict(turns[name]) for turns in rounds],
    }


@contextmanager
def running(contestants: Sequence[Contestant], images: int) -> Iterator[None]:
    """All started and warmed up, one after another, and stopped; ended when this is left."""
    with ExitStack() as stack:
        for contestant in contestants:
            stack.callback(contestant.end)
            contestant.start()
            contestant.warm_up(images)
            contestant.signal(signal.SIGSTOP)
        yield


# --- who takes part -----------------------------------------------------------------------------------------------


def missing(name: str) -> str | None:
    """The package that a contestant needs and that is not installed."""
    package = PEERS[name][1] if name in PEERS else None
    return package if package is not None and importlib.util.find_spec(package) is None else None


def line_up(model: str, options: argparse.Namespace, folder: Path) -> list[Contestant]:
    """The contestants of a model that can take part."""
    found = []
    for name in common.words(options.contestants):
        if name in PEERS:
            if not missing(name):
                entry = _entry(model, options.peer_precision, options, folder / name)
                found.append(Contestant(name, [_program(PEERS[name][0], entry, {})], folder / f"{name}.log"))
            continue
        for precision in common.words(options.precision):
            title = f"ours {precision}"
            programs = []
            for seed in range(options.processes):
                entry = _entry(model, precision, options, folder / f"{title}-{seed}")
                entry.seed = seed
                programs.append(_program(OURS, entry, ours.environment(threads=1)))
            found.append(Contestant(title, programs, folder / f"{title}.log"))
    return found


def _entry(model: str, precision: str, options: argparse.Namespace, counter: Path) -> Entry:
    return Entry(model, precision, options.optimizer, options.dataset, options.root, counter)


def _program(module: str, entry: Entry, environment: dict[str, str]) -> Program:
    return Program([sys.executable, "-m", module, entry.as_argument()], entry.counter, environment)


# --- the table ----------------------------------------------------------------------------------------------------


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nobody is left behind, stopped
    absent = [(name, package) for name in common.words(options.contestants) if (package := missing(name))]
    facts = common.machine()
    print(common.describe(facts), flush=True)
    for name, package in absent:
        print(f"missing: {name}: the package {package} is not installed", flush=True)
    results: dict[str, list[dict[str, Any]]] = {}
    rules = Rules(options.rounds, options.seconds, options.disturbance)
    for model in common.words(options.models):
        ours.prepare(ours.Setting(model, dataset=options.dataset).grid(epochs=1), options.root)
        try:
            results[model] = _race_model(model, options, rules)
        except Broken as broken:
            raise SystemExit(str(broken)) from None
        head = {"machine": facts, "rules": asdict(rules), "processes": options.processes, "batch": ours.BATCH}
        peers = {"optimizer": options.optimizer, "peer_precision": options.peer_precision}
        common.write_json(options.json, {**head, **peers, "missing": dict(absent), "models": results})
        print(f"\n{_table(model, results[model], absent)}", flush=True)


def _race_model(model: str, options: argparse.Namespace, rules: Rules) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        contestants = line_up(model, options, Path(folder))
        with running(contestants, WARM_UP_STEPS * ours.BATCH):
            rounds = race(contestants, rules)
    names = [contestant.name for contestant in contestants]
    baseline = BASELINE if BASELINE in names else None
    return [summarise(name, rounds, rules, baseline) for name in names]


def _table(model: str, rows: list[dict[str, Any]], absent: list[tuple[str, str]]) -> str:
    head = [model, "images/s", f"over {BASELINE}", "turns"]
    lines = [
        [
            row["contestant"],
            Spread(**row["rate"]).text(0),
            Spread(**row["ratio"]).text(2),
            f"{row['turns_kept']} of {row['turns_made']}",
        ]
        for row in rows
    ]
    lines += [[name, "missing", f"no {package}", "–"] for name, package in absent]
    return common.table(head, lines)


def _options() -> argparse.Namespace:
    parser = common.parser(__doc__)
    parser.add_argument("--models", default=",".join(common.MODELS))
    parser.add_argument("--contestants", default=",".join([*PEERS, "ours"]))
    parser.add_argument("--precision", default="fp32,bf16", help="of ours; each is a contestant")
    parser.add_argument("--peer-precision", default="fp32", choices=["fp32", "bf16"], help="of the others")
    parser.add_argument("--optimizer", default="sgd", choices=["sgd", "adamw"])
    parser.add_argument("--processes", type=int, default=common.cores(), help="runs of ours (default: the cores)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds with undisturbed turns of all (default 9)")
    parser.add_argument("--seconds", type=float, default=4, help="of a turn that count (default 4)")
    options = parser.parse_args()
    if unknown := set(common.words(options.contestants)) - {*PEERS, "ours"}:
        parser.error(f"--contestants: {', '.join(sorted(unknown))}: there are {', '.join([*PEERS, 'ours'])}")
    return options


if __name__ == "__main__":
    main()
