"""Accuracy on corrupted images: a table, and a figure over severities."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from bakeoff.report.drawing import Look, canvas, columns_for, legend_of, nothing, short
from bakeoff.report.load import Results
from bakeoff.report.probed import Probed, Robustness
from bakeoff.report.tabular import Column, Table, build, by_dataset
from bakeoff.report.text import NONE, Names, Unit, capital

_MAX_DATASETS = 4
_NOTE = (
    "Corruptions of Hendrycks and Dietterich (2019), the same images for all models; the mean is over all of them and "
    "five severities. Kept: mean over clean, so that models that start elsewhere compare. Of single corruptions the "
    "mean over severities."
)


def _found(results: Results) -> list[tuple[Probed, Robustness]]:
    return [(probed, probed.robustness) for probed in results.diagnostics.probes if probed.robustness]


def table(results: Results, names: Names) -> Table | None:
    """One row a cell; None where no study asked for it."""
    found = _found(results)
    if not found:
        return None
    unit = Unit.of("fraction")
    of = {id(probed): robustness for probed, robustness in found}

    def column(name: str) -> Column[Probed]:
        def text(probed: Probed) -> str:
            values = of[id(probed)].by_severity.get(name)
            return NONE if values is None else unit.spread(float(np.mean(values)), None)

        return Column(capital(name.replace("_", " ")), text, unit=unit.sign)

    columns: list[Column[Probed]] = [
        Column("Model", lambda probed: names(probed.model), left=True),
        Column("Augmentation", lambda probed: names(probed.augmentation), left=True),
        Column("Clean", lambda probed: unit.spread(*of[id(probed)].clean), unit=unit.sign),
        Column("Corrupted", lambda probed: unit.spread(*of[id(probed)].mean), unit=unit.sign),
        Column("Kept", lambda probed: unit.spread(*of[id(probed)].kept), unit=unit.sign),
        *map(column, dict.fromkeys(name for _, robustness in found for name in robustness.by_severity)),
    ]
    groups = by_dataset([probed for probed, _ in found], names)
    return build("robustness", "Accuracy on corrupted test images", columns, groups, (_NOTE,))


def figure(results: Results, names: Names, look: Look) -> Figure:
    """Mean accuracy over all corruptions against their severity, one line a cell, from clean images (0) on."""
    found = _found(results)
    datasets = list(dict.fromkeys(probed.dataset for probed, _ in found))[:_MAX_DATASETS]
    if not datasets:
        empty = canvas(1, 60)
        nothing(empty.subplots(), "The study asks for no corruptions\n(probe: {corruptions: true})")
        return empty
    columns = columns_for(len(datasets))
    rows = math.ceil(len(datasets) / columns)
    note = "Mean over corruptions and seeds; one line for each augmentation and recipe."
    drawn = canvas(columns, rows * 62, legend_of(names, look, {probed.model for probed, _ in found}), note)
    axes = drawn.subplots(rows, columns, squeeze=False).ravel()
    for ax, dataset in zip(axes, datasets, strict=False):
        for probed, robustness in found:
            if probed.dataset == dataset and robustness.clean[0] is not None:
                colour, marker = look.models[probed.model]
                by_severity = np.mean(list(robustness.by_severity.values()), axis=0)
                ax.plot(range(6), [100 * value for value in (robustness.clean[0], *by_severity)], color=colour,
                        marker=marker, markersize=3.5)  # fmt: skip
        ax.set(title=short(names(dataset)), xlabel="Severity (0: clean)", ylabel="Test accuracy (%)")
    for ax in axes[len(datasets) :]:
        ax.set_axis_off()
    return drawn
