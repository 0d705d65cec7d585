"""What `bakeoff verification` leaves behind: a record, two tables, a figure, and lines for the terminal."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bakeoff.errors import UserError
from bakeoff.evaluate import verification_file as files
from bakeoff.evaluate.verification import Options, Verification, verify
from bakeoff.evaluate.verification_curve import Curve
from bakeoff.evaluate.verification_pairs import GRID
from bakeoff.provenance import (
    PACKAGE,
    Json,
    check_files,
    code_digest,
    environment,
    read_record,
    sha256,
    whole,
    write_record,
)

TABLES = ("thresholds.csv", "roc.csv", "roc.svg")


def run(
    embeddings: Path,
    pairs: Path | None,
    validation: Path | None,
    options: Options,
    out: Path | None,
    code: str | None = None,
    about: Json | None = None,
) -> Json:
    """Verify the images of a file, write everything to the folder `out` where one is given, and return the numbers.

    `about` goes into the record as well.
    """
    images = files.read_embeddings(embeddings)
    subject = files.all_pairs(images) if pairs is None else files.listed_pairs(images, pairs)
    chooser = None if validation is None else files.all_pairs(files.read_embeddings(validation))
    found = verify(subject, options, chooser)
    inputs = {"embeddings": embeddings, "pairs": pairs, "validation": validation}
    body = {
        **(about or {}),
        "inputs": {name: path and {"file": path.name, "sha256": sha256(path)} for name, path in inputs.items()},
        "images": len(images.ids),
        "dimensions": images.vectors.shape[1],
        **_body(found),
    }
    if out is not None:
        _write(out, found, body, options, code)
    return body


def of_probe(path: Path, options: Options, out: Path | None, code: str | None = None) -> Json:
    """The same for the embeddings that the probe of this record kept: its threshold is chosen on validation images.

    Of a probe without embeddings the record has nothing but the `reason`. Raises Refused for files that are not those
    of the record, UserError where the probe was not asked for embeddings.
    """
    record = read_record(path, "probe")
    names = {name: record[name] for name in ("dataset", "model", "augmentation", "recipe", "seed")}
    kept = {**names, "probe_digest": record["record_digest"], "reason": _no_embeddings(path, record)}
    if kept["reason"]:
        if out is not None:
            _record(out, {**kept}, options, code, [])
        return kept
    check_files(path, record, "embeddings.npz", "embeddings_val.npz")
    return run(path.parent / "embeddings.npz", None, path.parent / "embeddings_val.npz", options, out, code, kept)


def _no_embeddings(path: Path, record: Json) -> str | None:
    if record["status"] != "done":
        return f"its run {record['status']}"
    if record["embeddings"] is None:
        raise UserError(f"{path}: keeps no embeddings; the study must say probe: {{embeddings: true}}")
    reason: str | None = record["embeddings"]["reason"]
    return reason


def _body(found: Verification) -> Json:
    best = found.best
    return {
        "identities": found.identities,
        "genuine_pairs": found.genuine,
        "impostor_pairs": found.impostor,
        "auc": asdict(found.auc),
        "eer": {**asdict(found.eer), "threshold": found.eer_threshold},
        "tar_at_far": [
            {
                "far": row.far,
                **asdict(row.tar),
                "threshold": row.threshold,
                "far_reached": row.reached,
                "false_accepts": row.false_accepts,
            }
            for row in found.tar_at_far
        ],
        "thresholds": [
            {**asdict(row), "accuracy_lo": interval.lo, "accuracy_hi": interval.hi} for row, interval in found.table
        ],
        "best_threshold": {
            "chosen_on": best.chosen_on,
            **asdict(best.threshold),
            "accuracy_where_chosen": best.accuracy_there,
            "accuracy": asdict(best.accuracy),
            "decision": asdict(best.decision),
        },
        "warnings": found.warnings,
    }


def _write(out: Path, found: Verification, body: Json, options: Options, code: str | None) -> None:
    rows = body["thresholds"]
    _table(out / "thresholds.csv", list(rows[0]), (row.values() for row in rows))
    _table(out / "roc.csv", ["threshold", "far", "tar", "accuracy"], _points(found.roc))
    _draw(out / "roc.svg", found)
    _record(out, body, options, code, [out / name for name in TABLES])


def _record(out: Path, body: Json, options: Options, code: str | None, files: list[Path]) -> None:
    code = code or code_digest("bakeoff.evaluate.verification_output")
    body = {**body, "environment": environment(["numpy", "scipy", "matplotlib"])}
    write_record(out / "verification.json", "verification", asdict(options), code, body, files)


def _table(path: Path, head: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """A CSV; what is None stays empty."""
    with whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def _points(curve: Curve) -> Iterable[list[float | None]]:
    """The points of the curve; that of accepting none has no threshold."""
    thresholds = [None, *(curve.levels / GRID).tolist()]
    columns = (values.tolist() for values in (curve.far, curve.tar, curve.accuracy))
    return ([threshold, *rates] for threshold, *rates in zip(thresholds, *columns, strict=True))


def _draw(path: Path, found: Verification) -> None:
    """TAR over FAR, which is logarithmic, and accuracy over the threshold. Equal numbers give equal bytes."""
    import matplotlib.style
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    curve = found.roc
    # The look of all figures is a file; no code of the report's is used.
    with matplotlib.style.context(str(PACKAGE / "report" / "bakeoff.mplstyle"), after_reset=True):
        figure = Figure(figsize=(170 / 25.4, 70 / 25.4))
        rates, accuracy = figure.subplots(1, 2)
        shown = curve.far > 0
        rates.plot(curve.far[shown], curve.tar[shown], color="#0072B2")
        at = [(row.far, row.tar) for row in found.tar_at_far if row.tar.lo is not None]
        rates.vlines([far for far, _ in at], [tar.lo for _, tar in at], [tar.hi for _, tar in at], color="#D55E00")
        rates.plot([row.far for row in found.tar_at_far], _values(found), "o", color="#D55E00", markersize=3)
        rates.set(xscale="log", xlabel="FAR", ylabel="TAR", ylim=(-0.02, 1.02), title=f"AUC {found.auc.value:.4f}")
        rates.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))  # 10^-4 would be math, which the style bars
        rates.xaxis.set_minor_formatter(NullFormatter())
        accuracy.plot(curve.levels / GRID, curve.accuracy[1:], color="#0072B2")
        accuracy.axvline(found.best.threshold.value, color="#D55E00", linestyle="--")
        accuracy.set(xlabel="Threshold", ylabel="Accuracy", title=f"Best on {found.best.chosen_on}")
        with whole(path) as part:
            figure.savefig(part, format="svg", metadata={"Date": None, "Creator": None})


def _values(found: Verification) -> list[float]:
    return [np.nan if row.tar.value is None else row.tar.value for row in found.tar_at_far]


# --- the terminal -------------------------------------------------------------------------------------------------


def describe(body: Json, options: Options) -> str:
    """The numbers in a few lines, rates in per cent."""
    if body.get("reason"):
        return f"No verification: {body['reason']}"
    best = body["best_threshold"]
    lines = [
        f"{body['images']:,} images of {body['identities']:,} identities: "
        f"{body['genuine_pairs']:,} genuine and {body['impostor_pairs']:,} impostor pairs",
        f"AUC               {_text(body['auc'], 1, 4)}",
        f"EER               {_text(body['eer'], 100, 2)} %, at threshold {body['eer']['threshold']:.4f}",
    ]
    for row in body["tar_at_far"]:
        text = row["why_null"] if row["value"] is None else f"{_text(row, 100, 2)} %"
        lines.append(f"TAR at FAR {row['far']:<6g} {text}")
    lines += [
        f"best threshold    {_text(best, 1, 4)}, chosen on {best['chosen_on']}",
        f"  accuracy at it  {_text(best['accuracy'], 100, 2)} %",
        f"95 % intervals from {options.resamples:,} draws of identities",
        "",
        "threshold  accuracy  precision    recall        F1          tp          fp          tn          fn",
        *(_row(row) for row in body["thresholds"]),
        *(f"note: {warning}" for warning in body["warnings"]),
    ]
    return "\n".join(lines)


def _text(estimate: Json, factor: float, digits: int) -> str:
    """Such as `0.9123 [0.9011, 0.9205]`."""
    value, lo, hi, why = (estimate[key] for key in ("value", "lo", "hi", "why_null"))
    interval = f"[no interval: {why}]" if lo is None else f"[{lo * factor:.{digits}f}, {hi * factor:.{digits}f}]"
    return f"{value * factor:.{digits}f} {interval}"


def _row(row: Json) -> str:
    shares = ("–" if row[key] is None else f"{row[key]:.4f}" for key in ("accuracy", "precision", "recall", "f1"))
    counts = (f"{row[key]:>12,}" for key in ("tp", "fp", "tn", "fn"))
    return f"{row['threshold']:>9g}{''.join(f'{share:>10}' for share in shares)}{''.join(counts)}"
