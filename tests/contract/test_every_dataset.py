"""What every data set promises; a new one is tested here without a new test. Nothing is downloaded."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import numpy as np
import pytest

from bakeoff import plugins
from bakeoff.data import step
from bakeoff.data.source import Images, Info, Raw
from bakeoff.errors import UserError
from bakeoff.stages import SOURCES

# Where a study looks by default.
DATA_ROOT = Path(__file__).parents[2] / "data"

every_dataset = pytest.mark.parametrize("name", plugins.names(SOURCES))


def module(name: str) -> ModuleType:
    return importlib.import_module(plugins.module(SOURCES, name))


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where sources look, on a machine on which every connection fails."""

    def refuse(*_: object) -> NoReturn:
        raise OSError("no network in tests")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield DATA_ROOT if DATA_ROOT.is_dir() else tmp_path_factory.mktemp("data")


@cache
def images_of(name: str, data_root: Path) -> Raw:
    try:
        return module(name).load(data_root)
    except UserError as error:
        pytest.skip(str(error).partition("\n")[0])


def parts(raw: Raw) -> list[Images]:
    return [raw.train] if raw.test is None else [raw.train, raw.test]


@every_dataset
def test_the_images_are_what_info_promises(name: str, data_root: Path) -> None:
    info: Info = module(name).INFO
    raw = images_of(name, data_root)
    step.check(name, info, raw)
    assert (raw.test is not None) == info.official_test
    for images in parts(raw):
        assert images.pixels.dtype == np.uint8
        assert images.pixels.shape == (len(images.labels), info.channels, info.size, info.size)
        assert images.labels.dtype == np.int64
        assert set(np.unique(images.labels)) == set(range(info.classes))
    assert raw.train.pixels.min() == 0
    assert raw.train.pixels.max() == 255


@every_dataset
def test_facts_are_fit_to_print(name: str) -> None:
    info: Info = module(name).INFO
    assert info.channels in (1, 3)
    assert len(set(info.class_names)) == info.classes >= 2
    for text in (info.title, info.origin, *info.class_names, plugins.about(SOURCES, name)):
        assert text == text.strip() != ""
        assert text.isprintable()


@every_dataset
def test_loading_is_deterministic(name: str, data_root: Path) -> None:
    raw = images_of(name, data_root)
    for one, other in zip(parts(raw), parts(module(name).load(data_root)), strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.labels, other.labels)
