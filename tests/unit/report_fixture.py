"""What the compare step leaves behind, made up: the files that the report reads, with the keys of their contract."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import details_fixture
import numpy as np
import pandas as pd
import probed_fixture
from grid_fixture import grid
from scipy import stats

from bakeoff import provenance
from bakeoff.compare import aggregate
from bakeoff.compare.datasets import across
from bakeoff.compare.factorial import factorial

# params, MACs, latency p50 in ms, accuracy, its spread over seeds
MODELS: dict[str, tuple[int, int, float, float, float]] = {
    "lenet5": (61_706, 416_520, 0.21, 0.9612, 0.0031),
    "tiny_cnn": (23_946, 1_893_632, 0.34, 0.9701, 0.0024),
    "tiny_vit": (104_650, 6_871_040, 1.12, 0.9488, 0.0062),
    "resnet18": (11_172_810, 555_422_720, 6.41, 0.9834, 0.0012),
}
AUGMENTATIONS = ("none", "crop-flip")
CPU, GPU = "CPU, 1 thread", "GPU"
EPOCHS = 12

Json = dict[str, Any]


def write_study(
    results: Path,
    study: str = "demo",
    *,
    datasets: tuple[str, ...] = ("digits",),
    models: tuple[str, ...] = tuple(MODELS),
    augmentations: tuple[str, ...] = AUGMENTATIONS,
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    lost: Mapping[tuple[str, str], tuple[int, int]] | None = None,
    classes: int = 10,
    conditions: tuple[str, ...] = (CPU,),
    partial: bool = False,
    pictures: bool = True,
    probed: bool = False,
    body: Callable[[Json], None] = lambda _: None,
    diagnosis: Callable[[Json], None] = lambda _: None,
) -> Path:
    """Write results/{study}/. `lost`: (diverged, missing) of a (model, augmentation); `body` and `diagnosis` edit the
    records of the comparison and of the diagnostics.
    """
    rng = np.random.default_rng(7)
    folder = results / study
    lost = lost or {}
    keys = [(d, m, a) for d in datasets for m in models for a in augmentations]
    scores = {key: _scores(rng, key, seeds, *lost.get(key[1:], (0, 0))) for key in keys}
    cells = [_cell(key, scores[key], seeds, *lost.get(key[1:], (0, 0))) for key in keys]
    family = len(augmentations) * (len(models) - 1)
    rows = [_row(key, scores, models[0], family) for key in keys]
    for dataset in datasets:
        for augmentation in augmentations:
            _rank([row for row in rows if row["dataset"] == dataset and row["augmentation"] == augmentation])
    record = {
        "study": study,
        "partial": partial,
        "primary_metric": {"name": "accuracy", "unit": "fraction", "direction": "max"},
        "alpha": [0.05, 0.01],
        "correction": "holm",
        "rows": rows,
        "references": [],
        "gates": [],
        "recommendation": [],
        "cells": cells,
        "frontiers": [
            _frontier(dataset, augmentation, cost, rows)
            for dataset in datasets
            for augmentation in augmentations
            for cost in ("macs", "params", "latency_ms_p50", "size_mb", "peak_memory_mb")
        ],
        **_of_the_grid(scores, seeds, datasets, models, augmentations),
        "costs": [_cost(dataset, model, asked) for dataset in datasets for model in models for asked in conditions],
        "test_sets": [_test_set(dataset, classes) for dataset in datasets],
        "data": [_data(dataset, classes) for dataset in datasets],
        "ledger": _ledger(cells, scores, seeds, datasets, augmentations),
        "hardware": {"training": ["AMD EPYC 7B13, 1 thread"], "profiling": ["AMD EPYC 7B13, 1 thread, torch 2.15"]},
        "warnings": [],
    }
    body(record)
    folder.mkdir(parents=True, exist_ok=True)
    provenance.write_record(folder / "comparison.json", "comparison", {"study": study}, "0" * 16, record)
    _write_confusion(folder / "confusion.json", rng, cells, classes)
    _write_curves(folder / "curves.csv", rng, cells)
    _write_diagnostics(folder, rng, cells, rows, classes, pictures, probed, diagnosis)
    _write_coverage(folder / "coverage.csv", cells)
    return folder


def _scores(
    rng: np.random.Generator, key: tuple[str, str, str], seeds: tuple[int, ...], diverged: int, missing: int
) -> dict[int, float]:
    dataset, model, augmentation = key
    _, _, _, accuracy, spread = MODELS[model]
    shift = (0.004 if augmentation != "none" else 0.0) - (0.031 if dataset != "digits" else 0.0)
    values = accuracy + shift + rng.normal(0, spread, len(seeds))
    return dict(list(zip(seeds, values.tolist(), strict=True))[: len(seeds) - diverged - missing])


def _of_the_grid(
    scores: Mapping[Any, Mapping[int, float]],
    seeds: tuple[int, ...],
    datasets: tuple[str, ...],
    models: tuple[str, ...],
    augmentations: tuple[str, ...],
) -> Json:
    """What the comparison makes of these scores for several data sets and factors."""

    def score(dataset: str, model: str, augmentation: str, seed: int, **_: str) -> float | None:
        return scores[dataset, model, augmentation].get(seed)

    axes = {"datasets": datasets, "models": models, "augmentations": augmentations, "seeds": seeds}
    questions, loaded = grid(score, comparisons=({"baseline": models[0]},), **axes)
    return {"across": across(questions, loaded), "factorial": factorial(questions, loaded)}


def _costs(model: str) -> Json:
    params, macs, latency, _, _ = MODELS[model]
    return {
        "params": params, "macs": macs, "macs_note": None, "activations": macs // 40,
        "latency_ms_p50": latency, "latency_ms_p95": latency * 1.2,
        "throughput": 4000 / latency, "peak_memory_mb": 12 + params * 8e-6, "size_mb": params * 4e-6,
        "condition": CPU, "cost_failure": None, "cost_reason": None, "latency_marks": [],
        "train_seconds": 11.3 * latency,
    }  # fmt: skip


def _cost(dataset: str, model: str, condition: str) -> Json:
    params, macs, latency, _, _ = MODELS[model]
    latency = latency / 8 if condition == GPU else latency
    return {
        "dataset": dataset, "model": model, "asked": condition, "condition": condition, "failure": None, "reason": None,
        "params": params, "macs": macs, "macs_note": None, "activations": macs // 40, "size_mb": params * 4e-6,
        "latency_ms_p50": latency, "latency_ms_p95": latency * 1.2, "latency_ms_p99": latency * 1.5,
        "throughput": 4000 / latency, "throughput_lo": 3900 / latency, "throughput_hi": 4100 / latency,
        "best_batch_size": 64, "peak_memory_mb": 12 + params * 8e-6, "best_batch_memory_mb": 60 + params * 8e-6,
        "train_memory_mb": 90 + params * 3e-5, "train_batch_size": 128, "memory_reason": None,
        "joules_per_image": None, "energy_reason": "no energy counter can be read here", "published": None, "marks": [],
        "hardware": "AMD EPYC 7B13, 1 thread", "precision": "fp32", "backend": "eager", "anchor_ms": 0.61,
    }  # fmt: skip


def _cell(
    key: tuple[str, str, str], scores: Mapping[int, float], seeds: tuple[int, ...], diverged: int, missing: int
) -> Json:
    dataset, model, augmentation = key
    values = np.array(list(scores.values()))
    return {
        "dataset": dataset, "model": model, "augmentation": augmentation, "recipe": "default", "spec": "0123456789ab",
        "expected": len(seeds), "done": len(scores), "diverged": diverged, "oom": 0,
        "missing": missing, **_costs(model),
        "trainable_params": MODELS[model][0], "device": "cpu", "seed_std_expected": 0.003, "seed_std_ratio": 0.8,
        "n_train": 1146, "amount_series": "0" * 12,
        "metrics": _metrics(values),
    }  # fmt: skip


def _metrics(accuracy: np.ndarray) -> Json:
    """All that `evaluate` measures, as far from accuracy as it may be."""
    like = ("balanced_accuracy", "top5", "auroc_ovr", "auroc_ovo", "average_precision")
    shares = [f"{mean}_{share}" for mean in ("macro", "micro", "weighted") for share in ("precision", "recall", "f1")]
    loss = 1 - accuracy
    found = {
        "accuracy": (accuracy, "fraction", "max"),
        **dict.fromkeys((*like, *shares), (accuracy - 0.002, "fraction", "max")),
        **dict.fromkeys(("mcc", "cohen_kappa"), (accuracy - 0.03, "coefficient", "max")),
        "log_loss": (2.5 * loss, "nats", "min"),
        "log_loss_calibrated": (2 * loss, "nats", "min"),
        "brier": (1.3 * loss, "squared error", "min"),
        **dict.fromkeys(("ece", "adaptive_ece", "overfitting_gap"), (loss / 2, "fraction", "min")),
        "ece_calibrated": (loss / 4, "fraction", "min"),
        "images_never_seen": (loss, "fraction", "min"),
    }
    return {name: {**_summary(v), "unit": unit, "direction": better} for name, (v, unit, better) in found.items()}


def _test_set(dataset: str, classes: int) -> Json:
    return {
        "dataset": dataset, "n_test": 50 * classes, "classes": classes, "imbalance": 1.0, "largest": "0",
        "largest_count": 50, "smallest": "0", "smallest_count": 50, "unbalanced": False,
    }  # fmt: skip


def _summary(values: np.ndarray) -> Json:
    n = values.size
    if n == 0:
        return {"mean": None, "std": None, "n": 0, "lo": None, "hi": None}
    mean, std = float(values.mean()), float(values.std(ddof=1)) if n > 1 else None
    half = None if std is None else float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    return {
        "mean": mean, "std": std, "n": n,
        "lo": None if half is None else mean - half, "hi": None if half is None else mean + half,
    }  # fmt: skip


def _row(key: tuple[str, str, str], scores: Mapping[Any, Mapping[int, float]], baseline: str, family: int) -> Json:
    dataset, model, augmentation = key
    mine, base = scores[key], scores[dataset, baseline, augmentation]
    shared = sorted(mine.keys() & base.keys())
    own = _summary(np.array(list(mine.values())))
    row: Json = {
        "dataset": dataset, "comparison": "model", "factor": "model",
        "context": {"augmentation": augmentation, "recipe": "default"},
        "model": model, "augmentation": augmentation, "recipe": "default",
        "metric": "accuracy", "unit": "fraction", "direction": "max", "candidate": model, "baseline": baseline,
        "n_ok": own["n"], "n_base": len(base), "n_pairs": len(shared), "seeds_used": shared,
        "seeds_dropped": sorted(mine.keys() ^ base.keys()), "mean": own["mean"], "std": own["std"],
        "mean_lo": own["lo"], "mean_hi": own["hi"], "base_mean": None, "base_std": None,
        "family": f"model/{dataset}/accuracy", "family_size": family, "stars": "", "dagger": False,
        "verdict": "baseline", "status": "baseline", "rope": 0.005, "warnings": [],
        "rank": None, "rank_lo": None, "rank_hi": None, "tied_with_best": None, "p_best": 0.3,
        "p_frontier": 0.42,
        **_costs(model), "trainable_params": MODELS[model][0],
        **dict.fromkeys((
            "diff", "diff_ci_lo", "diff_ci_hi", "boot_lo", "boot_hi", "t", "df", "p_raw", "p_exact", "p_used",
            "p_method", "p_adj", "d_z", "p_tost", "crossed_diff", "crossed_lo", "crossed_hi", "crossed_df",
            "crossed_p", "crossed_p_adj", "var_seed", "var_image", "var_inter", "mde80",
        )),
    }  # fmt: skip
    if model != baseline:
        row.update(_difference(np.array([mine[s] - base[s] for s in shared]), family))
    return row


def _difference(d: np.ndarray, family: int) -> Json:
    if d.size < 3:
        return {"verdict": "not testable", "status": ("no_pairs", "one_seed", "two_seeds")[d.size]}
    test = stats.ttest_1samp(d, 0)
    ci = test.confidence_interval(0.95)
    diff, p = float(d.mean()), float(test.pvalue)
    p_adj = min(1.0, p * family)
    sign = ("★" if diff > 0 else "▼") * ((p_adj < 0.05) + (p_adj < 0.01))
    verdict = ("better" if diff > 0 else "worse") if sign else "inconclusive"
    return {
        "diff": diff, "diff_ci_lo": float(ci.low), "diff_ci_hi": float(ci.high), "boot_lo": float(ci.low) * 0.9,
        "boot_hi": float(ci.high) * 0.9, "t": float(test.statistic), "df": float(test.df), "p_raw": p,
        "p_exact": 2.0 ** (1 - d.size), "p_used": p, "p_method": "paired_t", "p_adj": p_adj, "stars": sign,
        "dagger": bool(sign) and d.size < 6, "verdict": verdict, "status": "ok", "d_z": diff / float(d.std(ddof=1)),
        "p_tost": 0.8, "crossed_diff": diff, "crossed_lo": float(ci.low) - 0.003, "crossed_hi": float(ci.high) + 0.003,
        "crossed_df": 12.0, "crossed_p": p * 2, "crossed_p_adj": min(1.0, p_adj * 2),
        "mde80": 1.68 * float(d.std(ddof=1)),
    }  # fmt: skip


def _rank(rows: list[Json]) -> None:
    finished = sorted((row for row in rows if row["mean"] is not None), key=lambda row: -row["mean"])
    for place, row in enumerate(finished, start=1):
        row.update(rank=place, rank_lo=max(1, place - 1), rank_hi=place + 1, tied_with_best=place == 1)


def _frontier(dataset: str, augmentation: str, cost: str, rows: list[Json]) -> Json:
    """As far as the rows go: who is dominated by the means is so in nine of ten draws, the second other in half."""
    here = [row for row in rows if (row["dataset"], row["augmentation"]) == (dataset, augmentation)]
    points: list[Json] = []
    for row in sorted((row for row in here if row["mean"] is not None and row[cost]), key=lambda row: row[cost]):
        over = [point for point in points if point["score"] >= row["mean"]]
        points.append({
            "candidate": row["candidate"], "score": row["mean"], "score_lo": row["mean_lo"], "score_hi": row["mean_hi"],
            "cost": row[cost], "cost_lo": None, "cost_hi": None,
            "p_frontier": 0.1 if over else max(0.0, 1.0 - 0.3 * len(points)),
            "dominated_by": {over[-1]["candidate"]: 0.9} if over else {},
        })  # fmt: skip
        if cost == "latency_ms_p50":
            points[-1] |= {"cost_lo": 0.95 * row[cost], "cost_hi": 1.1 * row[cost]}
    best = [p for i, p in enumerate(points) if all(p["score"] > q["score"] for q in points[:i])]
    return {
        "comparison": "model", "factor": "model", "dataset": dataset, "cost": cost, "points": points,
        "context": {"augmentation": augmentation, "recipe": "default"},
        "attainment": {
            share: [[p["cost"], p["score"] + shift] for p in best]
            for share, shift in (("0.25", 0.002), ("0.5", 0.0), ("0.75", -0.002))
        },
    }  # fmt: skip


def _write_confusion(path: Path, rng: np.random.Generator, cells: list[Json], classes: int) -> None:
    def matrix(accuracy: float) -> list[list[float]]:
        wrong = rng.dirichlet(np.full(classes - 1, 0.3), classes) * (1 - accuracy)
        return [[*row[:i], accuracy, *row[i:]] for i, row in enumerate(wrong.round(4).tolist())]

    matrices = [
        {
            **{axis: cell[axis] for axis in ("dataset", "model", "augmentation", "recipe")},
            "n_runs": cell["done"],
            "class_names": [str(i) for i in range(classes)],
            "mean_counts": [[50 * rate for rate in row] for row in rates],
            "rates": rates,
        }
        for cell in cells
        if cell["done"]
        for rates in [matrix(cell["metrics"]["accuracy"]["mean"])]
    ]
    provenance.write_record(path, "confusion", {}, "0" * 16, {"cells": matrices})


def _write_curves(path: Path, rng: np.random.Generator, cells: list[Json]) -> None:
    rows = []
    for cell in (cell for cell in cells if cell["done"]):
        accuracy, several = cell["metrics"]["accuracy"]["mean"], cell["done"] > 1
        for epoch in range(1, EPOCHS + 1):
            reached = accuracy * (1 - 0.75 * math.exp(-epoch / 2.2)) + rng.normal(0, 0.004)
            means = {
                "lr": 0.1 * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2,
                "train_loss": 2.3 * math.exp(-epoch / (55 - 50 * accuracy)),
                "train_accuracy": min(1.0, reached * 1.01),
                "val_loss": 2.3 * math.exp(-epoch / (55 - 50 * accuracy)) + 0.08 + 0.004 * epoch,
                "val_accuracy": reached,
            }
            row: Json = {axis: cell[axis] for axis in ("dataset", "model", "augmentation", "recipe")}
            row |= {"epoch": epoch, "n": cell["done"]}
            for name, value in means.items():
                row |= {f"{name}_mean": value, f"{name}_std": value * 0.03 if several else None}
            rows.append(row)
    columns = ["dataset", "model", "augmentation", "recipe", "epoch", "n"]
    names = ("lr", *(f"{split}_{name}" for split in ("train", "val") for name in ("loss", "accuracy")))
    columns += [f"{name}_{part}" for name in names for part in ("mean", "std")]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)


def _write_coverage(path: Path, cells: list[Json]) -> None:
    keys = ("dataset", "model", "augmentation", "recipe", "spec", "expected", "done", "diverged", "oom", "missing")
    rows = [
        {
            **{key: cell[key] for key in keys},
            "missing_seeds": " ".join(str(cell["expected"] - 1 - i) for i in reversed(range(cell["missing"]))),
        }
        for cell in cells
    ]
    pd.DataFrame(rows).to_csv(path, index=False)


def _write_diagnostics(
    folder: Path,
    rng: np.random.Generator,
    cells: list[Json],
    rows: list[Json],
    classes: int,
    pictures: bool,
    probed: bool,
    edit: Callable[[Json], None],
) -> None:
    done = [cell for cell in cells if cell["done"]]
    datasets = list(dict.fromkeys(cell["dataset"] for cell in cells))
    record: Json = {
        "cells": [_diagnosis(rng, cell, classes) for cell in done],
        "rows": [_change(rng, row, classes) for row in rows if row["candidate"] != row["baseline"] and row["n_pairs"]],
        "pictures": dict.fromkeys(datasets, None if pictures else "test_pixels.npy is not there"),
        "probes": [probed_fixture.probed(cell) for cell in done] if probed else [],
    }
    edit(record)
    arrays: dict[str, Any] = {}
    for dataset in datasets if pictures and done else ():
        arrays[f"ids-{dataset}"] = np.arange(40)
        arrays[f"pixels-{dataset}"] = rng.integers(0, 256, size=(40, 1, 8, 8), dtype=np.uint8)
    np.savez_compressed(folder / "errors.npz", allow_pickle=False, **arrays)
    looks = probed_fixture.looks(len(record["probes"]), rng)
    np.savez_compressed(folder / "explanations.npz", allow_pickle=False, **looks)
    path = folder / "diagnostics.json"
    files = [folder / "errors.npz", folder / "explanations.npz"]
    provenance.write_record(path, "diagnostics", {}, "0" * 16, record, files)


def _ledger(
    cells: list[Json],
    scores: Mapping[Any, Mapping[int, float]],
    seeds: tuple[int, ...],
    datasets: tuple[str, ...],
    augmentations: tuple[str, ...],
) -> Json:
    """All alike but for the learning rate of transformers."""

    def facts(cell: Json) -> Json:
        return {
            "seeds": [" ".join(map(str, seeds))], "epochs": [EPOCHS], "epochs_done": [EPOCHS],
            "images_trained": [12_000], "batch_size": [64], "optimizer": ["sgd"], "precision": ["fp32"],
            "lr": [0.001 if "vit" in cell["model"] else 0.1], "weights": ["random"], "tuning_trials": [0],
            "recipe_digest": ["0123456789ab"], "data_digest": ["d" * 64], "device": ["cpu"],
        }  # fmt: skip

    def entry(cell: Json) -> Json:
        by_seed = scores[cell["dataset"], cell["model"], cell["augmentation"]]
        there = seeds[: cell["done"] + cell["diverged"]]
        place = {axis: cell[axis] for axis in ("dataset", "model", "augmentation", "recipe", "spec")}
        return {
            **place, "code": "0" * 16, "settings": {"model": {"name": cell["model"]}}, "facts": facts(cell),
            "folder": "results/runs/{dataset}/{model}/{augmentation}/{recipe}-{spec}".format(**place),
            "train_seconds": 50.0, "gpu_seconds": 0.0, "commits": ["c" * 40], "uncommitted_changes": False,
            "versions": [{"python": "3.12.1", "torch": "2.15.0"}],
            "runs": [
                {
                    "seed": seed, "status": "done" if seed in by_seed else "diverged", "score": by_seed.get(seed),
                    "reason": None if seed in by_seed else "loss is nan", "train_seconds": 10.0,
                }
                for seed in there
            ],
        }  # fmt: skip

    rates = {cell["model"]: facts(cell)["lr"] for cell in cells}
    questions = [
        {
            "comparison": "model", "factor": "model", "dataset": dataset, "unknown": [],
            "context": {"augmentation": augmentation, "recipe": "default"},
            "equal": {name: values for name, values in facts(cells[0]).items() if name != "lr"},
            "differs": [{"fact": "lr", "values": rates}],
        }
        for dataset in datasets
        for augmentation in augmentations
    ]  # fmt: skip
    return {"cells": [entry(cell) for cell in cells], "questions": questions}


def _data(dataset: str, classes: int) -> Json:
    relation = {"pairs": 3, "images": 2, "listed": [[1, 2]]}
    relations = ("train", "val", "test", "train/val", "train/test", "val/test", "train+val/test")
    audit = {
        "imbalance": {"train": 1.25, "val": 1.0, "test": None},
        "exact": dict.fromkeys(relations, relation),
        "near": {"found": None, "reason": "audit: off"},
        "warnings": ["2 test images are also in training: 1 <= 2"],
        "notes": ["a note"],
    }
    return {
        "dataset": dataset, "title": "Handwritten digits", "origin": "sklearn", "channels": 1, "size": 8,
        "reason": None, "class_names": [str(c) for c in range(classes)],
        "counts": {"train": 1000, "val": 200, "test": 597},
        "audit": audit,
    }  # fmt: skip


def _diagnosis(rng: np.random.Generator, cell: Json, classes: int) -> Json:
    names = [str(i) for i in range(classes)]
    accuracy = cell["metrics"]["accuracy"]["mean"]
    runs = [_run(accuracy, seed, classes) for seed in range(min(cell["done"], 2))]
    return {
        **{axis: cell[axis] for axis in ("dataset", "model", "augmentation", "recipe")},
        "n_runs": cell["done"],
        "roc": aggregate.curve([run["curves"] for run in runs], "roc", "fpr"),
        "pr": aggregate.curve([run["curves"] for run in runs], "pr", "recall"),
        "calibration": aggregate.reliability([run["calibration"] for run in runs]),
        "overfitting_gap": {"mean": 0.02, "std": 0.01, "n": len(runs)},
        "thresholds": aggregate.thresholds([run["thresholds"] for run in runs]),
        "worst": [
            {
                "example_id": int(image), "true": names[image % classes], "predicted": names[(image + 1) % classes],
                "confidence": 0.99 - 0.01 * rank, "n_wrong": cell["done"], "n_runs": cell["done"],
            }
            for rank, image in enumerate(rng.permutation(40)[:24])
        ],
    }  # fmt: skip


_RUNS: dict[tuple[float, int, int], Json] = {}


def _run(accuracy: float, seed: int, classes: int) -> Json:
    """What metrics.json says of a run of about this accuracy that is too sure."""
    key = (round(accuracy, 2), seed, classes)
    if key not in _RUNS:
        rng = np.random.default_rng(seed)
        y_true = np.arange(40 * classes) % classes
        right = rng.random(y_true.size) < key[0]
        answer = np.where(right, y_true, (y_true + 1 + rng.integers(0, classes - 1, y_true.size)) % classes)
        logits = rng.normal(0, 1, (y_true.size, classes)) + 6 * rng.random((y_true.size, 1)) * np.eye(classes)[answer]
        _RUNS[key] = details_fixture.details(y_true, logits, [str(i) for i in range(classes)])
    return _RUNS[key]


def _change(rng: np.random.Generator, row: Json, classes: int) -> Json:
    kept = min(classes, 20)
    matrix = rng.normal(0, 0.01, (kept, kept))
    diff = np.diag(matrix)
    tested = row["n_pairs"] >= 3
    return {
        **{name: row[name] for name in ("dataset", "comparison", "factor", "context", "candidate", "baseline")},
        "seeds": row["seeds_used"], "n_classes": classes, "n_tested": classes if tested else 0,
        "n_significant": int((np.abs(diff) > 0.01).sum()) if tested else 0, "alpha": 0.05,
        "classes": [
            {
                "class": str(c), "support": 50, "recall": 0.9, "base_recall": 0.9, "diff": float(diff[c]),
                "lo": float(diff[c]) - 0.01 if tested else None, "hi": float(diff[c]) + 0.01 if tested else None,
                "p": 0.01 if tested else None, "p_adj": 0.02 if tested else None,
                "significant": tested and abs(float(diff[c])) > 0.01,
            }
            for c in range(kept)
        ],
        "confusion": matrix.tolist(),
    }  # fmt: skip


def draw_only(monkeypatch: Any, *names: str) -> None:
    """Leave the other figures empty: drawing them all takes most of a report's time."""
    from matplotlib.figure import Figure

    from bakeoff.report import figures

    for name, kind in figures.FIGURES.items():
        if name not in names:
            monkeypatch.setitem(figures.FIGURES, name, replace(kind, draw=lambda *_: Figure(figsize=(1, 1))))
