"""What the evaluation of a run takes, start and imports included.

Measured: `python -m bakeoff evaluate` on invented predictions of --images test and as many validation images over
--classes classes: CPU seconds (user and system, by wait4), wall seconds, and peak memory of the process; medians with
quartiles over --rounds, those in whose time others used more than --disturbance of the machine left out.

    python -m benchmarks.evaluate
    python -m benchmarks.evaluate --images 20000 --classes 1000 --rounds 3
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.common import Spread
from benchmarks.interleave import Disturbance

CODE = "0" * 16


def write_run(folder: Path, images: int, classes: int) -> None:
    """A run's record, predictions and history, as `train` leaves them."""
    from bakeoff.provenance import write_record

    rng = np.random.default_rng(0)
    y_true = rng.integers(0, classes, images)
    logits = (2 * rng.normal(size=(images, classes)) + 4 * (np.arange(classes) == y_true[:, None])).astype(np.float32)
    arrays: dict[str, Any] = {"example_id": np.arange(images), "y_true": y_true, "logits": logits}
    predictions, history = folder / "predictions.npz", folder / "history.csv"
    np.savez(predictions, **arrays, **{f"val_{name}": values for name, values in arrays.items()})
    history.write_text("epoch,train_accuracy,val_accuracy\n1,0.9,0.8\n")
    names = {"dataset": "d", "model": "m", "augmentation": "a", "recipe": "r", "seed": 0}
    facts = {"status": "done", "reason": None, "n_test": images, "n_val": images, "best_epoch": 1}
    body = {**names, **facts, "class_names": [str(c) for c in range(classes)]}
    write_record(folder / "run.json", "run", {}, CODE, body, [predictions, history])


def measure(folder: Path) -> dict[str, float]:
    """One evaluation: seconds of CPU and wall, peak memory in MB, and what share of the machine others had."""
    command = [sys.executable, "-m", "bakeoff", "evaluate", "--spec", "{}", "--code", CODE, "--run", str(folder)]
    disturbance, began = Disturbance(), time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"evaluate: exit status {process.returncode}")
    wall = time.perf_counter() - began
    peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall, "peak_mb": peak, "others": disturbance.share()}


def main() -> None:
    """Measure and print."""
    options = common.parser(__doc__)
    options.add_argument("--images", type=int, default=10_000)
    options.add_argument("--classes", type=int, default=10)
    options.add_argument("--rounds", type=int, default=7)
    args = options.parse_args()
    facts = common.machine()
    print(f"{common.describe(facts)}\n")
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder), args.images, args.classes)
        measure(Path(folder))  # fills the page cache
        rounds = [measure(Path(folder)) for _ in range(args.rounds)]
    kept = [each for each in rounds if each["others"] <= args.disturbance]
    columns = ("cpu", "wall", "peak_mb")
    cells = [Spread.of(each[name] for each in kept).text(2) for name in columns]
    head = ["images x classes", "CPU s", "wall s", "peak MB", "rounds kept"]
    print(common.table(head, [[f"{args.images} x {args.classes}", *cells, f"{len(kept)} of {args.rounds}"]]))
    common.write_json(args.json, {"machine": facts, "rounds": rounds})


if __name__ == "__main__":
    main()
