"""Sets of torchvision by name, and those drawn from a seed. The classes that read are torchvision's own; the files are
invented, as is their md5 where torchvision compares it.
"""

from __future__ import annotations

import hashlib
import socket
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
from pictures import picture
from study_fixture import grid

from bakeoff.data import registry, step
from bakeoff.data.library import torchvision as library
from bakeoff.data.sources import nine_cells, squares
from bakeoff.data.torchsets import open_set, parameters
from bakeoff.errors import UserError
from bakeoff.provenance import Json, read_record

every_known = pytest.mark.parametrize("name", sorted(library.KNOWN))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def prepare(root: Path, out: Path, **entry: Any) -> Json:
    study = grid(datasets=[{"name": "set", **entry}], data_root=str(root))
    return read_record(step.run(study.data_spec("set"), out, "0" * 16, root, "", 2), "data")


def idx(array: Any) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, prefix: str, n: int, labels: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(pixels))
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.asarray(labels, np.uint8)))


# --- what is known without the bytes


@every_known
def test_the_classes_take_the_arguments_that_they_are_called_with(name: str) -> None:
    from torchvision import datasets

    known = library.KNOWN[name]
    wanted = {argument for call in known.parts.values() for argument in call} | ({known.argument} - {""})
    assert f"torchvision/{name}" in registry.names()
    assert wanted <= parameters(getattr(datasets, name))
    assert (known.classes is None) == bool(known.variants) == bool(known.argument)


@every_known
def test_facts_are_told_without_torchvision(name: str) -> None:
    info = registry.info(f"torchvision/{name}", registry.complete(f"torchvision/{name}", {}), Path("nowhere"))
    assert info.classes >= 2
    assert info.channels in (1, 3)
    assert str(info.classes) in registry.about(f"torchvision/{name}")


def test_what_is_missing_is_said_with_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        prepare(tmp_path, tmp_path / "out", source="torchvision/Flowers102", image_size=8)
    assert str(tmp_path) in str(caught.value)
    assert "no network in tests" in str(caught.value)
    assert "torchvision.datasets.Flowers102.html" in str(caught.value)


@pytest.mark.parametrize("name", [n for n in registry.names() if "/" in n])
def test_no_set_without_files_ends_in_a_traceback(name: str, tmp_path: Path) -> None:
    options = registry.complete(name, {"classes": 10})
    with pytest.raises(UserError):
        registry.load(name, options, tmp_path)


# --- sets with invented files


def test_a_set_of_mnists_form(tmp_path: Path) -> None:
    raw = tmp_path / "data" / "KMNIST" / "raw"
    write_idx(raw, "train", 60, np.arange(60) % 10)
    write_idx(raw, "t10k", 30, np.arange(30) % 10)
    manifest = prepare(tmp_path / "data", tmp_path / "out", source="torchvision/KMNIST")
    assert manifest["counts"] == {"train": 51, "val": 9, "test": 30}
    assert (manifest["channels"], manifest["size"], manifest["flip"]) == (1, 28, False)
    assert manifest["class_names"] == ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
    (tmp_path / "data" / "kmnist").mkdir()
    (tmp_path / "data" / "KMNIST").rename(tmp_path / "data" / "kmnist" / "KMNIST")
    again = prepare(tmp_path / "data", tmp_path / "again", source="torchvision/KMNIST")
    assert again["files"] == manifest["files"]


def test_a_variant_whose_labels_begin_at_one(tmp_path: Path) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    for part in ("train", "test"):
        write_idx(raw, f"emnist-letters-{part}", 130, np.arange(130) % 26 + 1)
    entry = {"source": "torchvision/EMNIST", "variant": "letters"}
    manifest = prepare(tmp_path, tmp_path / "out", **entry)
    assert manifest["class_names"] == list("abcdefghijklmnopqrstuvwxyz")
    assert manifest["class_counts"]["test"] == [5] * 26


