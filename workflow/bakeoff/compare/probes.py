"""What the probes of a cell's runs say: accuracy on corrupted test images, and whether explanations are faithful."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bakeoff import layout
from bakeoff.compare.aggregate import mean_and_std
from bakeoff.compare.load import Loaded
from bakeoff.compare.spec import AXES, Cell, CompareInput
from bakeoff.errors import Refused
from bakeoff.provenance import Json, check_files, read_record, whole


def probes(inputs: CompareInput, loaded: Loaded, results: Path) -> list[Json]:
    """The probed cells of diagnostics.json: `robustness` and `faithfulness` over seeds, null where not asked for.

    Raises Refused for a probe that is missing (unless the study is partial), of other settings or code, or of another
    run than the one beside it.
    """
    found = []
    for cell in inputs.cells:
        if cell.probe is None:
            continue
        read = {run.seed: _read(cell, run.seed, results, inputs.partial) for run in loaded.done(cell)}
        by_seed = {seed: record for seed, record in read.items() if record is not None}
        if not by_seed:
            continue
        records = list(by_seed.values())
        place: Json = dict(zip(AXES, cell.key, strict=True))
        said = {
            "n_runs": len(records),
            "robustness": _robustness([record["corruptions"] for record in records]),
            "faithfulness": _faithfulness([record["explain"] for record in records]),
            "verification": _verification(cell, [folder_of(cell, seed, results) for seed in by_seed], inputs.partial),
        }
        found.append(place | said)
    return found


def folder_of(cell: Cell, seed: int, results: Path) -> Path:
    """Where a run's probe stands."""
    spec = cell.probe.spec if cell.probe else ""
    run = results / layout.run_dir(*cell.key, cell.spec, seed).relative_to(layout.RESULTS)
    return run / f"probe-{spec}"


def _read(cell: Cell, seed: int, results: Path, partial: bool) -> Json | None:
    path = folder_of(cell, seed, results) / "probe.json"
    if cell.probe is None or (partial and not path.exists()):
        return None
    record = read_record(path, "probe", spec=cell.probe.spec, code=cell.probe.code)
    if record["run_digest"] != read_record(path.parent.parent / "run.json", "run")["record_digest"]:
        raise Refused(f"{path}: was made from another run.json than the one above it; delete it to remake")
    return record


def _robustness(runs: Sequence[Json | None]) -> Json | None:
    known = [run for run in runs if run is not None]
    if not known:
        return None
    by_name = {name: np.array([run["by_severity"][name] for run in known]) for name in known[0]["by_severity"]}
    return {
        "clean": mean_and_std([run["clean"] for run in known]),
        "mean": mean_and_std([run["mean"] for run in known]),
        # What corruption takes, as a share of what there was: comparable between models that start elsewhere.
        "kept": mean_and_std([run["mean"] / run["clean"] if run["clean"] else None for run in known]),
        "by_severity": {name: values.mean(axis=0).round(6).tolist() for name, values in by_name.items()},
    }


def _faithfulness(runs: Sequence[Json | None]) -> Json | None:
    """By method, over seeds."""
    asked = [run for run in runs if run is not None]
    return {method: _of_method([run[method] for run in asked]) for method in asked[0]} if asked else None


def _of_method(runs: Sequence[Json]) -> Json:
    known = [run for run in runs if run["reason"] is None]
    if not known:
        return {"reason": runs[0]["reason"]}
    numbers = ("insertion", "deletion", "difference", "random_mean", "centre", "gain")
    return {
        "reason": None,
        "n_images": known[0]["n"],
        "layer": known[0]["layer"],
        **{name: mean_and_std([run[name] for run in known]) for name in numbers},
        "runs_above_random": sum(run["gain"] > 2 * max(run["gain_se"], run["random_sd"]) for run in known),
    }


def _verification(cell: Cell, folders: Sequence[Path], partial: bool) -> Json | None:
    """Over seeds; the counts of pairs are those of every run, which have the same test images."""
    if cell.probe is None or cell.probe.verification is None:
        return None
    runs = []
    for folder in folders:
        path = layout.verification_path(folder / "probe.json")
        if partial and not path.exists():
            continue
        record = read_record(path, "verification", code=cell.probe.verification)
        if record["probe_digest"] != read_record(folder / "probe.json", "probe")["record_digest"]:
            raise Refused(f"{path}: was made from another probe.json than the one above it; delete it to remake")
        runs.append(record)
    known = [run for run in runs if run["reason"] is None]
    if not known:
        return {"reason": runs[0]["reason"]} if runs else None
    return {
        "reason": None,
        **{name: known[0][name] for name in ("identities", "genuine_pairs", "impostor_pairs")},
        "auc": mean_and_std([run["auc"]["value"] for run in known]),
        "eer": mean_and_std([run["eer"]["value"] for run in known]),
        "accuracy": mean_and_std([run["best_threshold"]["accuracy"]["value"] for run in known]),
        "tar_at_far": [
            {"far": each["far"], **mean_and_std([run["tar_at_far"][i]["value"] for run in known])}
            for i, each in enumerate(known[0]["tar_at_far"])
        ],
    }


def save_pictures(path: Path, cells: Sequence[Json], inputs: CompareInput, results: Path) -> None:
    """Write to `path` where the first probed run of each of `cells` looks: for cell number i `pixels-i` [K, C, S, S],
    `maps-METHOD-i` [K, S, S] (0..255) by method, `example_id-i`, `y_true-i` and `predicted-i` [K]; nothing of
    cells without maps.
    """
    by_key = {cell.key: cell for cell in inputs.cells}
    arrays: dict[str, npt.NDArray[Any]] = {}
    for i, found in enumerate(cells):
        cell = by_key[found["dataset"], found["model"], found["augmentation"], found["recipe"]]
        for seed in cell.seeds:
            folder = folder_of(cell, seed, results)
            if (folder / "explain.npz").exists():
                check_files(folder / "probe.json", read_record(folder / "probe.json", "probe"), "explain.npz")
                with np.load(folder / "explain.npz", allow_pickle=False) as drawn:
                    arrays |= {f"{name}-{i}": drawn[name] for name in drawn.files}
                break
    with whole(path) as part:
        np.savez_compressed(part, allow_pickle=False, **arrays)
