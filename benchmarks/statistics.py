"""Whether the statistics of a comparison keep what they promise, and what they take.

Promises: two models are simulated --simulations times on --test-images images. Which images are hard is 80 % of what
decides an answer and mostly the same for both (correlation 0.8); the rest is drawn anew at each seed. In three worlds:

  images   equally good on all images there are; a test set favours one of them, at every seed
  seeds    as well, and each training is by chance better or worse as a whole (0.9 points)
  better   the first world, but the candidate is 1.5 points better

How often each test calls a difference (in the first two worlds: falsely; the crossed one as a verdict asks, which is
never surer of new images than of these); how often the printed interval for new seeds and images holds the true
difference, how often that over seeds holds the difference on this very test set, and how often the bootstrap's rank
interval says that one of the two is the best (on the first --ranked simulations).

Cost: CPU seconds and peak memory of a fresh process on one core, for all rows, frontiers and tables over data sets and
factors of --models models x --seeds seeds x --images images, from predictions on; and for 1,000 draws of seeds and
images of ten times as many models, with ranks and a frontier.

    python -m benchmarks.statistics
    python -m benchmarks.statistics --simulations 500 --models 5 --images 2000
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bakeoff.compare import datasets, factorial, frontiers, jackknife, paired, ranking, resampling, table
from bakeoff.compare.crossed import crossed_test
from bakeoff.compare.frontier import Objective, places
from bakeoff.compare.load import Loaded, Metric, Outcome, Run
from bakeoff.compare.profiles import Profile
from bakeoff.compare.spec import CompareInput
from benchmarks import common

ACCURACY = 0.9
CLASSES = 10
ALPHA = 0.05
_LESS_IS_BETTER = ("log_loss", "brier")


# --- promises -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """`better` is what the candidate's accuracy has more; `seed_sd` the spread of whole trainings, on the latent scale
    on which an answer is right above zero and all noise of one image has variance 1.
    """

    name: str
    better: float = 0.0
    seed_sd: float = 0.0
    shared: float = 0.8
    correlation: float = 0.8

    @property
    def levels(self) -> tuple[float, float]:
        """What each model's latent scores are about, baseline first."""
        scale = np.sqrt(1 + self.seed_sd**2)
        base, candidate = (scale * stats.norm.ppf(accuracy) for accuracy in (ACCURACY, ACCURACY + self.better))
        return float(base), float(candidate)

    def draw(self, rng: np.random.Generator, seeds: int, images: int) -> tuple[np.ndarray, float]:
        """Correctness [2, S, N], and the difference that endless seeds would have on these images."""
        first, other = rng.normal(size=(2, images))
        easy = np.sqrt(self.shared) * np.array([first, self.correlation * first + self._rest * other])
        noise = np.sqrt(1 - self.shared) * rng.normal(size=(2, seeds, images))
        luck = self.seed_sd * rng.normal(size=(2, seeds, 1))
        level = np.array(self.levels)[:, None]
        expected = stats.norm.cdf((level + easy) / np.sqrt(1 - self.shared + self.seed_sd**2)).mean(axis=1)
        correct = (level + easy)[:, None] + noise + luck > 0
        return correct.astype(float), float(expected[1] - expected[0])

    @property
    def _rest(self) -> float:
        return float(np.sqrt(1 - self.correlation**2))


WORLDS = (World("images"), World("seeds", seed_sd=0.05), World("better", better=0.015))


