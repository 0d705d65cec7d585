"""The step `prepare`: splits, sizes, the files that it reads and those that it writes."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bakeoff.data import arrays, step
from bakeoff.data.arrays import PARTS
from bakeoff.data.source import Images, Info, Raw
from bakeoff.data.sources import fashion_mnist
from bakeoff.data.spec import DataSettings
from bakeoff.data.split import stratified_order
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import check_files, read_record, sha256

Labels = NDArray[np.int64]
INFO = Info("Toy", "nowhere", channels=1, size=4, class_names=("a", "b"), official_test=False, flip=False)


def shuffled(counts: list[int]) -> Labels:
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).permutation(labels).astype(np.int64)


def counts_of_prefixes(labels: Labels, order: Labels) -> NDArray[np.int64]:
    """[n, classes]: how many images of each class the first 1, 2, ... n images hold."""
    return np.cumsum(labels[order][:, None] == np.unique(labels), axis=0)


# --- the stratified order

some_counts = st.lists(st.integers(1, 30), min_size=1, max_size=8)
some_seed = st.integers(0, 2**63 - 1)


@given(some_counts, some_seed)
def test_the_order_is_a_permutation(counts: list[int], seed: int) -> None:
    order = stratified_order(shuffled(counts), seed)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(sum(counts)))


@given(some_counts, some_seed)
def test_every_prefix_holds_the_same_share_of_every_class_to_within_one_image(counts: list[int], seed: int) -> None:
    labels = shuffled(counts)
    held = counts_of_prefixes(labels, stratified_order(labels, seed))
    # There is a share t with |held - t * count| <= 1 for all classes.
    assert np.all(((held - 1) / counts).max(axis=1) <= ((held + 1) / counts).min(axis=1))


@given(st.integers(1, 30), st.integers(1, 8), some_seed)
def test_classes_of_equal_size_are_in_proportion_to_within_one_image(each: int, classes: int, seed: int) -> None:
    labels = shuffled([each] * classes)
    held = counts_of_prefixes(labels, stratified_order(labels, seed))
    assert np.all(held.max(axis=1) - held.min(axis=1) <= 1)


@given(some_counts, some_seed)
def test_the_same_seed_gives_the_same_order(counts: list[int], seed: int) -> None:
    labels = shuffled(counts)
    assert np.array_equal(stratified_order(labels, seed), stratified_order(labels, seed))


def test_another_seed_gives_another_order() -> None:
    labels = shuffled([50, 50])
    orders = {stratified_order(labels, seed).tobytes() for seed in range(20)}
    assert len(orders) == 20


def test_an_image_of_a_tiny_class_is_as_likely_as_any_other_to_come_first() -> None:
    labels = shuffled([1, 99])
    tiny = int(np.flatnonzero(labels == 0)[0])
    among_first = [tiny in stratified_order(labels, seed)[:25] for seed in range(400)]
    # 25 % of the time; 4 standard deviations are 0.087.
    assert np.mean(among_first) == pytest.approx(0.25, abs=0.087)


# --- splits


def toy(counts: list[int], test: int = 0) -> Raw:
    """Images whose pixels tell their place."""
    labels = shuffled(counts)
    places = np.arange(len(labels) + test).astype(np.uint8)
    pixels = np.broadcast_to(places[:, None, None, None], (len(places), 1, 4, 4)).copy()
    held_back = Images(pixels[len(labels) :], np.zeros(test, np.int64)) if test else None
    return Raw(Images(pixels[: len(labels)], labels), held_back)


def pixels_of(choice: step.Choice) -> NDArray[np.uint8]:
    assert isinstance(choice.images.pixels, np.ndarray)
    return choice.images.pixels[choice.rows]


def test_sizes_follow_the_fractions_and_no_image_is_in_two_parts() -> None:
    raw = toy([100, 60, 40])
    splits = step.split(raw, DataSettings(test_fraction=0.25, val_fraction=0.2), seed=1)
    assert {part: len(splits[part].ids) for part in PARTS} == {"train": 120, "val": 30, "test": 50}
    assert sorted(np.concatenate([splits[part].ids for part in PARTS])) == list(range(200))
    for part in PARTS:
        assert np.array_equal(pixels_of(splits[part])[:, 0, 0, 0], splits[part].ids)
        assert np.array_equal(splits[part].labels, raw.train.labels[splits[part].ids])
        assert np.bincount(splits[part].labels) / len(splits[part].ids) == pytest.approx([0.5, 0.3, 0.2], abs=0.05)


def test_an_official_test_set_stays_the_test_set() -> None:
    raw = toy([50, 50], test=30)
    splits = step.split(raw, DataSettings(test_fraction=0.9, val_fraction=0.1), seed=1)
    assert {part: len(splits[part].ids) for part in PARTS} == {"train": 90, "val": 10, "test": 30}
    assert splits["test"].ids.tolist() == list(range(100, 130))
    assert np.array_equal(pixels_of(splits["test"])[:, 0, 0, 0], splits["test"].ids)


def test_an_official_validation_set_stays_the_validation_set() -> None:
    raw = toy([50, 50], test=30)
    held_back = Images(np.full((20, 1, 4, 4), 200, np.uint8), np.arange(20) % 2)
    splits = step.split(dataclasses.replace(raw, val=held_back), DataSettings(val_fraction=0.9), seed=1)
    assert splits["val"].ids.tolist() == list(range(100, 120))
    assert splits["test"].ids.tolist() == list(range(120, 150))
    assert np.array_equal(np.sort(splits["train"].ids), np.arange(100))
    without_test = step.split(Raw(raw.train, None, held_back), DataSettings(test_fraction=0.3), seed=1)
    assert {part: len(without_test[part].ids) for part in PARTS} == {"train": 70, "val": 20, "test": 30}


@given(some_counts, some_seed, st.sets(st.integers(0, 200)))
def test_images_left_out_change_nothing_but_the_ids(counts: list[int], seed: int, left_out: set[int]) -> None:
    """The split is that of a data set in which they have never been."""
    raw = toy([count + 10 for count in counts])
    kept = np.array([i for i in range(len(raw.train)) if i not in left_out], np.int64)
    if len(kept) < 20:
        return
    without = step.split(Raw(Images(raw.train.pixels[kept], raw.train.labels[kept]), None), DataSettings(), seed)  # type: ignore[index]
    splits = step.split(raw, DataSettings(), seed, left_out)
    for part in PARTS:
        assert splits[part].ids.tolist() == kept[without[part].ids].tolist()


def test_fractions_that_leave_a_part_empty_are_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"'val': 0.*change val_fraction or test_fraction"):
        step.split(toy([2, 2]), DataSettings(val_fraction=0.1), seed=0)


@pytest.mark.parametrize(
    ("pixels", "labels", "complaint"),
    [
        (np.zeros((2, 1, 4, 4), np.float32), [0, 1], "not bytes of 1x4x4"),
        (np.zeros((2, 3, 4, 4), np.uint8), [0, 1], "not bytes of 1x4x4"),
        (np.zeros((2, 1, 4, 5), np.uint8), [0, 1], "not bytes of 1x4x4"),
        (np.zeros((0, 1, 4, 4), np.uint8), [], "not bytes of 1x4x4"),
        (np.zeros((2, 1, 4, 4), np.uint8), [0], "2 train images but 1 labels"),
        (np.zeros((2, 1, 4, 4), np.uint8), [0, 2], r"label is outside 0\.\.1"),
        (np.zeros((2, 1, 4, 4), np.uint8), [0, -1], r"label is outside 0\.\.1"),
    ],
)
def test_images_that_are_not_what_their_source_promises(pixels: Any, labels: list[int], complaint: str) -> None:
    with pytest.raises(UserError, match=f"toy: .*{complaint}"):
        step.check("toy", INFO, Raw(Images(pixels, np.array(labels, np.int64)), None))


# --- sizes


def test_images_of_the_right_size_are_left_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 2, 6, 6), dtype=np.uint8)
    assert np.array_equal(step.resize(pixels, 6), pixels)


def test_each_channel_of_each_image_is_resized_by_itself() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(3, 2, 1, 1).repeat(8, axis=2).repeat(8, axis=3)
    larger = step.resize(pixels, 12)
    assert larger.shape == (3, 2, 12, 12)
    assert np.array_equal(larger, pixels[:, :, :1, :1].repeat(12, axis=2).repeat(12, axis=3))


def test_shrinking_averages_rather_than_skips() -> None:
    lines = np.zeros((1, 1, 8, 8), np.uint8)
    lines[..., ::2] = 200
    assert step.resize(lines, 2).astype(float) == pytest.approx(100, abs=15)


# --- Fashion-MNIST's files


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3))
def test_idx_arrays_are_read_back(shape: list[int]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(fashion_mnist.parse_idx(idx(array)), array)


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"\0\0\x0d\1\0\0\0\0", b"<html>", idx(np.zeros((2, 3), np.uint8))[:-1]]
)
def test_what_is_no_idx_array_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"IDX|buffer|reshape"):
        fashion_mnist.parse_idx(content)


NAME = "t10k-labels-idx1-ubyte.gz"
GOOD = gzip.compress(b"labels", mtime=0)


def write_good_set(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in fashion_mnist.MD5:
        (folder / name).write_bytes(GOOD)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not Fashion-MNIST's file"),
        (b"<html>404</html>", "is damaged"),
        (GOOD[:-9], "is damaged"),
        (GOOD[:12] + bytes([GOOD[12] ^ 0xFF]) + GOOD[13:], "is damaged"),
        (GOOD, "is not Fashion-MNIST's file"),
    ],
)
def test_damaged_and_wrong_files_are_refused_in_one_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        fashion_mnist.read_checked(path)
    assert str(caught.value).startswith(f"{path}: {complaint}")
    assert "\n" not in str(caught.value)
    assert "delete it" in str(caught.value)


def test_a_file_with_the_published_content_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fashion_mnist.MD5, NAME, hashlib.md5(b"labels").hexdigest())
    (tmp_path / NAME).write_bytes(gzip.compress(b"labels", compresslevel=1, mtime=0))
    assert fashion_mnist.read_checked(tmp_path / NAME) == b"labels"


def test_the_users_folder_is_looked_at_before_debians(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    places = [root, root / "fashion_mnist", root / "FashionMNIST" / "raw", tmp_path / "debian"]
    monkeypatch.setattr(fashion_mnist, "DEBIAN", places[-1])
    assert fashion_mnist.find(root) is None
    for place in reversed(places[1:]):
        write_good_set(place)
        assert fashion_mnist.find(root) == place
    shutil.copytree(places[1], root, dirs_exist_ok=True)
    assert fashion_mnist.find(root) == root
    (root / NAME).unlink()
    assert fashion_mnist.find(root) == places[1]


Download = Callable[..., None]


@pytest.fixture
def torchvision_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Download], None]:
    """Stands in for torchvision's FashionMNIST, on a machine without Debian's package."""

    def replace(download: Download) -> None:
        monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "none")
        monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))  # importing it takes seconds
        monkeypatch.setitem(sys.modules, "torchvision.datasets", SimpleNamespace(FashionMNIST=download))

    return replace


def test_offline_the_message_says_where_to_put_the_files(
    tmp_path: Path, torchvision_does: Callable[[Download], None]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("Error downloading train-images:\nTried http://x, got:\n<urlopen error>\n")

    torchvision_does(fail)
    with pytest.raises(UserError) as caught:
        fashion_mnist.load(tmp_path)
    first, put, debian = str(caught.value).splitlines()
    assert "<urlopen error>" in first
    assert str(tmp_path) in put
    assert all(name in put for name in fashion_mnist.MD5)
    assert "apt-get install dataset-fashion-mnist" in debian


def test_a_download_that_leaves_half_the_files(tmp_path: Path, torchvision_does: Callable[[Download], None]) -> None:
    def leave_half(root: str, **_: Any) -> None:
        raw = Path(root) / "FashionMNIST" / "raw"
        write_good_set(raw)
        (raw / NAME).unlink()

    torchvision_does(leave_half)
    with pytest.raises(UserError, match=f"delete {tmp_path}/FashionMNIST and try again"):
        fashion_mnist.load(tmp_path)


def test_a_download_is_used(tmp_path: Path, torchvision_does: Callable[[Download], None]) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    torchvision_does(lambda *_, **__: write_good_set(raw))
    assert fashion_mnist.download(tmp_path) == raw


# --- what is written


def test_the_manifest_describes_the_arrays(digits: Path) -> None:
    manifest = read_record(digits / "manifest.json", "data")
    splits = {part: arrays.load(digits, part) for part in PARTS}
    assert manifest["files"] == {path.name: sha256(path) for path in digits.glob("*.npy")}
    assert len(manifest["files"]) == 9
    assert manifest["counts"] == {"train": 1146, "val": 202, "test": 449}
    assert (manifest["channels"], manifest["size"], manifest["flip"]) == (1, 12, False)
    for part, split in splits.items():
        assert split.pixels.shape == (manifest["counts"][part], 1, 12, 12)
        assert split.pixels.dtype == np.uint8
        assert manifest["class_counts"][part] == np.bincount(split.labels).tolist()
    unit = splits["train"].pixels / 255
    assert manifest["mean"] == pytest.approx([unit.mean()], abs=1e-6)
    assert manifest["std"] == pytest.approx([unit.std()], abs=1e-6)


def toy_source(monkeypatch: pytest.MonkeyPatch, raw: Raw) -> dict[str, Any]:
    """The spec of a data set whose source gives these images."""
    from bakeoff.data.sources import digits as source

    monkeypatch.setattr(source, "INFO", INFO)
    monkeypatch.setattr(source, "load", lambda _: raw)
    return {"name": "toy", "source": "digits", "settings": {}}


def test_images_of_one_shade_have_a_standard_deviation_to_divide_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = Images(np.full((40, 1, 4, 4), 7, np.uint8), np.arange(40) % 2)
    step.run(toy_source(monkeypatch, Raw(grey, None)), tmp_path, "0" * 16, tmp_path)
    manifest = read_record(tmp_path / "manifest.json", "data")
    assert manifest["std"] == pytest.approx([1 / 255], abs=1e-6)


def test_preparing_twice_gives_the_same_bytes(digits: Path, tmp_path: Path) -> None:
    manifest = read_record(digits / "manifest.json", "data")
    step.run(manifest["spec"], tmp_path / "again", manifest["code_digest"], tmp_path)
    again = read_record(tmp_path / "again" / "manifest.json", "data")
    assert again["files"] == manifest["files"]
    check_files(tmp_path / "again" / "manifest.json", manifest)


def test_arrays_are_written_chunk_by_chunk_as_numpy_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "_CHUNK", 7 * 16)
    raw = toy([30, 23])
    splits = step.split(raw, DataSettings(), 0)
    step.write(splits, tmp_path, 1, 4, 1)
    for part in PARTS:
        np.save(tmp_path / "plain.npy", pixels_of(splits[part]))
        assert (tmp_path / f"{part}_pixels.npy").read_bytes() == (tmp_path / "plain.npy").read_bytes()


def test_a_full_disk_leaves_nothing_half_done(tmp_path: Path) -> None:
    """A write fails with an exception; a memory map would end the process."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from bakeoff.data import step
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
spec = {{"name": "digits", "source": "digits", "settings": {{"image_size": 12}}}}
try:
    step.run(spec, Path({str(tmp_path)!r}), "0" * 16, Path("."))
