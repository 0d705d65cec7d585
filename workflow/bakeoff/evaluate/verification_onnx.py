"""Embeddings of a folder of images by an ONNX model of anybody's, for `bakeoff verification`.

The model takes float images [B, C, H, W], C 1 or 3, and gives vectors [B, D], or [B, D, 1, 1]. Images are turned as
their EXIF says, resized to the model's input (bilinear, not cropped), divided by 255 and normalised with the mean and
standard deviation given.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import UserError
from bakeoff.provenance import whole

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_SIDE = 112
"""Of models that take any size: what face recognition uses (Deng et al. 2019, ArcFace)."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Normalisation:
    """Figures in 0..1, one for all channels or one each."""

    mean: Sequence[float] = (0.5,)
    std: Sequence[float] = (0.5,)


@dataclass(frozen=True)
class _Model:
    session: Any
    name: str
    channels: int
    height: int
    width: int


def run(model: Path, folder: Path, out: Path, normalisation: Normalisation, batch_size: int = 32) -> int:
    """Write `embeddings` [N, D], `identity` [N] and `ids` [N] of folder/identity/image to the .npz `out`; returns N.

    Raises UserError for what is no such model, no such folder, or no image.
    """
    files = images_of(folder)
    net = _open(model)
    scale = _figures(normalisation, net.channels)
    vectors = []
    for start in range(0, len(files), batch_size):
        batch = np.stack([_image(file, net) for file in files[start : start + batch_size]])
        vectors.append(_embed(model, net, (batch - scale[0]) / scale[1]))
    ids = [str(file.relative_to(folder)) for file in files]
    with whole(out) as part, part.open("wb") as archive:
        np.savez(
            archive,
            embeddings=np.concatenate(vectors),
            identity=np.array([file.relative_to(folder).parts[0] for file in files]),
            ids=np.array(ids),
        )
    return len(files)


def images_of(folder: Path) -> list[Path]:
    """The images of folder/identity/..., sorted. Links that lead out of the folder are not followed."""
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder")
    root = folder.resolve()
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    inside = [p for p in found if p.resolve().is_relative_to(root) and len(p.relative_to(folder).parts) > 1]
    if not inside:
        raise UserError(f"{folder}: has no images {', '.join(SUFFIXES)} in folders named by identity")
    return inside


def _open(path: Path) -> _Model:
    import onnxruntime

    if not path.is_file():
        raise UserError(f"{path}: is missing")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each of a dozen faults
        raise UserError(f"{path}: is no model that onnxruntime can load ({type(error).__name__})") from None
    inputs = session.get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    if len(shape) != 4 or inputs[0].type != "tensor(float)" or shape[1] not in (1, 3):
        raise UserError(f"{path}: must have one input of float images [B, 1 or 3, H, W], and has {_shapes(inputs)}")
    height, width = (side if isinstance(side, int) else _SIDE for side in shape[2:])
    return _Model(session, inputs[0].name, shape[1], height, width)


def _shapes(inputs: Sequence[Any]) -> str:
    return ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)


def _figures(normalisation: Normalisation, channels: int) -> tuple[Floats, Floats]:
    """Mean and std [C, 1, 1]."""
    found = []
    for name, values in (("mean", normalisation.mean), ("std", normalisation.std)):
        if len(values) not in (1, channels):
            raise UserError(f"--{name}: {len(values)} figures for {channels} channels; give one, or one each")
        found.append(np.broadcast_to(np.array(values, dtype=np.float32), (channels,)).reshape(-1, 1, 1))
    if not (found[1] > 0).all():
        raise UserError("--std: must be above 0")
    return found[0], found[1]


def _image(path: Path, net: _Model) -> Floats:
    """Pixels [C, H, W] in 0..1."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                picture = ImageOps.exif_transpose(opened).convert("L" if net.channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: is no image that can be read ({type(error).__name__})") from None
    resized = picture.resize((net.width, net.height), Image.Resampling.BILINEAR)
    pixels: Floats = np.asarray(resized, dtype=np.float32) / np.float32(255)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def figures(text: str, option: str) -> tuple[float, ...]:
    """An option's value `0.485,0.456,0.406`, finite numbers. Raises UserError for what is none."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not np.isfinite(found).all():
        raise UserError(f"{option}: {text!r} is no list of numbers such as 0.485,0.456,0.406")
    return found


def _embed(path: Path, net: _Model, batch: Floats) -> Floats:
    """Vectors [B, D]; one image at a time where the model is made for that."""
    fixed = net.session.get_inputs()[0].shape[0] == 1
    pieces = [batch[i : i + 1] for i in range(len(batch))] if fixed else [batch]
    try:
        vectors = np.concatenate([net.session.run(None, {net.name: piece})[0] for piece in pieces])
    except Exception as error:  # as above
        raise UserError(f"{path}: cannot be run ({type(error).__name__}: {str(error).partition(chr(10))[0]})") from None
    flat = vectors.reshape(len(vectors), -1)
    if len(flat) != len(batch) or flat.shape[1] != vectors.shape[1]:
        raise UserError(f"{path}: gives {list(vectors.shape)} for {len(batch)} images, not one vector each")
    return flat.astype(np.float32)
