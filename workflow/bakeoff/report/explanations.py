"""Where networks look: the same test images under the maps of several, and how faithful these maps are."""

from __future__ import annotations

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
_NOTE = (
    "HiResCAM (Draelos and Carin 2020; for nets that average their last map it is Grad-CAM) of the class answered. "
    "Insertion minus deletion (Petsiuk et al. 2018): the area under the probability of that class as pixels are "
    "uncovered in the order of the map, less that as they are blotted out. Gain: the same less that of random maps as "
    "coarse; only above 0 has a map found what the answer comes from. The middle: what a map scores that always points "
    "there; where objects are centred it is hard to beat. Above random: runs whose gain is over two standard errors."
)


def table(results: Results, names: Names) -> Table | None:
    """One row a cell: faithfulness beside random maps; None where no study asked for it."""
    found = {id(p): p.faithfulness for p in results.diagnostics.probes if p.faithfulness}
    cells = [probed for probed in results.diagnostics.probes if id(probed) in found]
    if not cells:
        return None

    def column(title: str, name: str) -> Column[Probed]:
        def text(probed: Probed) -> str:
            mean, std = getattr(found[id(probed)], name)
            if mean is None:
                return NONE
            return f"{mean:+.3f}".replace("-", "−") + (f" ± {std:.3f}" if std is not None else "")

        return Column(title, text)

    def above(probed: Probed) -> str:
        of: Faithfulness = found[id(probed)]
        return f"{NONE} ({of.reason})" if of.reason else f"{of.runs_above_random} of {probed.n_runs}"

    columns: list[Column[Probed]] = [
        Column("Model", lambda probed: names(probed.model), left=True),
        Column("Augmentation", lambda probed: names(probed.augmentation), left=True),
        column("Insertion − deletion", "difference"),
        column("Random maps", "random"),
        column("The middle", "centre"),
        column("Gain", "gain"),
        Column("Runs above random", above, left=True),
    ]
    return build(
        "faithfulness", "Do the maps show what answers come from?", columns, by_dataset(cells, names), (_NOTE,)
    )


def figure(results: Results, names: Names) -> Figure:
    """Images of one data set in a row, and below them a row of maps for each model at its best augmentation."""
    probed = [p for p in best(results, results.diagnostics.probes) if p.looks is not None]
    rows = [p for p in probed if p.dataset == probed[0].dataset][:_MOST_ROWS] if probed else []
    looks = [p.looks for p in rows if p.looks is not None]
    if not looks:
        empty = canvas(1, 60)
        nothing(empty.subplots(), "The study asks for no explanations\n(probe: {explain: 8})")
        return empty
    across = min(_ACROSS, len(looks[0].pixels))
    note = f"{short(names(rows[0].dataset))}. Yellow: where HiResCAM says that the answer comes from. × wrong answer."
    drawn = canvas(2, (len(rows) + 1) * _SIDE, note=note)
    axes = drawn.subplots(len(rows) + 1, across, squeeze=False)
    for ax in axes.ravel():
        ax.set(xticks=[], yticks=[])
    for column, ax in enumerate(axes[0]):
        _plain(ax, looks[0].pixels[column])
    axes[0, 0].set_ylabel("image", fontsize=6)
    for line, cell, look in zip(axes[1:], rows, looks, strict=True):
        line[0].set_ylabel(short(names(cell.model), 16), fontsize=6)
        for column, ax in enumerate(line):
            _overlay(ax, look, column)
    return drawn


def _plain(ax: Axes, pixels: Bytes) -> None:
    shown = pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]
    ax.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def _overlay(ax: Axes, look: Looks, column: int) -> None:
    ax.imshow(look.pixels[column].mean(axis=0), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    heat = look.maps[column] / 255
    ax.imshow(heat, cmap="plasma", vmin=0, vmax=1, alpha=0.15 + 0.6 * heat, interpolation="nearest")
    if look.predicted[column] != look.y_true[column]:
        ax.set_title("×", fontsize=7, pad=1, color="#b00020")
