"""What the training images look like under each policy of the study."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from bakeoff.report.drawing import canvas, nothing, short
from bakeoff.report.sampled import Sample
from bakeoff.report.text import Names

_IMAGES = 2
"""Rows of a policy, while these are few."""
_MANY = 4
_MOST_ROWS = 12
_SIDE = 18
"""Of one picture, in mm."""


def figure(samples: Sequence[Sample], names: Names) -> Figure:
    """Images of the first data set, a row a policy or two where there are few policies: as it is, then its draws."""
    of_first = [sample for sample in samples if sample.dataset == samples[0].dataset]
    per = _IMAGES if len(of_first) <= _MANY else 1
    rows = [(sample, i) for sample in of_first for i in range(min(per, len(sample.pixels)))][:_MOST_ROWS]
    if not rows:
        empty = canvas(1, 60)
        nothing(empty.subplots(), "No samples of the training images")
        return empty
    drawn = canvas(2, len(rows) * _SIDE, note=f"{short(names(of_first[0].dataset))}.")
    axes = drawn.subplots(len(rows), of_first[0].pixels.shape[1], squeeze=False)
    for line, (sample, i) in zip(axes, rows, strict=True):
        for ax, image in zip(line, sample.pixels[i], strict=True):
            shown = image.transpose(1, 2, 0) if len(image) == 3 else image[0]
            ax.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
        if i == 0:
            line[0].set_ylabel(short(names(sample.augmentation), 16), fontsize=6)
    axes[0, 0].set_title("image", fontsize=6, pad=2)
    return drawn
