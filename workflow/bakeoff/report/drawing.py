"""What all figures share: their size, their colours, one look for each model. Nothing here touches pyplot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bakeoff.report.load import Results

_MM = 1 / 25.4
# Okabe & Ito (2008), without the yellow, which is hard to see on white. 7 colours and 9 markers repeat only after 63.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
Fill = Literal["full", "hollow", "left", "right", "top", "bottom"]
_FILLS: tuple[Fill, ...] = ("full", "hollow", "left", "right", "top", "bottom")
GREY = "#666666"


@dataclass(frozen=True)
class Look:
    """Colour and marker of each model, and the marker's filling of each (augmentation, recipe)."""

    models: dict[str, tuple[str, str]]
    fills: dict[tuple[str, str], Fill]

    @classmethod
    def of(cls, results: Results) -> Look:
        """The looks of a study: in the order of its cells, so the same in all figures."""
        models = dict.fromkeys(cell.model for cell in results.cells)
        variants = dict.fromkeys(cell.variant for cell in results.cells)
        return cls(
            {m: (_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]) for i, m in enumerate(models)},
            {v: _FILLS[min(i, len(_FILLS) - 1)] for i, v in enumerate(variants)},
        )


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
    """A figure of one column (85 mm) or two (170 mm), `height` mm without its legend, which stands below the panels."""
    width = 85 if columns == 1 else 170
    across = max(1, int(width / (10 + 1.3 * max((len(text) for _, text in legend), default=0))))
    figure = Figure(figsize=(width * _MM, (height + 4.2 * math.ceil(len(legend) / across) + 2) * _MM))
    if legend:
        lines, texts = zip(*legend, strict=True)
        figure.legend(lines, texts, loc="outside lower center", ncols=across, title=note or None, title_fontsize=6)
    return figure


def nothing(ax: Axes, text: str) -> None:
    """Say in an empty panel why it is empty."""
    ax.set(xticks=[], yticks=[])
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=GREY)
