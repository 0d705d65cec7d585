"""The figures of docs/statistics.md and the numbers beside them, drawn and printed by the code that makes the tables.

    python -m benchmarks.statistics_figures
    python -m benchmarks.statistics_figures --study results/default

1. How often a t test over seeds, and a verdict of this program, call two models different that are equally good, by the
   number of seeds: the world "images" of benchmarks/statistics.py.
2. How often the 95 % t interval and the percentile bootstrap interval of a mean over seeds hold the true mean, by the
   number of seeds: normal scores.
3. With --study: rows of a comparison as the forest plot shows them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from bakeoff.compare import paired
from bakeoff.report import figures, intervals
from bakeoff.report.drawing import COLOURS, GREY, canvas
from bakeoff.report.intervals import Line
from bakeoff.report.text import Unit
from benchmarks import common
from benchmarks.statistics import ALPHA, World, promises

SEEDS = (3, 5, 10, 20, 30)
FEW = (2, 3, 4, 5, 7, 10, 15, 20)
PICTURES = common.ROOT / "docs" / "pictures"
# Candidate and augmentation of the rows of the default study that the page explains.
ROWS = (("resnet18", "none"), ("tiny_cnn", "none"), ("tiny_vit", "standard"))


def false_alarms(simulations: int, images: int) -> dict[int, dict[str, float]]:
    """By the number of seeds: shares of simulations of equal models in which each way calls a difference."""
    return {seeds: promises(World("images"), seeds, images, simulations, ranked=0) for seeds in SEEDS}


def coverage(simulations: int, resamples: int) -> dict[int, tuple[float, float]]:
    """By the number of seeds: how often the t interval and the percentile bootstrap's hold the true mean."""
    found = {}
    for seeds in FEW:
        rng = np.random.default_rng([seeds, 0])
        held = np.zeros(2)
        for scores in rng.normal(size=(simulations, seeds)):
            both = paired.t_interval(scores), paired.bootstrap_interval(scores, rng, resamples)
            held += [interval is not None and interval[0] <= 0 <= interval[1] for interval in both]
        found[seeds] = (float(held[0] / simulations), float(held[1] / simulations))
    return found


# --- drawing ------------------------------------------------------------------------------------------------------


def _curves(seeds: Sequence[int], curves: dict[str, list[float]], promised: float, title: str) -> Figure:
    """Per cent against the number of seeds, the names beside the lines; `promised` is the per cent that is right."""
    figure = canvas(1, 52)
    axes = figure.subplots()
    for (name, shares), colour, marker in zip(curves.items(), COLOURS, "os", strict=False):
        axes.plot(seeds, [100 * share for share in shares], color=colour, marker=marker, markersize=3.5, label=name)
    axes.axhline(promised, color=GREY, linewidth=0.7, linestyle="--", label=f"promised: {promised:g} %")
    axes.set_xticks(seeds)
    axes.set(xlabel="Seeds", ylabel="% of simulations", title=title)
    axes.legend(loc="best", fontsize=6.5)
    return figure


def _forest(rows: Sequence[dict[str, Any]], rope: float) -> Figure:
    lines = [
        Line(
            f"{row['candidate']}, {row['augmentation']}",
            value=row["diff"],
            inner=(row["diff_ci_lo"], row["diff_ci_hi"]),
            outer=(row["crossed_lo"], row["crossed_hi"]),
            colour=COLOURS[i],
            mark=_marks(row),
        )
        for i, row in enumerate(rows)
    ]
    note = (
        "Thick: 95 % for new seeds on these test images. Thin: 95 % for new seeds and new images. Grey band: the "
        "margin within which a difference does not matter."
    )
    figure = canvas(2, intervals.height(lines) + 8, note=note)
    axes = figure.subplots()
    intervals.draw(axes, lines, Unit.of("fraction"), rope, 30)
    axes.set(title="digits: models minus lenet5", xlabel="Difference in accuracy (points)")
    return figure


def _marks(row: dict[str, Any]) -> str:
    new_images = row["stars"] and row["crossed_p_adj"] is not None and row["crossed_p_adj"] < ALPHA
    return f"{row['stars']}{row['dagger']}{'◆' * bool(new_images)}"


def _shares(head: Sequence[str], found: dict[int, tuple[float, float]]) -> str:
    rows = [[f"{seeds} seeds", *(f"{100 * share:.1f}" for share in each)] for seeds, each in found.items()]
    return common.table(head, rows)


HEAD = ("row", "difference", "for new seeds", "t", "p", "corrected p", "exact p", "new images too", "mde80", "marks")


def _numbers(row: dict[str, Any]) -> list[str]:
    def points(*names: str) -> str:
        return " to ".join(f"{100 * row[name]:+.2f}" for name in names)

    return [
        f"{row['candidate']}, {row['augmentation']}", points("diff"), points("diff_ci_lo", "diff_ci_hi"),
        f"t({row['df']:.0f}) = {row['t']:.2f}", f"{row['p_raw']:.4f}", f"{row['p_adj']:.4f} of {row['family_size']}",
        f"{row['p_exact']:.4f}", points("crossed_lo", "crossed_hi"), points("mde80"), _marks(row),
    ]  # fmt: skip


def _save(figure: Figure, name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", facecolor="white", metadata={"Date": None, "Creator": None})


def _rows(study: Path) -> list[dict[str, Any]]:
    body = json.loads((study / "comparison.json").read_text(encoding="utf-8"))
    there = {
        (row["candidate"], row["augmentation"]): row
        for row in body["rows"]
        if row["metric"] == body["primary_metric"]["name"] and row["comparison"] == "model"
    }
    return [there[key] for key in ROWS]


def main() -> None:
    """Simulate, print and draw."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--simulations", type=int, default=2000)
    options.add_argument("--test-images", type=int, default=2000)
    options.add_argument("--resamples", type=int, default=2000)
    options.add_argument("--study", type=Path, help="folder of the default study's results, for the rows")
    options.add_argument("--out", type=Path, default=PICTURES)
    args = options.parse_args()

    alarms = false_alarms(args.simulations, args.test_images)
    called = {seeds: (each["t"], each["crossed"]) for seeds, each in alarms.items()}
    print(_shares(["equal models: % called different", "t over seeds", "verdict"], called))
    held = coverage(10 * args.simulations, args.resamples)
    print(f"\n{_shares(['95 % intervals: % that hold the mean', 't', 'bootstrap'], held)}")
    with matplotlib.style.context(figures._STYLE):
        kinds = {"t test over seeds": "t", "verdict: new images too": "crossed"}
        drawn = {name: [alarms[seeds][key] for seeds in SEEDS] for name, key in kinds.items()}
        _save(_curves(SEEDS, drawn, 5, "Equal models that are called different"), "statistics_alarms", args.out)
        names = ("t interval", "percentile bootstrap")
        drawn = {name: [held[seeds][k] for seeds in FEW] for k, name in enumerate(names)}
        _save(_curves(FEW, drawn, 95, "95 % intervals that hold the true mean"), "statistics_coverage", args.out)
        if args.study:
            rows = _rows(args.study)
            print(f"\n{common.table(HEAD, [_numbers(row) for row in rows])}")
            _save(_forest(rows, rows[0]["rope"]), "statistics_forest", args.out)


if __name__ == "__main__":
    main()
