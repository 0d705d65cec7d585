"""Verification of all pairs of images against the naive way, and what 10,000 images cost.

Against the naive way, at --images, on random embeddings of --dimensions numbers:

  naive     a Python loop over itertools.combinations, one cosine at a time with numpy
  scores    ours, the same: the score of every pair
  curve     ours, with all that is read from the scores: the exact ROC curve, AUC, EER, TAR at four FARs

How: CPU seconds, of all threads together, so that a core more is no merit. All have a turn in each cycle, in an order
drawn anew, in one process; ours take the median of five calls; ratios are made within a cycle, and a cycle in whose
time others used more than --disturbance of the machine is dropped, unless all are. Naive scores and our curve must
agree on the AUC.

Whole: `bakeoff verification FILE --json` in a fresh process for each size of --whole, images x identities: seconds and
peak resident memory of all that it does, from the start of Python to 1,000 draws of identities.

    python -m benchmarks.verification
    python -m benchmarks.verification --whole 10000x1000,10000x5000 --json verification.json
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import common
from benchmarks.common import Spread
from benchmarks.interleave import Disturbance


def sample(images: int, identities: int, dimensions: int) -> tuple[Any, Any]:
    """Embeddings [N, D] float32 around a centre for each identity, and identities [N]."""
    import numpy as np

    rng = np.random.default_rng(0)
    identity = rng.permutation(np.arange(images) % identities)
    centres = rng.normal(size=(identities, dimensions))
    return (centres[identity] + 2 * rng.normal(size=(images, dimensions))).astype(np.float32), identity


# --- against the naive way


def naive(embeddings: Any) -> list[float]:
    """One cosine at a time."""
    import numpy as np

    scores = []
    for i, j in itertools.combinations(range(len(embeddings)), 2):
        a, b = embeddings[i], embeddings[j]
        scores.append(float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))))
    return scores


def scores(embeddings: Any, identity: Any) -> int:
    """All scores, part by part; returns how many there are."""
    from bakeoff.evaluate.verification_pairs import AllPairs, over_parts, workers

    with workers() as pool:
        parts = over_parts(AllPairs(embeddings, identity), lambda part: part, pool)
        return sum(len(part.genuine) + sum(strip.table.size for strip in part.strips) for part in parts)


def curve(embeddings: Any, identity: Any) -> float:
    """Scores, curve and what is read from it; returns the AUC."""
    from bakeoff.evaluate import verification_curve as curves
    from bakeoff.evaluate.verification_pairs import AllPairs, workers

    with workers() as pool:
        found = curves.count(AllPairs(embeddings, identity), pool)
    curves.eer(found)
    for far in (1e-1, 1e-2, 1e-3, 1e-4):
        curves.tar_at_far(found, far)
    return float(curves.auc(found))


@dataclass(frozen=True)
class Cycle:
    """CPU seconds of each way, and the share of the machine that others used meanwhile."""

    naive: float
    scores: float
    curve: float
    disturbed: float


def seconds(work: Callable[[], object], calls: int) -> float:
    """CPU seconds of one call, the median of some."""
    spent = []
    for _ in range(calls):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def race(embeddings: Any, identity: Any, cycles: int) -> list[Cycle]:
    """All ways in turn, after a turn that loads what ours need."""
    ways: dict[str, Callable[[], float]] = {
        "naive": lambda: seconds(lambda: naive(embeddings), 1),
        "scores": lambda: seconds(lambda: scores(embeddings, identity), 5),
        "curve": lambda: seconds(lambda: curve(embeddings, identity), 5),
    }
    ways["curve"]()
    random, found = Random(0), []
    for _ in range(cycles):
        disturbance = Disturbance()
        spent = {name: ways[name]() for name in random.sample(sorted(ways), len(ways))}
        found.append(Cycle(**spent, disturbed=disturbance.share()))
    return found


def check(embeddings: Any, identity: Any) -> None:
    """That both ways find the same, to what float32 leaves of a cosine."""
    from sklearn.metrics import roc_auc_score

    same = [identity[i] == identity[j] for i, j in itertools.combinations(range(len(identity)), 2)]
    theirs, found = roc_auc_score(same, naive(embeddings)), curve(embeddings, identity)
    if abs(theirs - found) > 1e-6:
        raise SystemExit(f"verification: the AUC is {theirs} the naive way and {found} ours")


def compared(args: Any) -> dict[str, Any]:
    """Print the ratio; returns the figures."""
    embeddings, identity = sample(args.images, max(2, args.images // 10), args.dimensions)
    check(embeddings, identity)
    cycles = race(embeddings, identity, args.cycles)
    quiet = [cycle for cycle in cycles if cycle.disturbed <= args.disturbance]
    kept = quiet or cycles
    ratios = {way: Spread.of(cycle.naive / getattr(cycle, way) for cycle in kept) for way in ("scores", "curve")}
    rows = [["naive", Spread.of(cycle.naive for cycle in kept).text(2), ""]]
    for way, ratio in ratios.items():
        rows.append([way, Spread.of(getattr(cycle, way) for cycle in kept).text(4), ratio.text(0)])
    print(f"{args.images:,} images, {args.images * (args.images - 1) // 2:,} pairs, {args.dimensions} dimensions")
    print(common.table(["way", "CPU seconds", "times as fast"], rows))
    note = f"{len(quiet)} of {len(cycles)} cycles undisturbed" + ("" if quiet else "; all are shown")
    print(f"{note}\n")
    return {
        "cycles": [vars(cycle) for cycle in cycles],
        "undisturbed": len(quiet),
        "ratios": {way: vars(ratio) for way, ratio in ratios.items()},
    }


# --- whole


def whole(images: int, identities: int, dimensions: int, folder: Path) -> dict[str, Any]:
    """Seconds and peak memory of the command in a fresh process."""
    import numpy as np

    embeddings, identity = sample(images, identities, dimensions)
    path = folder / "embeddings.npz"
    np.savez(path, embeddings=embeddings, identity=identity)
    command = [sys.executable, "-m", "bakeoff", "verification", str(path), "--json"]
    disturbance, began = Disturbance(), time.perf_counter()
    with (folder / "out").open("wb") as out, subprocess.Popen(command, stdout=out) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    spent = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"verification: {' '.join(command)} ended with {process.returncode}")
    found = json.loads((folder / "out").read_text())
    return {
        "images": images,
        "identities": identities,
        "pairs": found["genuine_pairs"] + found["impostor_pairs"],
        "seconds": spent,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_mb": usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3) * 1.024,
        # The command's own time is part of what is not this process's.
        "others": max(0.0, disturbance.share() - (usage.ru_utime + usage.ru_stime) / spent / (os.cpu_count() or 1)),
        "auc": found["auc"],
    }


def costs(args: Any) -> list[dict[str, Any]]:
    """Print a row for each size; returns the figures."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = [tuple(map(int, size.split("x"))) for size in common.words(args.whole)]
        found = [whole(images, identities, args.dimensions, Path(folder)) for images, identities in sizes]
    rows = [
        [
            f"{row['images']:,} x {row['identities']:,}",
            f"{row['pairs']:,}",
            f"{row['seconds']:.1f}",
            f"{row['cpu_seconds']:.1f}",
            f"{row['peak_memory_mb']:,.0f}",
            f"{row['others']:.0%}",
        ]
        for row in found
    ]
    head = ["images x identities", "pairs", "seconds", "CPU seconds", "peak memory, MB", "used by others"]
    print(common.table(head, rows))
    return found


def main() -> None:
    """Measure and print."""
    options = common.parser(__doc__)
    options.add_argument("--images", type=int, default=1000, help="of the comparison")
    options.add_argument("--dimensions", type=int, default=512)
    options.add_argument("--cycles", type=int, default=7)
    options.add_argument("--whole", default="1000x100,10000x1000", help="images x identities, a,b,c")
    args = options.parse_args()

    facts = common.machine()
    print(f"{common.describe(facts)}\n")
    figures = {"against_naive": compared(args), "whole": costs(args)}
    common.write_json(args.json, {"machine": facts, "figures": figures})


if __name__ == "__main__":
    main()
