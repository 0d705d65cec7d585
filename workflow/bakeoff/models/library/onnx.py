"""Networks that others trained, as ONNX files: looked through before they are loaded, and run by onnxruntime (CPU).

Files may be anybody's. No library of operators is loaded for them, their weights are read from nowhere but the files
that `onnx_file` knows, and whatever onnxruntime has against one is a UserError in a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from bakeoff.errors import UserError
from bakeoff.models import onnx_file

if TYPE_CHECKING:
    from torch import Tensor

    from bakeoff.models.control import Labels, Pixels

Floats = NDArray[np.float32]
Shape = tuple[int, int, int]
_BATCH = 256
_FORMS = {"tensor(uint8)": "nhwc", "tensor(float)": "nchw"}
_SCALED_BY_BATCH = "DynamicQuantizeLinear"
_LOGITS = "logits"
_LONGEST = 200


@dataclass(frozen=True)
class Form:
    """How a network takes images: under which name, as bytes or numbers, in which order of axes."""

    name: str
    takes_bytes: bool
    layout: str  # nchw or nhwc
    alone: bool  # one image at a time
    mean: Floats  # [1, C, 1, 1] or [1, 1, 1, 1], of pixels in 0..1
    std: Floats

    def prepared(self, pixels: Pixels) -> NDArray[Any]:
        """Images [B, C, S, S] uint8 as the network takes them."""
        images: NDArray[Any] = np.asarray(pixels)
        if not self.takes_bytes:
            images = (images.astype(np.float32) / np.float32(255) - self.mean) / self.std
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1) if self.layout == "nhwc" else images)


@dataclass(frozen=True)
class Network:
    """A network that takes a data set's images and gives its classes; a control method whose `fit` does nothing."""

    path: Path
    session: Any
    form: Form
    output: str
    classes: int

    def fit(self, pixels: Pixels, labels: Labels) -> None:
        """Nothing: others have trained it."""

    def log_probabilities(self, pixels: Pixels) -> Floats:
        """Logits [N, classes], or logarithms of the probabilities where that is what it gives. Raises UserError for
        what is no number.
        """
        step = 1 if self.form.alone else _BATCH
        batches = (self.form.prepared(pixels[at : at + step]) for at in range(0, len(pixels), step))
        found = np.concatenate([self.answers(batch) for batch in batches])
        if wrong := int((~np.isfinite(found)).any(axis=1).sum()):
            raise UserError(f"{self.path}: gives what is no number for {wrong} of {len(found)} images")
        return _logarithms(found)

    def answers(self, batch: NDArray[Any]) -> Floats:
        """What it gives, [B, classes], for prepared images. Raises UserError where that fails, or has another shape."""
        try:
            (found,) = self.session.run([self.output], {self.form.name: batch})
        except Exception as error:  # onnxruntime has a class of its own for each of a dozen faults
            raise UserError(f"{self.path}: cannot be run for {len(batch)} images: {_reason(error)}") from None
        if getattr(found, "shape", None) != (len(batch), self.classes) or found.dtype.kind != "f":
            gives = f"{found.dtype} {list(found.shape)}" if hasattr(found, "shape") else type(found).__name__
            wanted = f"[{len(batch)}, {self.classes}], a number for each class of the data set"
            raise UserError(f"{self.path}: its output {self.output} is {gives} for {len(batch)} images, not {wanted}")
        numbers: Floats = found.astype(np.float32)
        return numbers

    def tensors(self) -> dict[str, Tensor]:
        """None: nothing was learned, and the record names the file that holds its weights."""
        return {}


def build(
    path: Path,
    channels: int,
    size: int,
    classes: int,
    threads: int = 1,
    *,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    layout: Literal["auto", "nchw", "nhwc"] = "auto",
) -> Network:
    """The network in a file for images [B, channels, size, size] of so many classes, on so many threads.

    It takes bytes or, as (pixel / 255 - mean) / std, float32; `auto` is [B, S, S, C] for bytes, as bakeoff's exports,
    and [B, C, S, S] for numbers. Its one output, or the one called logits, is [B, classes]. Raises UserError for what
    is no such file.
    """
    model = read(path)
    session = load(path, threads)
    form = _form(path, session, (channels, size, size), (tuple(mean), tuple(std)), layout)
    if any(isinstance(part, onnx.NodeProto) and part.op_type == _SCALED_BY_BATCH for part in parts(model)):
        form = Form(form.name, form.takes_bytes, form.layout, True, form.mean, form.std)
    network = Network(path, session, form, _output(path, session), classes)
    network.answers(form.prepared(np.zeros((1, channels, size, size), np.uint8)))
    return network


