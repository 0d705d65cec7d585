"""The step `prepare`: from a source to arrays, splits and a manifest."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakeoff import plugins
from bakeoff.data import arrays
from bakeoff.data.arrays import PARTS, Part, Split
from bakeoff.data.source import Images, Info, Raw
from bakeoff.data.spec import DataSettings
from bakeoff.data.split import stratified_order
from bakeoff.errors import UserError
from bakeoff.provenance import Json, environment, validated, write_record
from bakeoff.seeding import stream_seed


def run(spec: Json, out: Path, code: str, data_root: Path) -> Path:
    """Write the arrays of one data set and `manifest.json` into the folder `out`; returns the manifest's path."""
    source = importlib.import_module(plugins.module("data/sources", spec["source"]))
    settings = validated(DataSettings, spec, "settings")
    info: Info = source.INFO
    raw: Raw = source.load(data_root)
    check(spec["source"], info, raw)

    size = settings.image_size or info.size
    splits = split(raw, settings, stream_seed(settings.split_seed, "split", spec["name"]))
    written: list[Path] = []
    for part in PARTS:
        resized = Split(resize(splits[part].pixels, size), splits[part].labels, splits[part].ids)
        written += arrays.save(out, part, resized)
        splits[part] = resized
    manifest = out / "manifest.json"
    write_record(manifest, "data", spec, code, describe(info, size, splits), written)
    return manifest


def check(name: str, info: Info, raw: Raw) -> None:
    """Raise UserError when the images are not what the data set's INFO promises."""
    for part, images in (("train", raw.train), ("test", raw.test)):
        if images is None:
            continue
        shape = (info.channels, info.size, info.size)
        if images.pixels.dtype != np.uint8 or images.pixels.shape[1:] != shape or len(images.pixels) == 0:
            raise UserError(f"{name}: its {part} images are not bytes of {'x'.join(map(str, shape))}")
        if len(images.pixels) != len(images.labels):
            raise UserError(f"{name}: {len(images.pixels)} {part} images but {len(images.labels)} labels")
        if images.labels.min() < 0 or images.labels.max() >= info.classes:
            raise UserError(f"{name}: a {part} label is outside 0..{info.classes - 1}")


def split(raw: Raw, settings: DataSettings, seed: int) -> dict[Part, Split]:
    """Cut the images into train, val and test, stratified by class. An official test set stays the test set."""
    order = stratified_order(raw.train.labels, seed)
    if raw.test is None:
        n_test = round(settings.test_fraction * len(order))
        test = _take(raw.train, order[:n_test])
        order = order[n_test:]
    else:
        ids = len(raw.train.labels) + np.arange(len(raw.test.labels), dtype=np.int64)
        test = Split(raw.test.pixels, raw.test.labels, ids)
    n_val = round(settings.val_fraction * len(order))
    splits: dict[Part, Split] = {
        "train": _take(raw.train, order[n_val:]),
        "val": _take(raw.train, order[:n_val]),
        "test": test,
    }
    counts = {part: len(splits[part]) for part in PARTS}
    if not all(counts.values()):
        raise UserError(f"too few images for these fractions: {counts}; change val_fraction or test_fraction")
    return splits


def _take(images: Images, chosen: NDArray[np.int64]) -> Split:
    return Split(images.pixels[chosen], images.labels[chosen], chosen)


def resize(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Images [N, C, H, W] as [N, C, size, size], by Pillow's bilinear filter (which averages when it shrinks)."""
    if pixels.shape[2:] == (size, size):
        return np.ascontiguousarray(pixels)
    flat = pixels.reshape(-1, *pixels.shape[2:])
    planes = [np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR)) for plane in flat]
    return np.stack(planes).reshape(*pixels.shape[:2], size, size)


def describe(info: Info, size: int, splits: dict[Part, Split]) -> Json:
    """The manifest's body: shapes, class counts, the mean and std that inputs are normalised with, duplicates."""
    train = splits["train"].pixels
    # From counts of the 256 values: exact, so the same on every machine, and in little memory.
    counts = np.stack([_count(train[:, channel]) for channel in range(info.channels)])
    values = np.arange(256) / 255
    mean = counts @ values / counts.sum(axis=1)
    std = np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1))
    return {
        "title": info.title,
        "origin": info.origin,
        "channels": info.channels,
        "size": size,
        "class_names": list(info.class_names),
        "flip": info.flip,
        "mean": mean.round(6).tolist(),
        "std": np.maximum(std, 1 / 255).round(6).tolist(),
        "counts": {part: len(splits[part]) for part in PARTS},
        "class_counts": {part: np.bincount(splits[part].labels, minlength=info.classes).tolist() for part in PARTS},
        "test_images_also_in_training": _overlap(splits),
        "environment": environment(["numpy", "pillow"]),
    }


def _count(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often each of the 256 values comes; image by image, as bincount takes eight bytes for each of its input."""
    return sum((np.bincount(image.ravel(), minlength=256) for image in pixels), np.zeros(256, dtype=np.int64))


def _overlap(splits: dict[Part, Split]) -> int:
    """How many test images are, byte for byte, among the images that training or the choice of epoch sees."""
    seen = {image.tobytes() for part in (splits["train"], splits["val"]) for image in part.pixels}
    return sum(image.tobytes() in seen for image in splits["test"].pixels)
