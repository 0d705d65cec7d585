"""Tiny files in the formats that torchvision reads, in the places where it looks. Invented: the images, their number,
and for CIFAR and SVHN the md5 that torchvision compares them with (MNIST's are compared when downloaded, so not here).
The classes of torchvision that read them are the real ones.
"""

from __future__ import annotations

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def images(n: int, *shape: int, seed: int) -> Bytes:
    """Random images that hold the darkest and the brightest value."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)
    pixels.flat[:2] = 0, 255
    return pixels


def idx(array: Bytes) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist(root: Path, patch: pytest.MonkeyPatch, name: str = "MNIST") -> None:
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    for seed, (part, n) in enumerate({"train": 40, "t10k": 20}.items()):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images(n, 28, 28, seed=seed)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx((np.arange(n) % 10).astype(np.uint8)))


def _cifar(root: Path, patch: pytest.MonkeyPatch, name: str, key: str, classes: int) -> None:
    from torchvision import datasets

    make = getattr(datasets, name)
    folder = root / make.base_folder
    folder.mkdir(parents=True)

    def write(file: str, entry: dict[str, object]) -> list[str]:
        content = pickle.dumps(entry)
        (folder / file).write_bytes(content)
        return [file, hashlib.md5(content).hexdigest()]

    def batches(files: list[list[str]], first: int) -> list[list[str]]:
        return [
            write(
                file,
                {
                    "data": images(2 * classes, 3, 32, 32, seed=seed).reshape(2 * classes, -1),
                    key: [i % classes for i in range(2 * classes)],
                },
            )
            for seed, (file, _) in enumerate(files, first)
        ]

    names = {make.meta["key"]: [f"class {i}" for i in range(classes)]}
    patch.setattr(make, "train_list", batches(make.train_list, 0))
    patch.setattr(make, "test_list", batches(make.test_list, 50))
    patch.setattr(make, "meta", {**make.meta, "md5": write(make.meta["filename"], names)[1]})


def cifar10(root: Path, patch: pytest.MonkeyPatch) -> None:
    _cifar(root, patch, "CIFAR10", "labels", 10)


def cifar100(root: Path, patch: pytest.MonkeyPatch) -> None:
    _cifar(root, patch, "CIFAR100", "fine_labels", 100)


def svhn(root: Path, patch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    root.mkdir(parents=True, exist_ok=True)
    lists = {}
    for seed, (part, (url, file, _)) in enumerate(SVHN.split_list.items()):
        pixels = images(30, 32, 32, 3, seed=seed).transpose(1, 2, 3, 0)
        savemat(root / file, {"X": pixels, "y": (np.arange(30) % 10 + 1)[:, None]})  # its digit 0 is 10
        lists[part] = [url, file, hashlib.md5((root / file).read_bytes()).hexdigest()]
    patch.setattr(SVHN, "split_list", lists)


WRITERS = {"mnist": mnist, "cifar10": cifar10, "cifar100": cifar100, "svhn": svhn}