def read(path: Path) -> onnx.ModelProto:
    """The model in a file, without weights beside it. Raises UserError for what is none, or has weights elsewhere."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own, or the system's
        raise UserError(f"{path}: is no ONNX file ({type(error).__name__})") from None
    known = [file.name for file in onnx_file.weights_beside(path)]
    for part in parts(model):
        if isinstance(part, onnx.TensorProto) and part.data_location == onnx.TensorProto.EXTERNAL:
            place = next((entry.value for entry in part.external_data if entry.key == "location"), "")
            if place not in known:
                names = " or ".join(path.name + end for end in onnx_file.BESIDE)
                where = f"they must lie inside it, or beside it in {names}"
                raise UserError(f"{path}: has weights in {_plain(place)!r}; {where}")
    return model


def parts(message: Any) -> Iterator[Any]:
    """All messages within one: nodes, tensors, graphs in nodes, functions; as deep as protobuf lets them be."""
    for _, value in message.ListFields():
        one = hasattr(value, "ListFields")
        for part in [value] if one else value if hasattr(value, "add") else []:  # several, or no messages
            yield part
            yield from parts(part)


def load(path: Path, threads: int, model: bytes | None = None) -> Any:
    """An onnxruntime session on the CPU, of the file or of `model` made from it. Raises UserError for what is none."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it has to say is in the exception
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        return onnxruntime.InferenceSession(model or str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of a class of its own for each fault
        raise UserError(f"{path}: onnxruntime cannot load it: {_reason(error)}") from None


def _form(path: Path, session: Any, image: Shape, figures: tuple[tuple[float, ...], ...], layout: str) -> Form:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise UserError(f"{path}: has {len(inputs)} inputs; a classifier of images has one")
    (given,) = inputs
    if given.type not in _FORMS:
        raise UserError(f"{path}: takes {given.type}; images are given as tensor(uint8) or tensor(float)")
    takes_bytes = given.type == "tensor(uint8)"
    chosen = _FORMS[given.type] if layout == "auto" else layout
    declared, sides = list(given.shape), _sides(image, chosen)
    if len(declared) != 4 or not _agree(declared[1:], sides):
        other = "nchw" if chosen == "nhwc" else "nhwc"
        fits = len(declared) == 4 and _agree(declared[1:], _sides(image, other))
        hint = f"; with layout: {other} it does" if fits else ""
        raise UserError(
            f"{path}: takes {_written(declared)}, not the data set's images [B, {', '.join(map(str, sides))}]{hint}"
        )
    if isinstance(declared[0], int) and declared[0] != 1:
        raise UserError(f"{path}: takes {declared[0]} images at a time; export it for one, or for any number")
    if takes_bytes and any(figures):
        raise UserError(f"{path}: takes bytes, so normalisation is its own affair; leave mean and std out")
    mean, std = (_figures(path, *each, image[0]) for each in zip(("mean", "std"), figures, (0.0, 1.0), strict=True))
    return Form(given.name, takes_bytes, chosen, isinstance(declared[0], int), mean, std)


def _sides(image: Shape, layout: str) -> list[int]:
    channels, height, width = image
    return [height, width, channels] if layout == "nhwc" else [channels, height, width]


def _agree(declared: list[Any], sides: list[int]) -> bool:
    """Whether images of these sides fit; what is no number is free."""
    return all(not isinstance(one, int) or one == side for one, side in zip(declared, sides, strict=True))


def _written(declared: list[Any]) -> str:
    return _plain(f"[{', '.join('any' if each is None else str(each) for each in declared)}]")


def _figures(path: Path, key: str, values: tuple[float, ...], default: float, channels: int) -> Floats:
    if len(values) not in (0, 1, channels):
        raise UserError(
            f"{path}: {key} has {len(values)} numbers for images of {channels} channels; give one, or {channels}"
        )
    return np.array(values or (default,), dtype=np.float32).reshape(1, -1, 1, 1)


def _output(path: Path, session: Any) -> str:
    names = [each.name for each in session.get_outputs()]
    if _LOGITS in names:
        return _LOGITS
    if len(names) != 1:
        advice = f"call the one of the classes {_LOGITS}, or leave the others out"
        raise UserError(f"{path}: has the outputs {_plain(', '.join(names))}; {advice}")
    return str(names[0])


def _logarithms(found: Floats) -> Floats:
    """Logits as they are; of rows that are all probabilities (from 0 to 1, with sum 1) the logarithms, all finite."""
    if found.min() < 0 or found.max() > 1 or np.abs(found.sum(axis=1) - 1).max() > 1e-3:
        return found
    logarithms: Floats = np.log(np.maximum(found, np.finfo(np.float32).tiny))
    return logarithms


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {_plain(str(error).strip().partition(chr(10))[0])}"


def _plain(text: str) -> str:
    """A stranger's text as it may stand in a line: no control characters, and not long."""
    return "".join(filter(str.isprintable, text))[:_LONGEST]
