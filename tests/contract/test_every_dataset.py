"""What every data set promises; a new one is tested here without a new test. Nothing is downloaded.

mnist, cifar10, cifar100, svhn: when data/ has them, these; else tiny invented files that torchvision's own classes read
(see torchvision_files.py). fashion_mnist is skipped on a machine that has not its files: their md5s are part of it.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image
from torchvision_files import WRITERS

from bakeoff import plugins
from bakeoff.data import registry, step
from bakeoff.data.registry import SOURCES
from bakeoff.data.source import Images, Raw
from bakeoff.errors import UserError
from bakeoff.provenance import read_record, sha256

# Where a study looks by default.
DATA_ROOT = Path(__file__).parents[2] / "data"

every_dataset = pytest.mark.parametrize("name", plugins.names(SOURCES))


@dataclass(frozen=True)
class Source:
    """A source with files to read, and the options that it cannot do without."""

    name: str
    root: Path
    options: dict[str, Any]

    @property
    def load(self) -> Raw:
        try:
            return registry.load(self.name, self.options, self.root)
        except UserError as error:
            pytest.skip(str(error).partition("\n")[0])


@pytest.fixture
def source(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """On a machine on which every connection fails."""

    def refuse(*_: object) -> NoReturn:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)  # fingerprints are kept in the working folder
    root, given = DATA_ROOT if DATA_ROOT.is_dir() else tmp_path / "data", {}
    if name in WRITERS:
        try:
            registry.load(name, registry.complete(name, {}), root)
        except UserError:
            root = tmp_path / "invented"
            WRITERS[name](root, monkeypatch)
    if registry.reads_files(name):
        root = tmp_path / "mine"
        given = {"path": write_pictures(root, name)}
    return Source(name, root, registry.complete(name, given))


def write_pictures(root: Path, source: str) -> str:
    """Ten coloured pictures of each of three classes, as folders or as a table; returns the path to give."""
    rng = np.random.default_rng(0)
    rows = ["path,label"]
    for label in ("ant", "bee", "cat"):
        (root / "pictures" / label).mkdir(parents=True)
        for i in range(10):
            path = f"pictures/{label}/{i}.png"
            pixels = rng.integers(0, 256, (12, 15, 3), dtype=np.uint8)
            pixels[:, :4], pixels[:, 11:] = 0, 255
            Image.fromarray(pixels).save(root / path)
            rows.append(f"{path},{label}")
    (root / "pictures.csv").write_text("\n".join(rows))
    return {"folder": "pictures", "csv": "pictures.csv"}[source]


def parts(raw: Raw) -> list[Images]:
    return [part for part in (raw.train, raw.val, raw.test) if part is not None]


def pixels(images: Images, size: int) -> Any:
    if isinstance(images.pixels, np.ndarray):
        return images.pixels
    return images.pixels.take(np.arange(len(images), dtype=np.int64), size, 2)


@every_dataset
def test_the_images_are_what_info_promises(source: Source) -> None:
    raw = source.load
    info = registry.info(source.name, source.options, source.root)
    step.check(source.name, info, raw)
    assert (raw.test is not None) == info.official_test
    for images in parts(raw):
        found = pixels(images, info.size or 12)
        assert found.dtype == np.uint8
        assert found.shape == (len(images), info.channels, info.size or 12, info.size or 12)
        if info.targets:
            assert images.labels.dtype == np.float32
            assert images.labels.shape == (len(images), info.outputs)
            continue
        assert images.labels.dtype == np.int64
        assert set(np.unique(images.labels)) == set(range(info.classes))
    assert pixels(raw.train, info.size or 12).min() == 0
    assert pixels(raw.train, info.size or 12).max() == 255


@every_dataset
def test_facts_are_fit_to_print(source: Source) -> None:
    info = registry.info(source.name, source.options, source.root)
    assert info.channels in (1, 3)
    targets = [target.name for target in info.targets]
    assert len(set(info.class_names)) == info.classes >= 2 or targets
    assert bool(info.class_names) != bool(targets)
    assert len(set(targets)) == len(targets)
    for text in (info.title or source.name, info.origin, *info.class_names, *targets, registry.about(source.name)):
        assert text == text.strip() != ""
        assert text.isprintable()


@every_dataset
def test_loading_is_deterministic(source: Source) -> None:
    for one, other in zip(parts(source.load), parts(source.load), strict=True):
        assert np.array_equal(pixels(one, 12), pixels(other, 12))
        assert np.array_equal(one.labels, other.labels)


@every_dataset
def test_it_is_prepared_to_the_same_bytes_every_time(source: Source, tmp_path: Path) -> None:
    if source.name == "fashion_mnist" and len(source.load.train) > 1000:
        pytest.skip("seconds; prepared by the workflow tests of that study")
    options = {key: value for key, value in source.options.items() if key != registry.PLACE}
    content = registry.content(source.name, source.options, source.root)
    spec = {
        "name": source.name,
        "source": source.name,
        "settings": {"image_size": 12},
        "options": options,
        **({"content": content} if content else {}),
    }
    manifests = []
    for threads in (1, 3):
        out = tmp_path / f"out{threads}"
        manifests.append(step.run(spec, out, "0" * 16, source.root, source.options.get("path", ""), threads))
    one, other = (read_record(manifest, "data") for manifest in manifests)
    beside = [path for path in manifests[0].parent.iterdir() if path != manifests[0]]
    assert one["files"] == other["files"] == {path.name: sha256(path) for path in beside}
    assert sum(one["counts"].values()) == sum(map(len, parts(source.load)))
    assert one["left_out"] == []


@every_dataset
def test_its_options_have_defaults_that_fit(name: str) -> None:
    for option in registry.options_of(name).values():
        assert option.problem(option.default) is None
