"""What a report takes: seconds, peak memory, and the size of report.html, of invented numbers in real files.

--models models x --seeds seeds x --augmentations x --datasets runs are written as training leaves them (records,
predictions of --images test images, histories), each is evaluated as always, and models have invented profiles. Then
`compare` and `report` run as the rules run them, each in a process of its own. With chromium and playwright: how long
the page takes to open, median of --rounds.

    python -m benchmarks.report
    python -m benchmarks.report --models 4 --seeds 5 --datasets 1 --augmentations 2
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common

CODE, CODE12 = "0" * 16, "0" * 12
CLASSES = 10
EPOCHS = 30
SIDE = 32
Json = dict[str, Any]
ENVIRONMENT = {
    "python": "3.12.1",
    "cpu": "a cpu",
    "gpu": None,
    "packages": {},
    "commit": None,
    "uncommitted_changes": False,
}
RECIPE = {
    "batch_size": 64,
    "optimizer": "sgd",
    "lr": 0.1,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "precision": "fp32",
}


def write_study(results: Path, args: Any) -> Json:
    """All files that a comparison reads; returns the settings of the step."""
    cells = []
    for dataset in [f"data{i}" for i in range(args.datasets)]:
        rng = np.random.default_rng([1, len(dataset), int(dataset[4:])])
        y_true = rng.integers(0, CLASSES, args.images)
        hard = rng.normal(size=args.images)
        data = write_images(results / "data" / f"{dataset}-{CODE12}", y_true, rng)
        for number, model in enumerate([f"model{i:02d}" for i in range(args.models)]):
            profile = write_profile(results, f"{model}-{CODE12}", 2.0 ** (number / 3), model)
            for augmentation in [f"augmentation{i}" for i in range(args.augmentations)]:
                cells.append(cell := new_cell(dataset, data, model, augmentation, profile, args.seeds))
                for run in write_runs(results, cell, y_true, hard, 0.8 + 0.12 * number / args.models):
                    evaluate(run)
    comparisons = [{"name": "model", "factor": "model", "baseline": "model00"}]
    return {"study": "synthetic", "comparisons": comparisons, "cells": cells}


def new_cell(dataset: str, data: str, model: str, augmentation: str, profile: Json, seeds: int) -> Json:
    from bakeoff.provenance import spec_digest

    place = {"dataset": dataset, "model": model, "augmentation": augmentation, "recipe": "default"}
    spec = spec_digest({**place, "recipe": RECIPE})
    digests = {"train_code": CODE, "evaluate_spec": spec_digest({}), "evaluate_code": CODE}
    return {**place, "spec": spec, "data": data, "seeds": list(range(seeds)), "profiles": [profile], **digests}


def write_images(folder: Path, y_true: np.ndarray, rng: np.random.Generator) -> str:
    folder.mkdir(parents=True)
    shape = (y_true.size, 3, SIDE, SIDE)
    np.save(folder / "test_pixels.npy", rng.integers(0, 256, shape, dtype=np.uint8))
    np.save(folder / "test_ids.npy", np.arange(y_true.size))
    np.save(folder / "test_labels.npy", y_true)
    return folder.name


def write_profile(results: Path, name: str, size: float, model: str) -> Json:
    from bakeoff.provenance import write_record

    times = {f"p{q}": size * factor for q, factor in ((50, 1.0), (90, 1.1), (95, 1.2), (99, 1.6))}
    samples = (size * np.random.default_rng(0).normal(1, 0.03, 400)).tolist()
    peak = {"peak_mb": 10.0 * size, "total_mb": 300.0, "how": "counted", "reason": None}
    body = {
        "model": model, "attempt": 0, "status": "done", "failure": None, "reason": None, "condition": "CPU, 1 thread",
        "device": "cpu", "threads": 1, "precision": "fp32", "backend": "eager", "channels_last": True,
        "environment": ENVIRONMENT, "params": int(1e5 * size), "trainable_params": int(1e5 * size),
        "size_mb": 0.4 * size,
        "activations": int(1e4 * size), "macs": int(1e6 * size), "macs_fvcore": int(1e6 * size), "macs_note": None,
        "modules": [], "latency_ms": {**times, "n": 400, "warmup_calls": 10, "steady": True, "samples": samples},
        "throughput": {"batch_size": 32, "images_per_second": 900 / size, "lo": 880 / size, "hi": None, "tried": []},
        "peak_memory_mb": 10 * size, "best_batch_memory_mb": 50 * size, "train_memory_mb": 90 * size,
        "train_batch_size": 64, "memory": dict.fromkeys(("one_image", "best_batch", "training_step"), peak),
        "joules_per_image": None, "energy": {"reason": "no energy counter", "joules_per_image": None}, "weather": {},
        "anchor": {"before_ms": 0.6, "after_ms": 0.6, "drift": 0.0}, "marks": [],
    }  # fmt: skip
    path = results / "profiles" / f"{name}.json"
    if not path.exists():
        write_record(path, "profile", {}, CODE, body)
    from bakeoff.provenance import spec_digest

    return {"name": name, "condition": "auto, 1 thread", "spec": spec_digest({}), "code": CODE}


def write_runs(results: Path, cell: Json, y_true: np.ndarray, hard: np.ndarray, accuracy: float) -> Iterator[Path]:
    """Folders of runs of about this accuracy; which images are hard is mostly the same for all."""
    from bakeoff import layout
    from bakeoff.provenance import write_record

    axes = [cell[axis] for axis in ("dataset", "model", "augmentation", "recipe")]
    for seed in cell["seeds"]:
        folder = results / layout.run_dir(*axes, cell["spec"], seed).relative_to(layout.RESULTS)
        folder.mkdir(parents=True)
        rng = np.random.default_rng([seed, *map(ord, "/".join(axes))])
        wrong = 0.9 * hard + 0.45 * rng.normal(size=hard.size) > np.quantile(hard, accuracy)
        answers = np.where(wrong, (y_true + rng.integers(1, CLASSES, y_true.size)) % CLASSES, y_true)
        logits = (rng.normal(size=(y_true.size, CLASSES)) + 5 * np.eye(CLASSES)[answers]).astype(np.float16)
        arrays: Json = {"example_id": np.arange(y_true.size), "y_true": y_true, "logits": logits}
        np.savez(folder / "predictions.npz", **arrays, **{f"val_{name}": values for name, values in arrays.items()})
        lines = [
            f"{e},main,0.1,{2 / e:.4f},{1 - 0.5 / e:.4f},{2.1 / e:.4f},{1 - 0.6 / e:.4f},1.0"
            for e in range(1, EPOCHS + 1)
        ]
        head = "epoch,phase,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds"
        (folder / "history.csv").write_text("\n".join([head, *lines]) + "\n")
        body = {
            **dict(zip(("dataset", "model", "augmentation", "recipe"), axes, strict=True)), "seed": seed,
            "status": "done", "reason": None, "epochs": EPOCHS, "epochs_done": EPOCHS, "best_epoch": EPOCHS,
            "n_train": 5000, "n_val": y_true.size, "n_test": y_true.size,
            "class_names": [str(c) for c in range(CLASSES)], "data_digest": CODE,
            "weights": {"source": "random"}, "tuned": None, "images_trained": 150_000,
            "train_seconds": 60.0, "device": "cpu", "threads": 1, "environment": ENVIRONMENT,
        }  # fmt: skip
        spec = {**dict(zip(("dataset", "model", "augmentation"), axes, strict=False)), "recipe": RECIPE}
        write_record(folder / "run.json", "run", spec, CODE, body, [folder / "predictions.npz", folder / "history.csv"])
        yield folder


def evaluate(folder: Path) -> None:
    from bakeoff.evaluate import step

    step.run({}, folder, CODE)


def measured(step: str, spec: Json, folder: Path) -> Json:
    """Run a step as its rule does: seconds of CPU and wall, peak memory in MB."""
    imports = f"import json, sys; from pathlib import Path; from bakeoff.{step} import step"
    code = f"{imports}; step.run(json.load(sys.stdin), {CODE!r}, Path('results'))"
    began = time.perf_counter()
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # as Snakemake sets
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, cwd=folder, text=True, env={**os.environ, **threads}
    )
    assert process.stdin is not None
    json.dump(spec, process.stdin)
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{step}: exit status {process.returncode}")
    peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {"cpu": usage.ru_utime + usage.ru_stime, "wall": time.perf_counter() - began, "peak_mb": peak}


def opened(page: Path, rounds: int) -> float | None:
    """Median milliseconds from asking for the page to its load event, in headless Chromium; None without one."""
    browser = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        return None
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        times = []
        for _ in range(rounds):
            tab = chromium.new_page()
            tab.goto(page.as_uri())
            times.append(tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            tab.close()
        chromium.close()
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    options = common.parser(__doc__)
    for name, default in (("models", 20), ("seeds", 10), ("augmentations", 2), ("datasets", 3), ("images", 1000)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--keep", type=Path, help="copy report.html to this file")
    args = options.parse_args()
    facts = common.machine()
    print(f"{common.describe(facts)}\n")
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        spec = write_study(results, args)
        found = {"compare": measured("compare", spec, Path(folder))}
        found["report"] = measured("report", {"study": spec["study"]}, Path(folder))
        page = results / "synthetic" / "report.html"
        size, milliseconds = page.stat().st_size / 1e6, opened(page, args.rounds)
        if args.keep:
            shutil.copy(page, args.keep)
    runs = args.models * args.seeds * args.augmentations * args.datasets
    rows = [[step, *(f"{taken[name]:,.1f}" for name in ("cpu", "wall", "peak_mb"))] for step, taken in found.items()]
    print(f"{runs} runs of {args.images} images\n\n{common.table(['step', 'CPU s', 'wall s', 'peak MB'], rows)}\n")
    print(f"report.html: {size:.2f} MB" + (f", opens in {milliseconds:.0f} ms" if milliseconds else ""))
    common.write_json(args.json, {"machine": facts, "runs": runs, **found, "page_mb": size, "open_ms": milliseconds})


if __name__ == "__main__":
    main()
