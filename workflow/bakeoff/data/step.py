"""The step `prepare`: from a source to arrays, splits and a manifest."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakeoff.data import arrays, registry
from bakeoff.data.arrays import PARTS, Part, Split
from bakeoff.data.source import Images, Info, Named, Raw, Unreadable
from bakeoff.data.spec import DataSettings
from bakeoff.data.split import stratified_order
from bakeoff.errors import UserError
from bakeoff.provenance import Json, at_path, environment, validated, write_record
from bakeoff.seeding import stream_seed

# What is held in memory at a time: this many bytes of resized images.
_CHUNK = 64 * 2**20


def run(
    spec: Json,
    out: Path,
    code: str,
    data_root: Path,
    place: str = "",
    threads: int = 1,
    admit: Callable[[Path], None] | None = None,
) -> Path:
    """Write the arrays of one data set and `manifest.json` into the folder `out`; returns the manifest's path.

    `place` is the path of a user's own images, as the study has it. Raises UserError when they are not those that the
    spec was made for, or an image cannot be decoded (and is not to be left out). `admit` is given the finished folder
    before it is put in place, and may raise as well; then nothing is written.
    """
    source = at_path(spec, "source")
    settings = validated(DataSettings, spec, "settings")
    given = dict(spec.get("options", {})) | ({registry.PLACE: place} if place else {})
    options = registry.complete(source, given)
    if registry.content(source, options, data_root) != spec.get("content"):
        raise UserError(f"{place or source}: its images are not those that the study was read with; start it again")
    info = registry.info(source, options, data_root)
    size = settings.image_size or info.size
    if size is None:
        raise UserError(f"{source}: needs image_size: its images have no size of their own")
    raw = registry.load(source, options, data_root)
    check(source, info, raw)
    class_names = list(raw.class_names or info.class_names)

    seed = stream_seed(settings.split_seed, "split", spec["name"])
    with _whole(out) as folder:
        written, left_out = _written(source, raw, settings, seed, folder, (info.channels, size), threads)
        written += _write_names(raw, folder)
        splits = {part: arrays.load(folder, part) for part in PARTS}
        body = describe(info, size, splits) | {
            "title": info.title or spec["name"],
            "class_names": class_names,
            "left_out": left_out,
        }
        write_record(folder / "manifest.json", "data", spec, code, body, written)
        if admit is not None:
            admit(folder)
        for path in (*written, folder / "manifest.json"):
            path.replace(out / path.name)
    return out / "manifest.json"


@contextlib.contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A folder within `out` for what is not finished; gone at the end, and `out` too when it is new and empty."""
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".prepare-") as folder:
            yield Path(folder)
    finally:
        if new and not any(out.iterdir()):
            out.rmdir()


def _written(
    source: str, raw: Raw, settings: DataSettings, seed: int, out: Path, shape: tuple[int, int], threads: int
) -> tuple[list[Path], list[str]]:
    """Split the images and write them, `shape` = channels and size; the files, and what was left out and why."""
    try:
        return write(split(raw, settings, seed), out, *shape, threads), []
    except Unreadable as error:
        if not raw.skip_unreadable:
            raise UserError(_damage(source, error.problems)) from None
        left_out = error.problems
    written = write(split(raw, settings, seed, left_out), out, *shape, threads)
    return written, [left_out[row] for row in sorted(left_out)]


def _write_names(raw: Raw, out: Path) -> list[Path]:
    """Write which file each image by its id was, for those who are told of one; published sets have no such names."""
    parts = [(images.pixels, len(images)) for images in (raw.train, raw.val, raw.test) if images is not None]
    names = [pixels.name(row) for pixels, n in parts if isinstance(pixels, Named) for row in range(n)]
    if len(names) < sum(n for _, n in parts):
        return []
    path = out / "names.json"
    path.write_text(json.dumps(names), encoding="utf-8")
    return [path]


