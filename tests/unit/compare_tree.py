"""A small study's results on disk, written as the steps before `compare` write theirs."""

from __future__ import annotations

import json

import details_fixture
import numpy as np

from bakeoff.compare import step
from bakeoff.provenance import read_record, spec_digest, write_record

TRAIN, EVALUATE, PROFILE, COMPARE = ("1" * 16, "2" * 16, "3" * 16, "4" * 16)
METRICS = {
    "log_loss": ("nats", "min"), "accuracy": ("fraction", "max"), "balanced_accuracy": ("fraction", "max"),
    "overfitting_gap": ("fraction", "min"),
}  # fmt: skip
EVALUATE_SPEC = {"metrics": list(METRICS)}
DATA = "digits-0123456789ab"
ENVIRONMENT = {"cpu": "a cpu", "gpu": None, "commit": None}
N, CLASSES = 300, 3
CPU, BF16, GPU = "CPU, 1 thread", "CPU, 1 thread, bf16", "GPU"
NO_GPU = {
    "status": "failed", "failure": "no GPU", "reason": "torch sees no GPU on this machine", "latency_ms": None,
    "throughput": None, "peak_memory_mb": None, "best_batch_memory_mb": None, "train_memory_mb": None,
    "train_batch_size": None, "anchor": None,
}  # fmt: skip
Y_TRUE = np.arange(N) % CLASSES


class Tree:
    """A study's results on disk: by model and seed the accuracy, or which images are right, or logits [N, C]; None for
    a divergence.
    """

    def __init__(
        self,
        results,
        accuracies,
        augmentations=("none",),
        conditions=(CPU,),
        profiles=None,
        sources=None,
        y_true=Y_TRUE,
        classes=("a", "b", "c"),
        **settings,
    ):
        """`profiles`: by (model, condition), in what a profile's record differs from that of a good one; `sources`: by
        model, where its runs say that their weights are from.
        """
        self.results = results
        self.y_true, self.classes = np.asarray(y_true), list(classes)
        self.cells = []
        self.conditions = conditions
        self.profiles = profiles or {}
        self.sources = sources or {}
        for model, by_seed in accuracies.items():
            for augmentation in augmentations:
                self._write_cell(model, augmentation, by_seed)
        comparisons = [{"name": "model", "factor": "model", "baseline": "lenet5"}]
        self.spec = {"study": "tiny", "n_resamples": 500, "comparisons": comparisons, "cells": self.cells, **settings}

    def run(self, **changes):
        path = step.run({**self.spec, **changes}, COMPARE, self.results)
        return read_record(path, "comparison", code=COMPARE)

    def row(self, candidate, metric="accuracy", **changes):
        (row,) = [r for r in self.run(**changes)["rows"] if (r["candidate"], r["metric"]) == (candidate, metric)]
        return row

    def folder(self, model, seed, augmentation="none"):
        (cell,) = [c for c in self.cells if (c["model"], c["augmentation"]) == (model, augmentation)]
        return self.results / "runs" / "digits" / model / augmentation / f"plain-{cell['spec']}" / f"seed{seed}"

    def _write_cell(self, model, augmentation, by_seed):
        spec = {"model": model, "augmentation": augmentation}
        cell = {
            "dataset": "digits",
            "data": DATA,
            **spec,
            "recipe": "plain",
            "spec": spec_digest(spec),
            "seeds": list(by_seed),
        }
        digests = {"train_code": TRAIN, "evaluate_spec": spec_digest(EVALUATE_SPEC), "evaluate_code": EVALUATE}
        refs = [self.write_profile(model, condition) for condition in self.conditions]
        self.cells.append({**cell, **digests, "profiles": refs})
        for seed, accuracy in by_seed.items():
            self.write_run(self.folder(model, seed, augmentation), spec, cell, seed, accuracy)

    def write_profile(self, model, condition):
        spec = {"model": {"name": model}, "condition": condition}
        ref = {"condition": condition, "spec": spec_digest(spec), "code": PROFILE}
        ref["name"] = f"{model}-{ref['spec']}"
        body = profile_body(model, condition) | self.profiles.get((model, condition), {})
        write_record(self.results / "profiles" / f"{ref['name']}.json", "profile", spec, PROFILE, body)
        return ref

    def write_run(self, folder, spec, cell, seed, accuracy):
        folder.mkdir(parents=True)
        place = {name: cell[name] for name in ("dataset", "model", "augmentation", "recipe")} | {"seed": seed}
        status = "diverged" if accuracy is None else "done"
        files = []
        if accuracy is not None:
            logits = self._logits(cell["model"], seed, accuracy)
            ids = np.arange(len(self.y_true))
            np.savez(folder / "predictions.npz", example_id=ids, y_true=self.y_true, logits=logits)
            lines = [f"{e},main,0.1,{1 / e},{0.5 + seed / 100},{'' if e == 1 else 0.4},0.6,1.0" for e in (1, 2)]
            head = "epoch,phase,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds"
            (folder / "history.csv").write_text("\n".join([head, *lines]) + "\n")
            files = [folder / "predictions.npz", folder / "history.csv"]
        body = {**place, "status": status, "reason": None, "class_names": self.classes, "train_seconds": 2.0 + seed}
        body |= {"device": "cpu", "threads": 1, "environment": ENVIRONMENT, "n_train": 900}
        if cell["model"] in self.sources:
            body["weights"] = {"source": self.sources[cell["model"]]}
        write_record(folder / "run.json", "run", spec, TRAIN, body, files)
        self.write_metrics(folder, place, status, None if accuracy is None else logits)

    def _logits(self, model, seed, accuracy):
        if isinstance(accuracy, np.ndarray) and accuracy.ndim == 2:
            return accuracy
        n, classes = len(self.y_true), len(self.classes)
        drawn = np.random.default_rng([seed, *model.encode()]).permutation(n)
        right = accuracy if isinstance(accuracy, np.ndarray) else drawn < round(accuracy * n)
        predicted = np.where(right, self.y_true, (self.y_true + 1) % classes)
        return np.eye(classes, dtype=np.float32)[predicted] + np.float32(0.01 * seed)

    def write_metrics(self, folder, place, status, logits, metrics=None, **changes):
        """The record of the metrics; `metrics` are values instead of, or beside, the true ones."""
        run = json.loads((folder / "run.json").read_text())
        values, details = dict.fromkeys(METRICS), details_fixture.NOTHING
        if logits is not None:
            values = metrics_of(self.y_true, logits)
            details = details_fixture.details(self.y_true, logits, self.classes, 1.5 + 0.1 * place["seed"])
        body = {
            **place,
            "status": status,
            "run_digest": run["record_digest"],
            "predictions_sha256": run["files"].get("predictions.npz"),
            "metrics": {name: measured(name, value) for name, value in (values | (metrics or {})).items()},
            **details,
        }
        write_record(folder / "metrics.json", "metrics", EVALUATE_SPEC, EVALUATE, body | changes)

    def remeasure(self, model, seed, metrics=None, augmentation="none", **changes):
        """Write the metrics of a run anew, with other values."""
        folder = self.folder(model, seed, augmentation)
        run = json.loads((folder / "run.json").read_text())
        place = {name: run[name] for name in ("dataset", "model", "augmentation", "recipe", "seed")}
        with np.load(folder / "predictions.npz") as arrays:
            self.write_metrics(folder, place, run["status"], arrays["logits"], metrics, **changes)

    def write_images(self, side=8, channels=1):
        """The prepared test images: every pixel of image i is i % 256."""
        folder = self.results / "data" / DATA
        folder.mkdir(parents=True)
        n = len(self.y_true)
        pixels = np.zeros((n, channels, side, side), dtype=np.uint8) + (np.arange(n) % 256)[:, None, None, None]
        np.save(folder / "test_pixels.npy", pixels.astype(np.uint8))
        np.save(folder / "test_ids.npy", np.arange(n))
        np.save(folder / "test_labels.npy", self.y_true)
        return folder


