"""What a study may write as a pipeline of albumentations, checked against its source: importing it takes seconds.

pipeline:
  - HorizontalFlip: {p: 0.5}
  - OneOf: {transforms: [Blur: {}, MedianBlur: {blur_limit: 5}], p: 0.2}
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

LIBRARY = "albumentations"
GROUPS = ("OneOf", "RandomOrder", "Sequential", "SomeOf")
"""Transforms that choose among others, their `transforms`."""
# They run a function, read files, want more than the image, or give something else than an image of bytes.
_LEFT_OUT = """
BBoxSafeRandomCrop CenterCrop3D CoarseDropout3D ConstrainedCoarseDropout CropNonEmptyMaskIfExists CubicSymmetry FDA
FromFloat HistogramMatching Lambda MaskDropout MixUp Mosaic Normalize OverlayElements Pad3D PadIfNeeded3D
PixelDistributionAdaptation RandomCrop3D RandomCropNearBBox RandomSizedBBoxSafeCrop TemplateTransform TextImage
ToFloat ToTensor3D ToTensorV2
""".split()  # noqa: SIM905
_NOT_COLOURS = """
ChromaticAberration RandomFog RandomGravel RandomRain RandomSnow RandomSunFlare Spatter
""".split()  # noqa: SIM905
"""Changes of colours, by where they stand in the library, that move pixels all the same, or lay things over them."""
_EXPORTS = re.compile(r"^__all__ = \[(.*?)\]", re.MULTILINE | re.DOTALL)
_CLASS = re.compile(r"^class (\w+)", re.MULTILINE)


@cache
def _classes() -> dict[str, tuple[Path, bool]]:
    """Every class of the library: its file, and whether it is exported."""
    found = importlib.util.find_spec(LIBRARY)
    if found is None or found.origin is None:
        return {}
    classes: dict[str, tuple[Path, bool]] = {}
    for file in sorted(Path(found.origin).parent.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        exported = set(re.findall(r"\w+", " ".join(_EXPORTS.findall(text))))
        classes |= {name: (file, name in exported) for name in _CLASS.findall(text)}
    return classes


@cache
def names() -> tuple[str, ...]:
    """The transforms that a study may name."""
    inside = {"augmentations"}
    return tuple(
        sorted(
            name
            for name, (file, exported) in _classes().items()
            if name in GROUPS or (exported and name not in _LEFT_OUT and inside & set(file.parts))
        )
    )


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def arguments(name: str) -> frozenset[str]:
    """The arguments of a transform, with those that a parent class takes if it has no constructor of its own."""
    if name not in _classes():
        return frozenset()
    for node in _tree(_classes()[name][0]).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and member.name == "__init__":
                    given = [*member.args.posonlyargs, *member.args.args, *member.args.kwonlyargs]
                    return frozenset(argument.arg for argument in given) - {"self"}
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            return frozenset().union(*map(arguments, bases))
    return frozenset()


def problem(pipeline: object) -> str | None:
    """The first thing that is wrong with a pipeline, or None; values are checked when it is built."""
    if not _classes():
        return f"needs the package {LIBRARY}, which is not installed"
    if not pipeline:
        return "is empty; list transforms, as in [HorizontalFlip: {p: 0.5}]"
    return next(_problems(pipeline, ""), None)


def not_photometric(pipeline: Iterable[Mapping[str, Any]]) -> str | None:
    """The first transform of a good pipeline that may do more than change colours: move, hide or blur; None if none."""
    for step in pipeline:
        ((name, given),) = step.items()
        if name in GROUPS:
            if found := not_photometric(given["transforms"]):
                return found
        elif _classes()[name][0].parent.name != "pixel" or name in _NOT_COLOURS:
            return name
    return None


def _problems(steps: object, place: str) -> Iterator[str]:
    if not isinstance(steps, list | tuple) or not steps:
        yield f"{place or 'it'} must be a list of transforms, as in [HorizontalFlip: {{p: 0.5}}]"
        return
    for i, step in enumerate(steps):
        where = f"{place}[{i}]"
        if isinstance(step, dict) and len(step) == 1 and isinstance(next(iter(step.values())), dict | None):
            ((name, given),) = step.items()
            yield from _step_problems(where, str(name), given or {})
        else:
            yield f"{where} must be one transform and its arguments, as in HorizontalFlip: {{p: 0.5}}"


def _step_problems(where: str, name: str, given: dict[str, object]) -> Iterator[str]:
    if name not in names():
        text = "cannot be used on images alone" if name in _LEFT_OUT else "is no transform of albumentations"
        yield f"{where}: {name} {text}; {_hint(name, names())}"
        return
    for key in given:
        if key not in arguments(name):
            yield f"{where}: {name}: {key} is no argument of it; {_hint(key, arguments(name), 'it has')}"
    if name in GROUPS:
        yield from _problems(given.get("transforms"), f"{where}.{name}.transforms")


def _hint(word: str, known: Collection[str], otherwise: str = "such are") -> str:
    near = difflib.get_close_matches(word, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"{otherwise} {', '.join(sorted(known)[:12])}, ..."