def _damage(source: str, problems: dict[int, str]) -> str:
    first = [problems[row] for row in sorted(problems)[:10]]
    more = [f"... and {len(problems) - 10} more"] if len(problems) > 10 else []
    remedy = "mend or remove them, or leave them out with skip_broken: true"
    noun = "image" if len(problems) == 1 else "images"
    return "\n  ".join([f"{source}: {len(problems)} {noun} cannot be read; {remedy}", *first, *more])


def check(name: str, info: Info, raw: Raw) -> None:
    """Raise UserError when the images are not what the data set's Info promises."""
    if raw.class_names is not None and len(raw.class_names) != info.classes:
        raise UserError(f"{name}: has {len(raw.class_names)} classes, not {info.classes}; correct the option classes")
    for part, images in (("train", raw.train), ("val", raw.val), ("test", raw.test)):
        if images is None:
            continue
        if isinstance(images.pixels, np.ndarray):
            shape = (info.channels, info.size, info.size)
            if images.pixels.dtype != np.uint8 or images.pixels.shape[1:] != shape or len(images.pixels) == 0:
                raise UserError(f"{name}: its {part} images are not bytes of {'x'.join(map(str, shape))}")
        if len(images.pixels) != len(images.labels):
            raise UserError(f"{name}: {len(images.pixels)} {part} images but {len(images.labels)} labels")
        if len(images) == 0:
            raise UserError(f"{name}: has no {part} images")
        if info.targets:
            _check_targets(name, info, part, images.labels)
        elif images.labels.min() < 0 or images.labels.max() >= info.classes:
            raise UserError(f"{name}: a {part} label is outside 0..{info.classes - 1}")


def _check_targets(name: str, info: Info, part: str, targets: NDArray[Any]) -> None:
    n, d = len(targets), len(info.targets)
    if targets.dtype != np.float32 or targets.shape != (n, d):
        found = f"{targets.dtype} {list(targets.shape)}"
        raise UserError(f"{name}: its {part} targets are {found}, not float32 [{n}, {d}] ({info.predicts})")
    if not np.isfinite(targets).all():
        raise UserError(f"{name}: a {part} target is no finite number")


@dataclass(frozen=True)
class Choice:
    """Some rows of the images of a source, with the ids that they have in the whole source."""

    images: Images
    rows: NDArray[np.int64]
    first_id: int

    @property
    def labels(self) -> NDArray[Any]:
        """Labels [N], or targets [N, d], of the chosen images."""
        return self.images.labels[self.rows]

    @property
    def ids(self) -> NDArray[np.int64]:
        """Ids [N] of the chosen images."""
        return self.rows + self.first_id

    def cut(self, n: int) -> tuple[Choice, Choice]:
        """The first n, and the rest."""
        return Choice(self.images, self.rows[:n], self.first_id), Choice(self.images, self.rows[n:], self.first_id)


def split(raw: Raw, settings: DataSettings, seed: int, left_out: Collection[int] = ()) -> dict[Part, Choice]:
    """Cut the images into train, val and test, stratified by class. Official val and test sets stay what they are.

    Images whose ids are in `left_out` are treated as if they had never been there.
    """
    rest = _readable(raw.train, 0, left_out)
    rest = Choice(rest.images, rest.rows[stratified_order(rest.labels, seed)], 0)
    n_train, n_val = len(raw.train), len(raw.val) if raw.val else 0
    if raw.test is None:
        test, rest = rest.cut(round(settings.test_fraction * len(rest.rows)))
    else:
        test = _readable(raw.test, n_train + n_val, left_out)
    if raw.val is None:
        val, rest = rest.cut(round(settings.val_fraction * len(rest.rows)))
    else:
        val = _readable(raw.val, n_train, left_out)
    splits: dict[Part, Choice] = {"train": rest, "val": val, "test": test}
    counts = {part: len(splits[part].rows) for part in PARTS}
    if not all(counts.values()):
        raise UserError(f"too few images for these fractions: {counts}; change val_fraction or test_fraction")
    return splits