def metrics_of(y_true, logits):
    right = logits.argmax(axis=1) == y_true
    recalls = [right[y_true == c].mean() for c in sorted(set(y_true.tolist()))]
    values = {"accuracy": right.mean(), "log_loss": 1 - right.mean(), "balanced_accuracy": np.mean(recalls)}
    return {name: float(value) for name, value in values.items()} | {"overfitting_gap": 0.05}


def measured(name, value):
    unit, direction = METRICS[name]
    why = "diverged" if value is None else None
    return {"value": value, "unit": unit, "direction": direction, "why_null": why, "lo": None, "hi": None}


def profile_body(model, condition=CPU):
    """The record of a good profile, with all keys of its contract."""
    size = {"lenet5": 1, "resnet18": 10}.get(model, 5)
    gpu = condition == GPU
    return {
        "model": model, "status": "done", "failure": None, "reason": None, "condition": condition, "attempt": 0,
        "device": "cuda" if gpu else "cpu", "threads": 1, "precision": "bf16" if "bf16" in condition else "fp32",
        "backend": "eager", "channels_last": True, "environment": {**ENVIRONMENT, "gpu": "a gpu" if gpu else None},
        "params": size * 1000, "trainable_params": size * 1000, "macs": size * 10**6, "macs_fvcore": size * 10**6,
        "macs_note": None, "activations": size * 10**4, "size_mb": size * 0.004, "modules": [],
        "latency_ms": latency(size), "memory": memory(), "marks": [], "weather": {},
        "throughput": {"batch_size": 32, "images_per_second": 1000 / size, "lo": 900 / size, "hi": None, "tried": []},
        "peak_memory_mb": None, "best_batch_memory_mb": size * 3.0, "train_memory_mb": size * 8.0,
        "train_batch_size": 128, "joules_per_image": None, "energy": {"how": None, "reason": "no counter here"},
        "anchor": anchor(1.0),
    }  # fmt: skip


def latency(p50):
    percentiles = {"p50": p50 * 1.0, "p90": p50 * 1.3, "p95": p50 * 1.5, "p99": p50 * 2.0}
    return {**percentiles, "n": 200, "warmup_calls": 10, "steady": True, "samples": []}


def memory(**reasons):
    peaks = ("one_image", "best_batch", "training_step")
    return {name: {"peak_mb": None, "total_mb": None, "how": None, "reason": reasons.get(name)} for name in peaks}


def anchor(time):
    return {"before_ms": time - 0.004, "after_ms": time + 0.004, "drift": 0.008}
