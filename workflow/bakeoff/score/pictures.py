"""From folders of images to what `bakeoff score --task generation` reads: features and logits of a net, or LPIPS."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from bakeoff.data.decode import FORMATS, read
from bakeoff.errors import UserError
from bakeoff.models import initial, packaged, registry, weights
from bakeoff.probe.embeddings import classifier_of, evaluating
from bakeoff.provenance import whole

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
CLASSES = 1000
"""Of ImageNet, on which published nets were trained."""
BATCH = 32
LPIPS = ("alex", "vgg", "squeeze")
_MISSING = "LPIPS needs the package lpips; install bakeoff with the extra generation: uv sync --extra generation"

Arrays = dict[str, NDArray[Any]]


def features(folder: Path, builder: str, source: str, size: int) -> Arrays:
    """Features [N, D] and logits [N, 1000] of the images below a folder, by a net with weights that it is given.

    `source` are its weights: "pretrained", a file, or a package's. Images are squeezed to `size`, averaged where they
    shrink. The features are what the classifier gets. Raises UserError for what is no such net, folder or image.
    """
    places = _images(folder)
    where = packaged.located(source)
    if problem := packaged.problem(source) or initial.problem(where):
        raise UserError(f"--weights: {problem}")
    if source == initial.RANDOM:
        raise UserError("--weights: random features say nothing; take pretrained, or a file")
    model = {"builder": builder, "options": {}}
    net = registry.build(model, channels=3, size=size, classes=CLASSES)
    loaded = weights.initialise(net, model, where, channels=3, size=size, classes=CLASSES)
    assert loaded is not None
    if loaded.missing:
        raise UserError(f"--weights: {source}: {len(loaded.missing)} tensors of {builder} are not in it")
    mean, std = (torch.tensor(each or [0.5]).view(1, -1, 1, 1) for each in (loaded.mean, loaded.std))
    vectors, answers = _run(net, (((batch / 255) - mean) / std for batch in _batches(places, size)))
    stem = "" if source == initial.PRETRAINED else f":{Path(where).stem}"
    ids = np.array([place.relative_to(folder).as_posix() for place in places])
    return {"example_id": ids, "features": vectors, "logits": answers, "made_by": np.array(_name(builder) + stem)}


def distances(folder: Path, originals: Path, net: str, source: str) -> Arrays:
    """LPIPS 0.1 (Zhang et al. 2018) [N] of each image below a folder and that of the same name below `originals`.

    `source` are the weights of the network below it: "pretrained" (torchvision's), or a file with them. Images are
    compared as large as they are. Raises UserError for pairs of two sizes, and what else is wrong with them.
    """
    places = _images(folder)
    names = [place.relative_to(folder).as_posix() for place in places]
    measure = _lpips(net, source)
    found = [measure(place, originals / name) for place, name in zip(places, names, strict=True)]
    made_by = f"lpips_{net}_0.1" + ("" if source == initial.PRETRAINED else f":{Path(source).stem}")
    return {"example_id": np.array(names), "distance": np.array(found), "made_by": np.array(made_by)}


def save(arrays: Arrays, out: Path) -> None:
    """Write the arrays into the .npz `out`, whole or not at all."""
    try:
        with whole(out) as part, part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # mypy takes them for allow_pickle
    except OSError as error:
        raise UserError(f"--out: {out}: cannot be written: {error.strerror}") from None


def _name(builder: str) -> str:
    return registry.default_name(builder)


def _images(folder: Path) -> list[Path]:
    """Images below a folder, by name. Links that lead out of it are not followed."""
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder")
    root = folder.resolve()
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    inside = [path for path in found if path.resolve().is_relative_to(root)]
    if not inside:
        raise UserError(f"{folder}: has no images {', '.join(SUFFIXES)}")
    return inside


def _batches(places: list[Path], size: int) -> Iterator[Tensor]:
    for start in range(0, len(places), BATCH):
        yield torch.from_numpy(np.stack([_square(place, size) for place in places[start : start + BATCH]])).float()


def _square(place: Path, size: int) -> NDArray[np.uint8]:
    try:
        return read(place, size, 3, "squash")
    except Exception as error:  # decoders of damaged files have many ways to fail
        raise UserError(f"{place}: is no image that can be read ({type(error).__name__})") from None


def _run(net: nn.Module, batches: Iterator[Tensor]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the classifier gets [N, D] and gives [N, C]."""
    vectors: list[Tensor] = []
    answers: list[Tensor] = []
    with torch.inference_mode(), evaluating(net):
        for batch in batches:
            if not vectors:
                classifier = classifier_of(net, batch)
                classifier.register_forward_hook(lambda _, inputs, __: vectors.append(inputs[0].flatten(1)))
            answers.append(net(batch))
    return torch.cat(vectors).numpy(), torch.cat(answers).numpy()


# --- LPIPS --------------------------------------------------------------------------------------------------------


def _lpips(net: str, source: str) -> Callable[[Path, Path], float]:
    try:
        import lpips
    except ImportError:
        raise UserError(_MISSING) from None
    given = source != initial.PRETRAINED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips asks torchvision for its weights in an old way
        try:
            measure = lpips.LPIPS(net=net, version="0.1", pnet_rand=given, verbose=False)
        except OSError as error:
            raise UserError(
                f"--weights: torchvision's {net} could not be downloaded ({error}); fetch it elsewhere and name it"
            ) from None
    if given:
        _set_trunk(measure.net, Path(source))

    def distance(made: Path, original: Path) -> float:
        if not original.is_file():
            raise UserError(f"{original}: is missing, the original of {made}")
        pair = [_pixels(place) for place in (made, original)]
        if pair[0].shape != pair[1].shape:
            sizes = [f"{pixels.shape[3]} x {pixels.shape[2]}" for pixels in pair]
            raise UserError(f"{made}: has {sizes[0]} pixels, and {original} has {sizes[1]}")
        with torch.inference_mode():
            return float(measure(*pair))

    return distance


def _set_trunk(trunk: nn.Module, path: Path) -> None:
    """Layers of lpips's slices have the numbers that they have among torchvision's `features`."""
    tensors, _ = weights.read(path)
    wanted = {name: f"features.{name.partition('.')[2]}" for name in trunk.state_dict()}
    missing = [name for name in wanted.values() if name not in tensors]
    if missing:
        raise UserError(f"--weights: {path}: has no {missing[0]}, so it is not of torchvision's net below LPIPS")
    try:
        trunk.load_state_dict({name: tensors[other] for name, other in wanted.items()})
    except RuntimeError as error:
        raise UserError(f"--weights: {path}: is of another net ({str(error).splitlines()[-1].strip()})") from None


def _pixels(place: Path) -> Tensor:
    """The image [1, 3, H, W] in -1..1."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(place, formats=FORMATS) as opened:
                pixels = np.asarray(opened.convert("RGB"), dtype=np.float32)
    except Exception as error:  # as above
        raise UserError(f"{place}: is no image that can be read ({type(error).__name__})") from None
    return torch.from_numpy(pixels.transpose(2, 0, 1) / 127.5 - 1)[None]