def promises(world: World, seeds: int, images: int, simulations: int, ranked: int) -> dict[str, float]:
    """Shares of simulations, as fractions."""
    rng = np.random.default_rng([seeds, images, *world.name.encode()])
    said = []
    for simulation in range(simulations):
        correct, here = world.draw(rng, seeds, images)
        base, candidate = ({seed: float(mean) for seed, mean in enumerate(side)} for side in correct.mean(axis=2))
        over_seeds = paired.compare(candidate, base, rng, 100)
        crossed = crossed_test(correct[1] - correct[0])
        assert crossed is not None
        assert over_seeds.ci is not None
        said.append({
            "t": (over_seeds.p_raw or 0.0) < ALPHA,
            "crossed": crossed.p < ALPHA,
            "t holds": over_seeds.ci[0] <= here <= over_seeds.ci[1],
            "crossed holds": crossed.ci[0] <= world.better <= crossed.ci[1],
        })  # fmt: skip
        if simulation < ranked:
            scores, by_image = {"a": base, "b": candidate}, {"a": correct[0], "b": correct[1]}
            own = np.random.default_rng([simulation, 1])
            drawn = resampling.draw(scores, by_image, own, 1000)
            found = ranking.standings(scores, drawn, "max", ALPHA, own, 100)
            said[-1]["ranked"] = any(place.interval == (1, 1) for place in found.values())
    return {key: float(np.mean([each[key] for each in said if key in each])) for key in said[0]}


# --- cost ---------------------------------------------------------------------------------------------------------


def study(models: int, seeds: int, images: int) -> tuple[CompareInput, Loaded]:
    """A study whose runs were invented: what the step has in memory once everything was read."""
    digests = {"spec": "0" * 12, "train_code": "0" * 16, "evaluate_spec": "0" * 12, "evaluate_code": "0" * 16}
    names = [f"m{k:03d}" for k in range(models)]
    axes = {"dataset": "d", "augmentation": "a", "recipe": "r"}
    cells = [
        {**axes, "model": name, "seeds": list(range(seeds)), **digests}
        | {"profiles": [{"name": name, "condition": "CPU", "spec": "0" * 12, "code": "0" * 16}]}
        for name in names
    ]
    spec = {"study": "s", "cells": cells, "comparisons": [{"baseline": names[0]}]}
    rng = np.random.default_rng(0)
    y_true = np.arange(images) % CLASSES
    hard = rng.normal(size=images)
    runs, profiles = {}, {}
    for k, name in enumerate(names):
        blocks = tuple(k + 1 + rng.normal(0, 0.05, 20))
        costs = {"params": k + 1, "macs": (7 * k) % models + 1, "size_mb": k + 1.0, "peak_memory_mb": k + 1.0}
        profiles[name] = Profile("CPU", "CPU", "done", latency_ms_p50=k + 1.0, latency_blocks=blocks, **costs)
        for seed in range(seeds):
            runs[("d", name, "a", "r"), seed] = _run(rng, name, seed, y_true, hard + 0.02 * k)
    return CompareInput.model_validate(spec), Loaded(runs, profiles)


def _run(rng: np.random.Generator, name: str, seed: int, y_true: np.ndarray, easy: np.ndarray) -> Run:
    logits = rng.normal(size=(len(y_true), CLASSES)).astype(np.float32)
    logits[np.arange(len(y_true)), y_true] += (2.5 + easy).astype(np.float32)
    predicted = logits.argmax(axis=1)
    per_image = jackknife.of_answers(y_true, predicted) | jackknife.of_logits(y_true, logits, 1.5)
    metrics = {
        metric: Metric(float(values.mean(dtype=float)), "fraction", "min" if metric in _LESS_IS_BETTER else "max")
        for metric, values in per_image.items()
    }
    outcome = Outcome(predicted == y_true, f"{name}{seed}", predicted, per_image)
    return Run(seed, metrics, train_seconds=1.0 + seed, device="cpu", hardware="a cpu", outcome=outcome)


def whole(models: int, seeds: int, images: int) -> dict[str, float]:
    """CPU seconds of each part of the statistics."""
    clock = _Clock()
    inputs, loaded = study(models, seeds, images)
    clock.lap("what images do, by jackknife, and the invention of runs")
    rows = table.rows(inputs, loaded)
    clock.lap("rows")
    frontiers.frontiers(inputs, loaded)
    clock.lap("frontiers")
    datasets.across(inputs, loaded)
    factorial.factorial(inputs, loaded)
    clock.lap("data sets and factors")
    assert len(rows) == models * len(loaded.runs[next(iter(loaded.runs))].metrics)
    return clock.laps


