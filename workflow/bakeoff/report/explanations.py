"""Where networks look: the same test images under the maps of several, and how faithful these maps are."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bakeoff.report.choice import best
from bakeoff.report.drawing import canvas, nothing, short
from bakeoff.report.load import Results
from bakeoff.report.probed import Bytes, Faithfulness, Looks, Probed
from bakeoff.report.tabular import Column, Table, build, by_dataset
from bakeoff.report.text import NONE, Names

_ACROSS = 8
_MOST_ROWS = 8
_SIDE = 20
"""Of one picture, in mm."""
_METHODS = {"hirescam": "HiResCAM", "gradcam": "Grad-CAM", "shap": "SHAP"}
_ABOUT = {
    "hirescam": "HiResCAM: Draelos and Carin 2020; for nets that average their last map it is Grad-CAM.",
    "gradcam": "Grad-CAM: Selvaraju et al. 2017.",
    "shap": "SHAP: expected gradients, Erion et al. 2021; pixel by pixel, and so are its random maps.",
}
_NOTE = (
    "Maps of the class answered. "
    "Insertion minus deletion (Petsiuk et al. 2018): the area under the probability of that class as pixels are "
    "uncovered in the order of the map, less that as they are blotted out. Gain: the same less that of random maps as "
    "coarse; only above 0 has a map found what the answer comes from. The middle: what a map scores that always points "
    "there; where objects are centred it is hard to beat. Above random: runs whose gain is over two standard errors."
)


def table(results: Results, names: Names) -> Table | None:
    """One row a cell: faithfulness beside random maps; None where no study asked for it."""
    rows = [_Row(p, *found) for p in results.diagnostics.probes for found in (p.faithfulness or {}).items()]
    if not rows:
        return None

    def column(title: str, name: str) -> Column[_Row]:
        def text(row: _Row) -> str:
            mean, std = getattr(row.found, name)
            if mean is None:
                return NONE
            return f"{mean:+.3f}".replace("-", "−") + (f" ± {std:.3f}" if std is not None else "")

        return Column(title, text)

    def above(row: _Row) -> str:
        reason = row.found.reason
        return f"{NONE} ({reason})" if reason else f"{row.found.runs_above_random} of {row.probed.n_runs}"

    columns: list[Column[_Row]] = [
        Column("Model", lambda row: names(row.probed.model), left=True),
        Column("Augmentation", lambda row: names(row.probed.augmentation), left=True),
        Column("Map", lambda row: _METHODS[row.method], left=True),
        column("Insertion − deletion", "difference"),
        column("Random maps", "random"),
        column("The middle", "centre"),
        column("Gain", "gain"),
        Column("Runs above random", above, left=True),
    ]
    notes = (_NOTE, *(about for method, about in _ABOUT.items() if any(row.method == method for row in rows)))
    return build("faithfulness", "Do the maps show what answers come from?", columns, by_dataset(rows, names), notes)


@dataclass(frozen=True)
class _Row:
    """What one method found in the runs of a cell."""

    probed: Probed
    method: str
    found: Faithfulness

    @property
    def dataset(self) -> str:
        """Of the cell."""
        return self.probed.dataset


def figure(results: Results, names: Names) -> Figure:
    """Images of one data set in a row, and below a row of maps for each model, at its best augmentation, and method."""
    probed = [p for p in best(results, results.diagnostics.probes) if p.looks is not None]
    of_first = [p for p in probed if p.dataset == probed[0].dataset] if probed else []
    rows = [(p, p.looks, method) for p in of_first if p.looks is not None for method in p.looks.maps][:_MOST_ROWS]
    if not rows:
        empty = canvas(1, 60)
        nothing(empty.subplots(), "The study asks for no explanations\n(probe: {explain: 8})")
        return empty
    first, looks, _ = rows[0]
    methods = list(dict.fromkeys(method for _, _, method in rows))
    said = " and ".join(_METHODS[method] for method in methods)
    across = min(_ACROSS, len(looks.pixels))
    note = f"{short(names(first.dataset))}. Yellow: where {said} says that the answer comes from. × wrong answer."
    drawn = canvas(2, (len(rows) + 1) * _SIDE, note=note)
    axes = drawn.subplots(len(rows) + 1, across, squeeze=False)
    for ax in axes.ravel():
        ax.set(xticks=[], yticks=[])
    for column, ax in enumerate(axes[0]):
        _plain(ax, looks.pixels[column])
    axes[0, 0].set_ylabel("image", fontsize=6)
    for line, (cell, look, method) in zip(axes[1:], rows, strict=True):
        which = f"\n{_METHODS[method]}" if len(methods) > 1 else ""
        line[0].set_ylabel(short(names(cell.model), 16) + which, fontsize=6)
        for column, ax in enumerate(line):
            _overlay(ax, look, method, column)
    return drawn


def _plain(ax: Axes, pixels: Bytes) -> None:
    shown = pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]
    ax.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def _overlay(ax: Axes, look: Looks, method: str, column: int) -> None:
    ax.imshow(look.pixels[column].mean(axis=0), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    heat = look.maps[method][column] / 255
    ax.imshow(heat, cmap="plasma", vmin=0, vmax=1, alpha=0.15 + 0.6 * heat, interpolation="nearest")
    if look.predicted[column] != look.y_true[column]:
        ax.set_title("×", fontsize=7, pad=1, color="#b00020")
