"""Fashion-MNIST: 60,000 and 10,000 grey images of clothes, 28x28 (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747)."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.source import Images, Info, Raw
from bakeoff.errors import UserError

INFO = Info(
    title="Fashion-MNIST",
    origin="github.com/zalandoresearch/fashion-mnist, MIT licence",
    channels=1,
    size=28,
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    official_test=True,
    flip=True,
)

# md5 of the four files' decompressed content: Debian packs the same bytes anew, so the .gz files differ from the
# published ones. Before August 2017 the files had duplicates across the splits; these are the later ones.
MD5 = {
    "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
}
# Debian's package dataset-fashion-mnist.
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def load(data_root: Path) -> Raw:
    """Both splits, from `data_root`, Debian's package, or the network, whichever has them first."""
    folder = find(data_root) or download(data_root)
    return Raw(train=_images(folder, "train"), test=_images(folder, "t10k"))


def find(data_root: Path) -> Path | None:
    """The first folder that holds all four files: data_root, where torchvision keeps them in it, Debian's."""
    for folder in (data_root, data_root / "fashion_mnist", data_root / "FashionMNIST" / "raw", DEBIAN):
        if all((folder / name).is_file() for name in MD5):
            return folder
    return None


def download(data_root: Path) -> Path:
    """Fetch the four files with torchvision into data_root/FashionMNIST/raw."""
    from torchvision.datasets import FashionMNIST

    try:
        FashionMNIST(str(data_root), train=True, download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"Fashion-MNIST: not found in {data_root.resolve()} nor in {DEBIAN}, and not downloaded ({reason});\n"
            f"  put {', '.join(MD5)} into {data_root.resolve()},\n"
            f"  or on Debian: apt-get install dataset-fashion-mnist"
        ) from None
    folder = find(data_root)
    if folder is None:
        leftover = data_root.resolve() / "FashionMNIST"
        raise UserError(f"Fashion-MNIST: the download left an incomplete set of files; delete {leftover} and try again")
    return folder


def _images(folder: Path, part: str) -> Images:
    pixels = parse_idx(read_checked(folder / f"{part}-images-idx3-ubyte.gz"))
    labels = parse_idx(read_checked(folder / f"{part}-labels-idx1-ubyte.gz"))
    return Images(pixels[:, None], labels.astype(np.int64))


def read_checked(path: Path) -> bytes:
    """The content of one of the four files. Raises UserError when it is not the published one."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: is damaged ({error}); delete it and fetch it again") from None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != MD5[path.name]:
        raise UserError(f"{path}: is not Fashion-MNIST's file (md5 {found}, published {MD5[path.name]}); delete it")
    return content


def parse_idx(content: bytes) -> NDArray[np.uint8]:
    """An array of bytes in LeCun's IDX format: 0, 0, type 8, number of dimensions, their sizes, then the values."""
    if content[:3] != b"\0\0\x08":
        raise ValueError("is no IDX array of bytes")
    dimensions = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=dimensions, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(tuple(map(int, shape)))
