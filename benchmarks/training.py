"""How near the training loop is to its limit, the bare step.

Measured, for each model, policy, number of threads and precision:

  T    images/s of the training loop as a user gets it: order and draws, augmentation, normalisation, step, loss sums,
       learning rate, progress and log. An epoch whole, but for validation.
  C    images/s of the bare step: forward, backward, optimizer on batches that lie ready, normalised, in memory. The
       same net, precision, memory order, batch, threads; on CUDA the same way to run a step (eager, graph).
  D    images/s of the data path alone.
  phi  T / C, the figure. Beside it the ceiling that C and D allow when one follows the other: 1 / (1 + C / D).

How: a process for each row. The loop runs by itself and calls back after every batch; there, after every few steps, C
and D do as many, in an order drawn anew each time. A cycle is an epoch of --seconds or so; phi is the median over
cycles, with quartiles. The first cycle is warm-up; a cycle in which others used more than --disturbance of the machine
is dropped. One thread is measured in CPU time, more threads and GPUs in wall time, with the device synchronised at each
end of a turn.

    python -m benchmarks.training                                       everything; about half an hour on two cores
    python -m benchmarks.training --models tiny_cnn --policies standard --threads 1
    python -m benchmarks.training --device cuda --precision tf32,bf16 --acceleration eager,graph
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import cycle, islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import common, ours
from benchmarks.common import Spread
from benchmarks.interleave import Disturbance, Turns

if TYPE_CHECKING:
    from torch import Tensor

    from bakeoff.train.job import Job
    from bakeoff.train.loop import Epoch

READY_BATCHES = 64
TURN_SECONDS = 0.2
ATTEMPTS = 3  # cycles that may be made for one that is kept


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    cycles: int
    seconds: float
    disturbance: float


class Enough(Exception):
    """Leaves the loop."""


def measure(setting: ours.Setting, plan: Plan, root: Path) -> dict[str, Any]:
    """One row of the table."""
    whole = ours.make_job(setting.grid(epochs=1), root)
    clock, synchronise = _clock(setting), _synchronise(whole)
    step = ours.bare_step(whole, setting.acceleration)
    ready = list(islice(ours.batches(whole), READY_BATCHES))
    data = ours.batches(whole)
    step_seconds = _step_seconds(step, ready, synchronise)

    images = len(whole.parts["train"])
    steps = max(4, min(images // ours.BATCH, round(plan.seconds / step_seconds)))
    if (steps + 1) * ours.BATCH > images:  # an epoch of all images
        steps, job_images = images // ours.BATCH, None
    else:
        job_images = steps * ours.BATCH
    job = ours.make_job(setting.grid(epochs=ATTEMPTS * plan.cycles + 1, images=job_images), root)

    lying = cycle(ready)

    def bare(n: int) -> None:
        for _ in range(n):
            step(*next(lying))

    def feed(n: int) -> None:
        for _ in range(n):
            next(data)

    turns = Turns({"bare": bare, "data": feed}, max(1, round(TURN_SECONDS / step_seconds)), clock, synchronise)
    watch = _Watch(turns, plan)
    silence = io.StringIO()
    with contextlib.suppress(Enough), contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        ours.run_loop(job, watch.progress, watch.report)
    return watch.row(steps)


class _Watch:
    """Follows the loop: an epoch is a cycle."""

    def __init__(self, turns: Turns, plan: Plan) -> None:
        self.turns, self.plan = turns, plan
        self.cycles: list[dict[str, float]] = []

    def progress(self, seen: int, total: int) -> None:
        if seen == 0:
            self.images = total
            self.disturbance = Disturbance()
            self.began = time.perf_counter()
            self.turns.start(total // ours.BATCH)
            return
        self.turns.step()
        if seen == total:
            self.others = self.disturbance.share()
            self.ended = time.perf_counter()

    def report(self, line: Epoch) -> None:
        # What the loop counts as the epoch's and does before its first call-back and after its last: reading the sums.
        edges = max(0.0, line.seconds - (self.ended - self.began))
        seconds = {**self.turns.seconds, Turns.LOOP: self.turns.seconds[Turns.LOOP] + edges}
        self.cycles.append({"others": self.others, **seconds})
        if len(self.kept) == self.plan.cycles:
            raise Enough

    @property
    def kept(self) -> list[dict[str, float]]:
        return [cycle for cycle in self.cycles[1:] if cycle["others"] <= self.plan.disturbance]

    def row(self, steps: int) -> dict[str, Any]:
        rates = {name: [self.images / cycle[name] for cycle in self.kept] for name in self.turns.seconds}
        phi = [loop / bare for loop, bare in zip(rates[Turns.LOOP], rates["bare"], strict=True)]
        ceiling = [1 / (1 + bare / data) for bare, data in zip(rates["bare"], rates["data"], strict=True)]
        return {
            "steps_a_cycle": steps,
            "cycles_made": len(self.cycles) - 1,
            "cycles_kept": len(self.kept),
            **{name: asdict(Spread.of(values)) for name, values in rates.items()},
            "phi": asdict(Spread.of(phi)),
            "ceiling": asdict(Spread.of(ceiling)),
            "cycles": self.cycles,
        }


def _step_seconds(
    step: Callable[[Tensor, Tensor], None], ready: list[tuple[Tensor, Tensor]], synchronise: Callable[[], None]
) -> float:
    """Wall seconds of a step, roughly; warms up on the way."""
    for batch in ready[:3]:
        step(*batch)
    synchronise()
    began, n = time.perf_counter(), 0
    while time.perf_counter() - began < 0.3:
        step(*ready[n % len(ready)])
        n += 1
    synchronise()
    return (time.perf_counter() - began) / n


def _clock(setting: ours.Setting) -> Callable[[], float]:
    return time.process_time if setting.device == "cpu" and setting.threads == 1 else time.perf_counter


def _synchronise(job: Job) -> Callable[[], None]:
    import torch

    return torch.cuda.synchronize if job.device.type == "cuda" else lambda: None


# --- the table ----------------------------------------------------------------------------------------------------


def main() -> None:
    options = _options()
    if options.one:
        setting, plan = (kind(**part) for kind, part in zip((ours.Setting, Plan), json.loads(options.one), strict=True))
        print(json.dumps(measure(setting, plan, options.root)))
        return
    facts = common.machine()
    print(common.describe(facts), flush=True)
    rows = []
    for setting in _settings(options):
        row = {**asdict(setting), **_in_a_process(setting, options)}
        rows.append(row)
        print(_sentence(row), flush=True)
        common.write_json(options.json, {"machine": facts, "batch": ours.BATCH, "rows": rows})
    print(f"\n{_table(rows)}")


def _in_a_process(setting: ours.Setting, options: argparse.Namespace) -> dict[str, Any]:
    """A row, measured in a process of its own with the variables that snakemake sets for a job."""
    plan = Plan(options.cycles, options.seconds, options.disturbance)
    one = json.dumps([asdict(setting), asdict(plan)])
    command = [sys.executable, "-m", "benchmarks.training", "--one", one, "--root", str(options.root)]
    environment = {**os.environ, **ours.environment(setting.threads)}
    run = subprocess.run(command, cwd=common.ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{setting}: failed; what it said stands above")
    return dict(json.loads(run.stdout.splitlines()[-1]))


def _settings(options: argparse.Namespace) -> list[ours.Setting]:
    threads = [common.cores() if word == "all" else int(word) for word in common.words(options.threads)]
    if options.device == "cuda":
        threads = [1]
    return [
        ours.Setting(
            model=model,
            policy=policy,
            precision=precision,
            threads=n,
            device=options.device,
            acceleration=acceleration,
            optimizer=options.optimizer,
            dataset=options.dataset,
        )
        for model, policy, precision, n, acceleration in product(
            common.words(options.models),
            common.words(options.policies),
            common.words(options.precision),
            dict.fromkeys(threads),
            common.words(options.acceleration),
        )
    ]


HEAD = ["model", "policy", "precision", "threads", "run", "loop T", "bare step C", "data D", "T/C", "ceiling", "cycles"]


def _cells(row: dict[str, Any]) -> list[str]:
    spreads = {name: Spread(**row[name]) for name in (Turns.LOOP, "bare", "data", "phi", "ceiling")}
    rates = [spreads[name].text(0) for name in (Turns.LOOP, "bare", "data")]
    way = row["acceleration"] if row["device"] == "cuda" else "eager"
    kept = f"{row['cycles_kept']} of {row['cycles_made']}"
    ratios = [spreads["phi"].text(3), f"{row['ceiling']['median']:.3f}" if row["cycles_kept"] else "–"]
    return [row["model"], row["policy"], row["precision"], str(row["threads"]), way, *rates, *ratios, kept]


def _sentence(row: dict[str, Any]) -> str:
    return "  ".join(
        f"{name} {cell}" if i > 4 else cell for i, (name, cell) in enumerate(zip(HEAD, _cells(row), strict=True))
    )


def _table(rows: list[dict[str, Any]]) -> str:
    notes = "images/s and ratios: median [quartiles] of the cycles kept; ceiling: 1/(1 + C/D)"
    return f"{common.table(HEAD, map(_cells, rows))}\n{notes}"


def _options() -> argparse.Namespace:
    parser = common.parser(__doc__)
    parser.add_argument("--models", default=",".join(common.MODELS))
    parser.add_argument("--policies", default="none,standard,strong")
    parser.add_argument("--threads", default="1,all")
    parser.add_argument("--precision", default="fp32", help="fp32, tf32, bf16")
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--acceleration", default="eager", help="on CUDA: eager, graph, compile")
    parser.add_argument("--cycles", type=int, default=9, help="cycles to keep (default 9)")
    parser.add_argument("--seconds", type=float, default=3, help="of the loop's share of a cycle (default 3)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
