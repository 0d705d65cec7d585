"""1,797 handwritten digits of 8x8 pixels, embedded in scikit-learn.

The test part of Alpaydin and Kaynak's "Optical Recognition of Handwritten Digits" (UCI, 1998): counts of black pixels
in 4x4 blocks, 0 to 16.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bakeoff.data.source import Images, Info, Raw

INFO = Info(
    title="Digits",
    origin="scikit-learn's copy of UCI Optical Recognition of Handwritten Digits (test part)",
    channels=1,
    size=8,
    class_names=tuple("0123456789"),
    official_test=False,
    flip=False,
)


def load(data_root: Path) -> Raw:
    """The images that scikit-learn ships; `data_root` is not looked at."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Raw(train=Images(pixels[:, None], digits.target.astype(np.int64)), test=None)