def flowers(root: Path, patch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat
    from torchvision.datasets import Flowers102

    base = root / "flowers-102"
    labels = np.repeat(np.arange(1, 103), 3)
    for i in range(1, len(labels) + 1):
        picture(base / "jpg" / f"image_{i:05}.jpg", seed=i, size=(24, 16))
    ids = np.arange(1, len(labels) + 1)
    savemat(base / "imagelabels.mat", {"labels": labels})
    savemat(base / "setid.mat", {"trnid": ids[::3], "valid": ids[1::3], "tstid": ids[2::3]})
    files = {
        key: (file, hashlib.md5((base / file).read_bytes()).hexdigest())
        for key, file in {"label": "imagelabels.mat", "setid": "setid.mat"}.items()
    }
    patch.setattr(Flowers102, "_file_dict", {**Flowers102._file_dict, **files})


def test_a_set_of_photographs_with_an_official_validation_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flowers(tmp_path, monkeypatch)
    manifest = prepare(tmp_path, tmp_path / "out", source="torchvision/Flowers102", image_size=8)
    assert manifest["counts"] == {"train": 102, "val": 102, "test": 102}
    assert manifest["class_names"][:2] == ["pink primrose", "hard-leaved pocket orchid"]
    other = prepare(tmp_path, tmp_path / "other", source="torchvision/Flowers102", image_size=8, fit="pad", channels=1)
    assert other["channels"] == 1
    with pytest.raises(UserError, match=r"has 102 classes, not 100; correct the option classes"):
        prepare(tmp_path, tmp_path / "out", source="torchvision/Flowers102", image_size=8, classes=100)
    (tmp_path / "flowers-102" / "jpg" / "image_00004.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 image cannot be read.*\n  Flowers102 train 1 \(cannot identify"):
        prepare(tmp_path, tmp_path / "out", source="torchvision/Flowers102", image_size=8)


def test_a_set_that_is_not_known_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a later torchvision may have it."""
    from PIL import Image
    from torchvision import datasets

    class Novel:
        def __init__(self, root: str, split: str, download: bool = False) -> None:
            self.n = {"train": 40, "test": 20}[split]

        def __len__(self) -> int:
            return self.n

        def __getitem__(self, i: int) -> tuple[Any, int]:
            return Image.new("RGB", (9, 9), (i, 0, 0)), i % 4

    monkeypatch.setattr(datasets, "Novel", Novel, raising=False)
    monkeypatch.setattr(registry, "library_names", lambda: ("Novel",))
    source = {"source": "torchvision/Novel", "image_size": 8}
    with pytest.raises(UserError, match="how many torchvision's Novel has is not known here"):
        prepare(tmp_path, tmp_path / "out", **source)
    assert prepare(tmp_path, tmp_path / "out", classes=4, **source)["class_counts"]["test"] == [5] * 4
    with pytest.raises(UserError, match="Novel: has 4 classes, not 5"):
        prepare(tmp_path, tmp_path / "out", classes=5, **source)
    with pytest.raises(UserError, match=r"a train label is outside 0\.\.2|has 4 classes, not 3"):
        prepare(tmp_path, tmp_path / "out", classes=3, **source)


def test_labels_are_found_wherever_a_class_keeps_them() -> None:
    class Set(SimpleNamespace):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, i: int) -> tuple[None, int]:
            return None, i + 4

    pairs = [("a", 1), ("b", 2), ("c", 0)]
    for places in ({"targets": [1, 2, 0]}, {"_labels": [1, 2, 0]}, {"y": [1, 2, 0]}, {"_samples": pairs}):
        assert library.labels(Set(**places)).tolist() == [1, 2, 0]
    assert library.labels(Set(targets=[1])).tolist() == [4, 5, 6]


def test_of_several_names_of_a_class_the_first_and_each_once() -> None:
    dataset = SimpleNamespace(classes=[("crane", "bird"), ("tench",), ("crane", "machine")])
    assert library._class_names(dataset, "classes", 0) == ("crane (0)", "tench", "crane (2)")


def test_a_folder_of_the_sets_own_is_looked_into(tmp_path: Path) -> None:
    write_idx(tmp_path / "mnist" / "MNIST" / "raw", "train", 10, np.arange(10))
    write_idx(tmp_path / "mnist" / "MNIST" / "raw", "t10k", 10, np.arange(10))
    assert len(open_set("MNIST", tmp_path, train=True)) == 10


# --- squares


def test_squares_are_the_same_on_every_machine() -> None:
    """The digest was made once; whoever changes it makes other images of the same settings."""
    drawn = np.stack([squares.draw(label, 3, f"bakeoff squares 0 {label}") for label in range(10)])
    assert (
        hashlib.sha256(drawn.tobytes()).hexdigest()
        == "caf7632e594c27b7690ec232841d928b6937d55078e2d9306698edc2b254e640"
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_squares_are_whole_and_of_their_size(channels: int) -> None:
    """Brighter than half way, whatever the noise, which is left out: shades are 128 to 255 on 0 to 85."""
    for i in range(200):
        noisy = squares.draw(i % 10, channels, str(i)).mean(axis=0)
        smooth = (noisy[:-1, :-1] + noisy[1:, :-1] + noisy[:-1, 1:] + noisy[1:, 1:]) / 4
        side = 2 * (3, 5, 7, 9, 11)[i % 10 // 2] + 1
        assert 0.6 * side**2 < (smooth > 112).sum() < 1.3 * side**2


def test_the_seed_and_the_options_make_other_squares(tmp_path: Path) -> None:
    manifest = prepare(tmp_path, tmp_path / "a", source="squares", images=60, classes=4, channels=1)
    assert manifest["class_names"] == ["upright 7", "corner 7", "upright 11", "corner 11"]
    assert sum(manifest["counts"].values()) == 60
    other = prepare(tmp_path, tmp_path / "b", source="squares", images=60, classes=4, channels=1, seed=1)
    assert other["files"]["test_pixels.npy"] != manifest["files"]["test_pixels.npy"]


@pytest.mark.parametrize("options", [{"classes": 1}, {"classes": 11}, {"images": 5}, {"images": 10**9}])
def test_impossible_squares_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"datasets\[0\]: (classes|images): [0-9]+ must be"):
        grid(datasets=[{"name": "squares", **options}])


# --- nine cells


def test_nine_cells_are_the_same_on_every_machine() -> None:
    """The digest was made once; whoever changes it makes other images of the same settings."""
    drawn = np.stack([nine_cells.draw(label, f"bakeoff nine cells 0 train {label}") for label in range(9)])
    assert (
        hashlib.sha256(drawn.tobytes()).hexdigest()
        == "ffae0dcba7cf81e66d33734bda4faa7af55d7560b89dc0c1423066f10929c841"
    )


def test_a_square_lies_in_its_cell_whole() -> None:
    places = set()
    for i in range(360):
        image = nine_cells.draw(i % 9, str(i))
        windows = np.lib.stride_tricks.sliding_window_view(image, (6, 6))
        one_shade = (windows.min(axis=(2, 3)) == windows.max(axis=(2, 3))) & np.isin(windows[:, :, 0, 0], (0, 255))
        ((top, left),) = np.argwhere(one_shade)
        cell = [np.searchsorted(nine_cells.EDGES, edge, "right") - 1 for edge in (top, top + 5, left, left + 5)]
        assert cell == [i % 9 // 3] * 2 + [i % 9 % 3] * 2
        places.add((top, left, int(image[top, left])))
    assert len(places) > 250  # of 2 x 17 x 17


def test_more_images_leave_the_first_ones_as_they_are() -> None:
    few, many = (nine_cells.load(Path(), images=n, val_images=9, test_images=9) for n in (20, 30))
    assert np.array_equal(few.train.pixels, many.train.pixels[:20])
    assert few.test is not None
    assert not {image.tobytes() for image in few.test.pixels} & {image.tobytes() for image in few.train.pixels}
