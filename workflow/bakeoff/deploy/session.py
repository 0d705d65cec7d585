"""A run, or its export, ready to answer: `load(folder)` gives a Predictor. By onnxruntime it imports no torch."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.decode import Fit
from bakeoff.deploy import facts
from bakeoff.deploy.decode import MAX_PIXELS, decode
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import Json, check_files, read_record

Backend = Literal["onnxruntime", "torch"]
FITS = get_args(Fit)
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

FOLDER = "export"
"""Within a run's folder."""
RECORD, MODEL, INT8, PROGRAM = "export.json", "model.onnx", "model.int8.onnx", "model.pt2"


@dataclass(frozen=True)
class Predictor:
    """A network that takes images as `decode` gives them. All of it may be called by many threads at once."""

    info: Json
    """The facts of facts.read: name, labels, size, metrics, data, provenance, ..."""
    backend: Backend
    _probabilities: Callable[[Pixels], Floats] = field(repr=False)
    _maps: Callable[[Pixels], Floats] | None = field(default=None, repr=False)

    @property
    def labels(self) -> list[str]:
        """Names of the classes, in the order of the probabilities."""
        labels: list[str] = self.info["labels"]
        return labels

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return int(self.info["size"])

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return int(self.info["channels"])

    @property
    def fit(self) -> Fit:
        """How an image is made a square: crop, squash or pad."""
        fit: Fit = self.info["fit"]
        return fit

    @property
    def temperature(self) -> float:
        """What logits were divided by before the softmax: found on the validation images, 1 where there is none."""
        return float(self.info["temperature"])

    def decode(self, data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
        """The bytes of an image file as [size, size, channels]. Raises UserError as decode.decode does."""
        return decode(data, self.size, self.channels, self.fit, max_pixels, self.info["reduces_jpegs"])

    def predict(self, batch: Pixels) -> Floats:
        """Calibrated probabilities [B, classes] of images [B, size, size, channels] uint8, at least one."""
        shape = (self.size, self.size, self.channels)
        if batch.dtype != np.uint8 or batch.shape[1:] != shape or not len(batch):
            raise ValueError(f"images must be uint8 [B, {', '.join(map(str, shape))}], not {batch.dtype} {batch.shape}")
        return self._probabilities(batch)

    @property
    def explains(self) -> bool:
        """Whether `attention` can be asked: by torch."""
        return self._maps is not None

    def attention(self, batch: Pixels) -> Floats:
        """Where in each image [B, size, size, channels] its most probable class was seen: [B, size, size] in 0..1, by
        HiResCAM (probe/explain.py). Raises UserError where the back end, or the network, knows no places.
        """
        if self._maps is None:
            raise UserError("class activation maps need the back end torch")
        return self._maps(batch)


def load(
    folder: Path,
    backend: Backend = "onnxruntime",
    *,
    data: Path | None = None,
    threads: int | None = None,
    int8: bool = False,
) -> Predictor:
    """The network of a run's folder (results/runs/.../seed0) or, for onnxruntime, of an export's.

    A run that has no export yet, or one of another training, is exported first, into its folder `export`, which takes
    torch and some seconds. `data` is the folder of the run's prepared images, where it is not the one of its results/;
    `threads` how many work on one batch, by default what the back end thinks best; `int8` takes the quantised network.
    Raises UserError, or Refused, for what is no such folder, or was changed.
    """
    is_run, is_export = (folder / "run.json").is_file(), (folder / RECORD).is_file()
    if not is_run and not is_export:
        raise UserError(f"{folder}: is neither the folder of a run (no run.json in it) nor an export (no {RECORD})")
    if backend == "torch":
        if int8:
            raise UserError("int8: only onnxruntime runs the quantised network")
        if not is_run:  # reading model.pt2 may run what is in it, and an export may be anybody's
            raise UserError(f"{folder}: torch needs the folder of the run itself; of an export take onnxruntime")
        return _torch(folder, data, threads)
    return _onnxruntime(_exported(folder, data, int8) if is_run else folder, threads, int8)


def _exported(run_dir: Path, data: Path | None, int8: bool) -> Path:
    """The folder of a run's export, made now where there is none of this very run."""
    folder = run_dir / FOLDER
    wanted = [MODEL, *([INT8] if int8 else [])]
    digest = read_record(run_dir / "run.json", "run")["record_digest"]
    try:
        record = read_record(folder / RECORD, "export")
        if record["info"]["provenance"]["run_digest"] == digest and set(wanted) <= set(record["files"]):
            return folder
    except Refused:
        pass
    from bakeoff.deploy import export

    print(f"{run_dir}: has no {'int8 ' * int8}export of this training yet, and is exported now", file=sys.stderr)
    export.run(run_dir, folder, data=data, int8=int8)
    return folder


def _onnxruntime(folder: Path, threads: int | None, int8: bool) -> Predictor:
    record = read_record(folder / RECORD, "export")
    name = INT8 if int8 else MODEL
    if name not in record["files"]:
        raise UserError(f"{folder}: has no {name}; export the run anew with --int8")
    check_files(folder / RECORD, record, name)
    session = _session(folder / name, threads)
    alone = int8  # each image: what is quantised is scaled by the largest value of the batch that it is in
    predictor = Predictor(record.get("info", {}), "onnxruntime", partial(_answers, session, "probabilities", alone))
    if not _fits(session, predictor):
        raise Refused(f"{folder / name}: is not the network that {RECORD} beside it describes")
    return predictor


def _fits(session: Any, predictor: Predictor) -> bool:
    """Whether a session takes and gives what its record says; an export may be anybody's."""
    try:
        wanted = [predictor.size, predictor.size, predictor.channels], len(predictor.labels), predictor.fit in FITS
    except (KeyError, TypeError, ValueError):
        return False
    given = {each.name: each.shape[1:] for each in (*session.get_inputs(), *session.get_outputs())}
    return wanted == (given.get("images"), *(given.get("probabilities") or [None]), True)


def logits_of(path: Path) -> Callable[[Pixels], Floats]:
    """A call from images [B, size, size, channels] to logits [B, classes], by an exported ONNX file."""
    return partial(_answers, _session(path, None), "logits", path.name == INT8)


def _session(path: Path, threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Its threads would wait for their next share of work by counting, on the cores of those who decode and listen.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each of a dozen faults
        raise UserError(f"{path}: is no model that onnxruntime can load ({type(error).__name__})") from None


def _answers(session: Any, output: str, alone: bool, batch: Pixels) -> Floats:
    if alone:
        return np.concatenate([_answers(session, output, False, batch[i : i + 1]) for i in range(len(batch))])
    answers: Floats = session.run([output], {"images": batch})[0]
    return answers


def _torch(run_dir: Path, data: Path | None, threads: int | None) -> Predictor:
    import torch

    from bakeoff.probe.explain import grad_cam
    from bakeoff.probe.explain_layer import layer_of
    from bakeoff.probe.restore import restore

    info = facts.read(run_dir, data)
    network = restore(run_dir, facts.data_of(run_dir, data))
    if threads:
        torch.set_num_threads(threads)
    # Maps put hooks into a network: into one of their own, and one request at a time.
    hooked, one_at_a_time = copy.deepcopy(network.net), threading.Lock()
    layer = cache(lambda: layer_of(hooked, info["channels"], info["size"]))

    def pixels(batch: Pixels) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))

    def logits(batch: Pixels) -> torch.Tensor:
        with torch.inference_mode():
            return network(pixels(batch)).cpu()

    def probabilities(batch: Pixels) -> Floats:
        found: Floats = torch.softmax(logits(batch) / info["temperature"], dim=1).numpy()
        return found

    def maps(batch: Pixels) -> Floats:
        classes = logits(batch).argmax(dim=1)
        with one_at_a_time:
            found: Floats = grad_cam(hooked, network.normalise, pixels(batch), classes, layer()).numpy()
        return found

    return Predictor(info, "torch", probabilities, maps)