def draws(models: int, seeds: int, images: int) -> dict[str, float]:
    """CPU seconds of 1,000 draws, of ranks and of a frontier with one cost that varies."""
    rng = np.random.default_rng(0)
    hard = rng.normal(size=images)
    by_image = {f"m{k}": (rng.normal(size=(seeds, images)) + hard > -1.5 - 0.002 * k) * 1.0 for k in range(models)}
    scores = {name: dict(enumerate(table.mean(axis=1).tolist())) for name, table in by_image.items()}
    clock = _Clock()
    drawn = resampling.draw(scores, by_image, rng, 1000)
    clock.lap("draws")
    ranking.standings(scores, drawn, "max", ALPHA, rng, 1000)
    clock.lap("ranks")
    times = rng.lognormal(0, 0.05, size=drawn.means.shape) * np.arange(1, models + 1)[:, None]
    places(drawn.names, [Objective(-drawn.means, absolute=1e-6), Objective(times, 0.03)])
    clock.lap("frontier")
    return clock.laps


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.process_time()

    def lap(self, name: str) -> None:
        """End a part, and begin the next."""
        now = time.process_time()
        self.laps[name] = now - self._last
        self._last = now


def alone(part: str, *sizes: int) -> dict[str, Any]:
    """A part in a fresh process on one core: its laps, and the process's peak memory in MB."""
    command = [sys.executable, "-m", "benchmarks.statistics", "--part", part, *map(str, sizes)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    result = subprocess.run(command, env=os.environ | threads, cwd=common.ROOT, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def _part(name: str, sizes: list[int]) -> None:
    """What `alone` runs."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    laps = {"whole": whole, "draws": draws}[name](*sizes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    print(json.dumps({"laps": laps, "peak_mb": peak}))


# --- both ---------------------------------------------------------------------------------------------------------


def _percent(found: dict[str, float]) -> Iterator[str]:
    for key in ("t", "crossed", "t holds", "crossed holds", "ranked"):
        yield f"{100 * found[key]:.1f}" if key in found else "–"


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--simulations", type=int, default=2000)
    options.add_argument("--ranked", type=int, default=300)
    options.add_argument("--test-images", type=int, default=2000)
    options.add_argument("--models", type=int, default=20)
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--images", type=int, default=10_000)
    options.add_argument("--json", type=Path, help="write all figures to this file")
    options.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    return options.parse_args()


def main() -> None:
    """Simulate, measure and print."""
    args = _options()
    if args.part:
        _part(args.part[0], [int(size) for size in args.part[1:]])
        return
    facts = common.machine()
    print(f"{common.describe(facts)}\n")
    kept = {
        f"{world.name}, {seeds} seeds": promises(world, seeds, args.test_images, args.simulations, args.ranked)
        for world in WORLDS
        for seeds in (3, 5, 10)
    }
    head = [
        f"% of {args.simulations}",
        "t calls",
        "crossed calls",
        "t holds",
        "crossed holds",
        "one ranked best",
    ]
    print(common.table(head, [[name, *_percent(found)] for name, found in kept.items()]))
    sizes = (args.models, args.seeds, args.images)
    taken = {
        f"all statistics of {args.models} models": alone("whole", *sizes),
        f"1,000 draws of {10 * args.models} models": alone("draws", 10 * args.models, *sizes[1:]),
    }
    print()
    lines = [
        [f"{what}: {lap}", f"{seconds:.1f}", ""]
        for what, found in taken.items()
        for lap, seconds in found["laps"].items()
    ]
    lines += [[what, f"{sum(found['laps'].values()):.1f}", f"{found['peak_mb']:,.0f}"] for what, found in taken.items()]
    print(common.table([f"{args.seeds} seeds x {args.images:,} images", "CPU s", "peak MB"], lines))
    common.write_json(args.json, {"machine": facts, "promises": kept, "cost": taken})


if __name__ == "__main__":
    main()
