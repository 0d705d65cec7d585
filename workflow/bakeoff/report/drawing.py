"""What all figures share: their size, their colours, one look for each model. Nothing here touches pyplot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bakeoff.report.diagnosed import Change
from bakeoff.report.language import wrapped
from bakeoff.report.load import Results
from bakeoff.report.text import Names

_MM = 1 / 25.4
# Okabe & Ito (2008), without the yellow, which is hard to see on white. 7 colours and 9 markers repeat only after 63.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
Fill = Literal["full", "left", "hollow"]
GREY = "#666666"
# Mean width of a letter of a note, in mm.
_NOTE_LETTER = 1.2


@dataclass(frozen=True)
class Look:
    """Colour and marker of each model."""

    models: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, results: Results) -> Look:
        """The looks of a study: in the order of its cells, so the same in all figures."""
        models = dict.fromkeys(cell.model for cell in results.cells)
        return cls({m: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, m in enumerate(models)})


def columns_for(panels: int) -> int:
    """How many panels stand side by side: up to two while they are few, three of many."""
    return max(1, min(panels, 2 if panels <= 4 else 3))


def legend_of(names: Names, look: Look, models: Iterable[str]) -> list[tuple[Line2D, str]]:
    """The legend's entries of these models, in the order of the study."""
    shown = set(models)
    return [
        (Line2D([], [], color=colour, marker=marker, markersize=3.5), short(names(model)))
        for model, (colour, marker) in look.models.items()
        if model in shown
    ]


def titled(change: Change, names: Names, room: int) -> str:
    """What a panel of two models compares, on two lines."""
    sides = f"{short(names(change.candidate), room // 2 - 3)} minus {short(names(change.baseline), room // 2 - 3)}"
    fixed = [change.dataset, *(change.context.get(axis) for axis in ("model", "augmentation"))]
    data = ", ".join(short(names(value), room // 2 - 3) for value in fixed if value is not None)
    return f"{sides}\n{data}"


def shown_of(shown: int, there: int, what: str) -> str:
    """As in "; the first 12 of 27 rows", "" when all are shown."""
    return f"; the first {shown} of {there} {what}" if there > shown else ""


def marker_of(colour: str, marker: str, fill: Fill) -> dict[str, Any]:
    """A hollow marker is white inside, so that no line shows through."""
    if fill == "hollow":
        return {"color": colour, "marker": marker, "markerfacecolor": "white"}
    return {"color": colour, "marker": marker, "fillstyle": fill}


def short(text: str, length: int = 32) -> str:
    """Text that fits; the space keeps matplotlib from leaving out a legend entry that begins with "_"."""
    text = " ".join(text.split())
    text = text if len(text) <= length else f"{text[: length - 1]}…"
    return f" {text}" if text.startswith("_") else text


def canvas(columns: int, height: float, legend: Sequence[tuple[Line2D, str]] = (), note: str = "") -> Figure:
    """A figure of one column (85 mm) or two (170 mm), `height` mm without what stands below its panels: the legend, and
    a `note` in small print.
    """
    width = 85 if columns == 1 else 170
    across = max(1, int(width / (10 + 1.3 * max((len(text) for _, text in legend), default=0))))
    lines = wrapped(note, int(width / _NOTE_LETTER))
    below = 4.2 * math.ceil(len(legend) / across) + 2.8 * len(lines) + 2
    figure = Figure(figsize=(width * _MM, (height + below) * _MM))
    if legend:
        # matplotlib fills a legend down its columns; what belongs together stands side by side.
        handles, texts = zip(*(entry for i in range(across) for entry in legend[i::across]), strict=True)
        shown = figure.legend(handles, texts, loc="outside lower center", ncols=across)
        if note:
            shown.set_title("\n".join(lines))
            shown.get_title().set(fontsize=6, color=GREY, multialignment="center")
    elif note:
        figure.supxlabel("\n".join(lines), fontsize=6, color=GREY)
    return figure


def nothing(ax: Axes, text: str) -> None:
    """Say in an empty panel why it is empty."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=GREY)
