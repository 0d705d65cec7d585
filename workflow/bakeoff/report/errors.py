"""The test images that models get wrong and are sure of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bakeoff.report.choice import best
from bakeoff.report.diagnosed import Diagnosis, Mistake, Pixels
from bakeoff.report.drawing import GREY, canvas, nothing, short
from bakeoff.report.load import Results
from bakeoff.report.text import Names

_ACROSS = 6
_MOST = 24
_HEIGHT = 37
"""Of one picture with its text, in mm."""


def errors(results: Results, names: Names) -> Figure:
    """A sheet of up to 24 images: of one model alone, or of the best ones a row or two each."""
    every = _by_turns([m for m in best(results, results.diagnostics.cells) if m.worst])
    shown = every[: _MOST // _ACROSS]
    pictured = [m for m in shown if m.dataset in results.diagnostics.pictures]
    if not pictured:
        figure = canvas(1, 60)
        nothing(figure.subplots(), f"No picture:\n{_reason(results)}")
        return figure
    lines = _MOST // _ACROSS // len(pictured)
    blocks = [(m, m.worst[: lines * _ACROSS]) for m in pictured]
    heights = [math.ceil(len(worst) / _ACROSS) for _, worst in blocks]
    more = f" The best {len(pictured)} of {len(every)} models." if len(every) > len(pictured) else ""
    note = f"What most seeds get wrong first, then by the mean confidence of the wrong answer.{more}"
    figure = canvas(2, sum(heights) * _HEIGHT + 5 * len(blocks), note=note)
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, (m, worst), rows in zip(parts, blocks, heights, strict=True):
        part.suptitle(_title(m, names), fontsize=7.5, fontweight="bold", x=0.01, ha="left")
        axes = part.subplots(rows, _ACROSS, squeeze=False).ravel()
        for ax in axes:
            ax.set_axis_off()
        for ax, mistake in zip(axes, worst, strict=False):
            _picture(ax, mistake, results.diagnostics.pictures[m.dataset].get(mistake.example_id))
    return figure


def _by_turns(diagnoses: Sequence[Diagnosis]) -> list[Diagnosis]:
    """The best model of each dataset, then the second of each, and so on."""
    turns: dict[str, int] = {}
    order = []
    for diagnosis in diagnoses:
        turns[diagnosis.dataset] = turns.get(diagnosis.dataset, 0) + 1
        order.append(turns[diagnosis.dataset])
    return [diagnosis for _, diagnosis in sorted(zip(order, diagnoses, strict=True), key=lambda pair: pair[0])]


def _reason(results: Results) -> str:
    """Why there is no picture, where a dataset says so."""
    reasons = [reason for reason in results.diagnostics.without_pictures.values() if reason]
    if not results.diagnostics.cells:
        return "no finished run"
    return short(reasons[0], 60) if reasons else "no run classifies an image wrongly"


def _title(diagnosis: Diagnosis, names: Names) -> str:
    return (
        f"{short(names(diagnosis.model))} · {short(names(diagnosis.dataset))} · {short(names(diagnosis.augmentation))}"
    )


def _picture(ax: Axes, mistake: Mistake, pixels: Pixels | None) -> None:
    ax.set_title(
        f"said: {short(mistake.predicted, 16)}\nis: {short(mistake.true, 16)}\n{mistake.seeds}",
        fontsize=6,
        fontweight="normal",
        pad=2,
    )
    if pixels is None:
        ax.text(0.5, 0.5, "no picture", ha="center", va="center", transform=ax.transAxes, color=GREY, fontsize=6)
        return
    shown = pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]
    ax.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
