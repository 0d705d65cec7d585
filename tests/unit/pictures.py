"""Pictures on disk: folders of classes, and files that are no pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = (".png", ".JPG", ".webp", ".Jpeg", ".bmp")


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (20, 14), mode: str = "RGB") -> Path:
    """A picture of random coarse blocks, so that lossy formats keep it apart from others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).convert(mode).save(path)
    return path


def classes(root: Path, *names: str, each: int = 8, first: int = 0) -> Path:
    """root/class/image, in every format in turn."""
    for k, name in enumerate(names):
        for i in range(each):
            picture(root / name / f"{i}{SUFFIXES[i % len(SUFFIXES)]}", seed=first + 1000 * k + i)
    return root
