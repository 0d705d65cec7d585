"""From a source's name in a study to its module. Names are looked up without importing torch.

A source is the name of a file in `sources/`, or `torchvision/Class`, such as `torchvision/KMNIST`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from bakeoff import plugins
from bakeoff.data.source import Info, Raw
from bakeoff.errors import UserError

SOURCES = "data/sources"
LIBRARY = "torchvision"
PLACE = "path"
"""The option that says where a user's own images stand. No setting: what they are is in the digest of their content."""

# What torchvision.datasets has besides image classification: detection, segmentation, captions, video, flow, stereo,
# pairs and attributes, and containers for one's own images (`folder` reads those).
_NO_CLASSIFICATION = """
    CLEVRClassification CREStereo CarlaStereo CelebA Cityscapes CocoCaptions CocoDetection DatasetFolder ETH3DStereo
    FakeData FallingThingsStereo Flickr30k Flickr8k FlyingChairs FlyingThings3D HD1K HMDB51 ImageFolder InStereo2k
    Kinetics Kitti Kitti2012Stereo Kitti2015Stereo KittiFlow LFWPairs LSUN LSUNClass Middlebury2014Stereo MovingMNIST
    Omniglot PhotoTour SBDataset SBU SceneFlowStereo Sintel SintelStereo UCF101 VOCDetection VOCSegmentation
    VisionDataset WIDERFace wrap_dataset_for_transforms_v2
"""


@cache
def library_names() -> tuple[str, ...]:
    """Classification sets of the installed torchvision, read off its source: importing it takes seconds."""
    found = importlib.util.find_spec(LIBRARY)
    if found is None or found.origin is None:
        return ()
    tree = ast.parse((Path(found.origin).parent / "datasets" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(sorted(set(ast.literal_eval(node.value)) - set(_NO_CLASSIFICATION.split())))
    return ()


def names() -> list[str]:
    """Every source that a study may name."""
    return plugins.names(SOURCES) + [f"{LIBRARY}/{name}" for name in library_names()]


def _of_library(source: str) -> str | None:
    library, slash, name = source.partition("/")
    return name if slash and library == LIBRARY else None


def _place(source: str) -> tuple[str, str]:
    """Folder and file of the module that reads this source."""
    return (SOURCES, source) if _of_library(source) is None else ("data/library", LIBRARY)


def module_of(source: str) -> str:
    """The module that reads this source: what the code digest of its arrays begins at, besides the step."""
    return plugins.module(*_place(source))


def options_of(source: str) -> dict[str, plugins.Option]:
    """The options that a study may give to this source."""
    return plugins.options(*_place(source), function="load")


def about(source: str) -> str:
    """What a source is, in a line."""
    name = _of_library(source)
    if name is None:
        return plugins.about(SOURCES, source)
    return str(_module(source).about(name))


def reads_files(source: str) -> bool:
    """Whether its images are files of the user's, whose content belongs to the settings."""
    return PLACE in options_of(source)


def complete(source: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options: those given, and the defaults of the others. Raises UserError for what is none or does not fit."""
    if source not in names():
        raise UserError(f"{source}: no such data set (all: bakeoff datasets)")
    known = options_of(source)
    for name, value in given.items():
        if name not in known:
            raise UserError(f"{source}: {name}: no such option; its options are {', '.join(known) or 'none'}")
        if problem := known[name].problem(value):
            raise UserError(f"{source}: {name}: {value!r} {problem}")
    return {name: option.read(given.get(name, option.default)) for name, option in known.items()}


def info(source: str, options: Mapping[str, Any], data_root: Path) -> Info:
    """The facts about a source with these options. Raises UserError when its files are not there or cannot be told."""
    module = _module(source)
    if hasattr(module, "INFO"):
        facts: Info = module.INFO
        return facts
    facts = module.info(*_name(source), data_root, **options)
    return facts


def content(source: str, options: Mapping[str, Any], data_root: Path) -> str | None:
    """The digest of the user's own images; None for a published data set, whose bytes are checked when it is read."""
    return str(_module(source).content(data_root, **options)) if reads_files(source) else None


def load(source: str, options: Mapping[str, Any], data_root: Path) -> Raw:
    """The images. Raises UserError when they are not there."""
    raw: Raw = _module(source).load(*_name(source), data_root, **options)
    return raw


def _name(source: str) -> list[str]:
    name = _of_library(source)
    return [] if name is None else [name]


def _module(source: str) -> ModuleType:
    return importlib.import_module(module_of(source))
