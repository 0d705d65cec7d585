"""A small study's results on disk, written as the steps before `compare` write theirs."""

from __future__ import annotations

import json

import numpy as np

from bakeoff.compare import step
from bakeoff.provenance import read_record, spec_digest, write_record

TRAIN, EVALUATE, PROFILE, COMPARE = ("1" * 16, "2" * 16, "3" * 16, "4" * 16)
EVALUATE_SPEC = {"metrics": ["accuracy", "log_loss"]}
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
    """A study's results on disk: by model and seed the accuracy, or which images are right; None for a divergence."""

    def __init__(self, results, accuracies, augmentations=("none",), conditions=(CPU,), profiles=None, **settings):
        """`profiles`: by (model, condition), in what a profile's record differs from that of a good one."""
        self.results = results
        self.cells = []
        self.conditions = conditions
        self.profiles = profiles or {}
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
        cell = {"dataset": "digits", **spec, "recipe": "plain", "spec": spec_digest(spec), "seeds": list(by_seed)}
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
            drawn = np.random.default_rng([seed, *cell["model"].encode()]).permutation(N)
            right = accuracy if isinstance(accuracy, np.ndarray) else drawn < round(accuracy * N)
            predicted = np.where(right, Y_TRUE, (Y_TRUE + 1) % CLASSES)
            logits = np.eye(CLASSES, dtype=np.float32)[predicted] + np.float32(0.01 * seed)
            np.savez(folder / "predictions.npz", example_id=np.arange(N), y_true=Y_TRUE, logits=logits)
            lines = [f"{e},main,0.1,{1 / e},{0.5 + seed / 100},{'' if e == 1 else 0.4},0.6,1.0" for e in (1, 2)]
            head = "epoch,phase,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds"
            (folder / "history.csv").write_text("\n".join([head, *lines]) + "\n")
            files = [folder / "predictions.npz", folder / "history.csv"]
            accuracy = float(right.mean())
        body = {**place, "status": status, "reason": None, "class_names": ["a", "b", "c"], "train_seconds": 2.0 + seed}
        body |= {"device": "cpu", "threads": 1, "environment": ENVIRONMENT}
        write_record(folder / "run.json", "run", spec, TRAIN, body, files)
        self.write_metrics(folder, place, status, accuracy)

    @staticmethod
    def write_metrics(folder, place, status, accuracy, **changes):
        run = json.loads((folder / "run.json").read_text())
        loss = None if accuracy is None else 1 - accuracy
        body = {
            **place,
            "status": status,
            "run_digest": run["record_digest"],
            "predictions_sha256": run["files"].get("predictions.npz"),
            "metrics": {
                "log_loss": {"value": loss, "unit": "nats", "direction": "min", "why_null": None},
                "accuracy": {"value": accuracy, "unit": "fraction", "direction": "max", "why_null": None},
            },
            "confusion": None if accuracy is None else [[80, 20, 0], [0, 100, 0], [0, 0, 0]],
        }
        write_record(folder / "metrics.json", "metrics", EVALUATE_SPEC, EVALUATE, body | changes)


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