except OSError as error:
    print(type(error).__name__)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "OSError\n"
    assert list(tmp_path.iterdir()) == []


def test_training_refuses_edited_arrays(digits: Path, tmp_path: Path, train_run: Callable[..., Path]) -> None:
    data = shutil.copytree(digits, tmp_path / "data")
    labels = np.load(data / "train_labels.npy")
    labels[0] = 9 - labels[0]
    np.save(data / "train_labels.npy", labels)
    with pytest.raises(Refused, match=r"train_labels\.npy: is not the file that manifest\.json describes"):
        train_run(tmp_path / "run", data=data, epochs=1)
    assert not (tmp_path / "run").exists()


def test_a_loaded_part_cannot_change_the_file(digits: Path) -> None:
    before = sha256(digits / "val_pixels.npy")
    arrays.load(digits, "val").pixels[:] = 0
    assert sha256(digits / "val_pixels.npy") == before


def test_arrays_of_other_settings_are_refused_by_training(digits: Path, tmp_path: Path) -> None:
    from bakeoff.train import step

    spec = {
        "dataset": {"name": "digits", "source": "digits", "settings": {"image_size": 16}},
        "recipe": {"epochs": 1},
        "device": "cpu",
        "threads": 1,
    }
    names = {"dataset": "digits", "model": "lenet5", "augmentation": "none", "recipe": "default", "seed": 0}
    with pytest.raises(Refused, match=r"manifest\.json: was made with other settings"):
        step.run(spec, names, digits, tmp_path / "run", "0" * 16)
    assert not (tmp_path / "run").exists()