def _readable(images: Images, first_id: int, left_out: Collection[int]) -> Choice:
    ids = np.arange(first_id, first_id + len(images), dtype=np.int64)
    kept = ids[~np.isin(ids, list(left_out))] if left_out else ids
    return Choice(images, kept - first_id, first_id)


def write(splits: dict[Part, Choice], out: Path, channels: int, size: int, workers: int) -> list[Path]:
    """Write the arrays of all parts, a chunk at a time; returns their files.

    Raises Unreadable, after all parts were tried, with the ids of the images that cannot be decoded.
    """
    written: list[Path] = []
    problems: dict[int, str] = {}
    for part in PARTS:
        choice = splits[part]
        shape = (len(choice.rows), channels, size, size)
        try:
            written += arrays.save(out, part, _chunks(choice, shape, workers), shape, choice.labels, choice.ids)
        except Unreadable as error:
            problems |= error.problems
    if problems:
        raise Unreadable(problems)
    return written


def _chunks(choice: Choice, shape: tuple[int, int, int, int], workers: int) -> Iterator[NDArray[np.uint8]]:
    """The chosen images, resized, in chunks [n, C, size, size]. Raises Unreadable when all were tried."""
    n = max(1, _CHUNK // (shape[1] * shape[2] * shape[3]))
    problems: dict[int, str] = {}
    pixels = choice.images.pixels
    for start in range(0, len(choice.rows), n):
        rows = choice.rows[start : start + n]
        if isinstance(pixels, np.ndarray):
            yield resize(pixels[rows], shape[2])
            continue
        try:
            chunk = pixels.take(rows, shape[2], workers)
        except Unreadable as error:
            problems |= {choice.first_id + row: problem for row, problem in error.problems.items()}
        if not problems:  # else only to find the others
            yield chunk
    if problems:
        raise Unreadable(problems)


def resize(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Images [N, C, H, W] as [N, C, size, size], by Pillow's bilinear filter (which averages when it shrinks)."""
    if pixels.shape[2:] == (size, size):
        return np.ascontiguousarray(pixels)
    flat = pixels.reshape(-1, *pixels.shape[2:])
    planes = [np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR)) for plane in flat]
    return np.stack(planes).reshape(*pixels.shape[:2], size, size)


def describe(info: Info, size: int, splits: dict[Part, Split]) -> Json:
    """What the manifest says of the arrays: shapes, counts, the mean and std that inputs are normalised with."""
    train = splits["train"].pixels
    # From counts of the 256 values: exact, so the same on every machine, and in little memory.
    counts = np.stack([_count(train[:, channel]) for channel in range(info.channels)])
    values = np.arange(256) / 255
    mean = counts @ values / counts.sum(axis=1)
    std = np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1))
    return {
        "origin": info.origin,
        "channels": info.channels,
        "size": size,
        "flip": info.flip,
        "mean": mean.round(6).tolist(),
        "std": np.maximum(std, 1 / 255).round(6).tolist(),
        "counts": {part: len(splits[part]) for part in PARTS},
        **_truths(info, splits),
        "environment": environment(["numpy", "pillow"]),
    }


def _truths(info: Info, splits: dict[Part, Split]) -> Json:
    """What there is to predict: images of each class, or the targets, with mean and deviation over training images."""
    if not info.targets:
        counts = {part: np.bincount(splits[part].labels, minlength=info.classes).tolist() for part in PARTS}
        return {"class_counts": counts}
    values = splits["train"].labels.astype(np.float64)
    return {
        "task": info.task,
        "targets": [
            {"name": each.name, "unit": each.unit, "mean": float(f"{mean:.6g}"), "std": float(f"{std:.6g}")}
            for each, mean, std in zip(info.targets, values.mean(axis=0), values.std(axis=0), strict=True)
        ],
    }


def _count(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often each of the 256 values comes; image by image, as bincount takes eight bytes for each of its input."""
    return sum((np.bincount(image.ravel(), minlength=256) for image in pixels), np.zeros(256, dtype=np.int64))
