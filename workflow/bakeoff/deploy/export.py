"""A run's network as files that others run: ONNX and torch.export, from bytes to probabilities, checked against torch.

What of the preparation depends on the network (float, normalisation) is inside the graph. What comes before, from a
file to a square of bytes, is told in `preprocessor.json`.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.deploy import card, facts, howto
from bakeoff.deploy.check import Answers, Judge, must_agree
from bakeoff.deploy.session import INT8, MODEL, PROGRAM, RECORD, logits_of
from bakeoff.errors import UserError
from bakeoff.probe.restore import Restored, restore
from bakeoff.provenance import Json, canonical, code_digest, environment, write_json, write_record

_UNFINISHED = ".export-"
PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow")
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


class Served(nn.Module):
    """A network from bytes to probabilities, as it is exported."""

    scale: Tensor
    shift: Tensor

    def __init__(self, net: nn.Module, mean: Tensor, std: Tensor, temperature: float) -> None:
        super().__init__()
        self.net, self.temperature = net, temperature
        # In the order of training, for the same bits.
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", mean / std)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and calibrated probabilities [B, classes] of images [B, S, S, C] uint8."""
        pixels = images.permute(0, 3, 1, 2).to(torch.float32) * self.scale - self.shift
        logits = self.net(pixels)
        return logits, torch.softmax(logits / self.temperature, dim=1)


def run(run_dir: Path, out: Path, *, data: Path | None = None, int8: bool = False) -> Json:
    """Export a run into the folder `out`, and return the record that is written there as export.json.

    Raises UserError, and writes nothing, where an exported network does not give torch's classes (check.must_agree).
    """
    began = time.perf_counter()
    _must_be_free(out)
    images = facts.data_of(run_dir, data)
    info = facts.read(run_dir, data)
    restored = restore(run_dir, images)
    served = _served(restored, info["temperature"])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=_UNFINISHED) as place:
        folder = Path(place)
        program = _save_program(served, info, folder / PROGRAM)
        graph = _save_onnx(program, folder / MODEL, info)
        judge = Judge.of(restored.splits["test"], _predicted(run_dir), _by_torch(served))
        saved = _by_torch(torch.export.load(folder / PROGRAM).module())
        networks = {MODEL: judge.checked(logits_of(folder / MODEL)), PROGRAM: judge.checked(saved)}
        must_agree(run_dir, networks)
        networks[MODEL] |= judge.measured(logits_of(folder / MODEL))
        if int8:
            _save_int8(folder / MODEL, folder / INT8, info)
            answers = logits_of(folder / INT8)
            networks[INT8] = judge.checked(answers) | judge.measured(answers)
        for name, found in networks.items():
            found["bytes"] = (folder / name).stat().st_size
        body = {
            "info": info,
            **graph,
            "networks": networks,
            "environment": environment(PACKAGES),
            "export_seconds": round(time.perf_counter() - began, 3),
        }
        files = [*(folder / name for name in networks), *_describe(folder, body)]
        spec = {"run": info["provenance"]["run_digest"], "int8": int8}
        write_record(folder / RECORD, "export", spec, code_digest("bakeoff.deploy.export"), body, files)
        readme = folder / "README.md"  # not in the record, for people are to edit it: its license, to begin with
        readme.write_text(card.render(body, run_dir, images), encoding="utf-8")
        for path in (*files, readme, folder / RECORD):
            path.replace(out / path.name)
    if not int8:
        (out / INT8).unlink(missing_ok=True)  # of an earlier export
    return body


def _must_be_free(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; name a folder")
    others = [path for path in (out.iterdir() if out.is_dir() else ()) if not path.name.startswith(_UNFINISHED)]
    if others and not (out / RECORD).is_file():
        raise UserError(f"{out}: holds other files than an export; name a new folder, or an empty one")


def _served(restored: Restored, temperature: float) -> Served:
    net = restored.net.cpu().to(memory_format=torch.contiguous_format)
    return Served(net, restored.mean.cpu(), restored.std.cpu(), temperature).eval()


def _predicted(run_dir: Path) -> Floats:
    with np.load(run_dir / "predictions.npz", allow_pickle=False) as archive:  # checked against the record in restore
        logits: Floats = archive["logits"]
    return logits


def _by_torch(network: nn.Module) -> Answers:
    """Logits by torch, in fp32 on the CPU."""

    def answers(images: Pixels) -> Floats:
        with torch.inference_mode():
            logits: Floats = network(torch.from_numpy(images))[0].numpy()
        return logits

    return answers


# --- writing


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of exporters, which are about their own insides."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _save_program(served: Served, info: Json, path: Path) -> torch.export.ExportedProgram:
    # An example of two: of one, the exporter may conclude that the batch is always one.
    example = torch.zeros(2, info["size"], info["size"], info["channels"], dtype=torch.uint8)
    try:
        with _quiet(), torch.no_grad():
            program = _captured(served, example)
            for node in program.graph.nodes:
                node.meta.pop("stack_trace", None)  # the paths of this machine's files
            torch.export.save(program, path)
    except Exception as error:  # exporters have many ways to say no
        raise _no_export("torch.export", error) from error
    return program


def _captured(served: Served, example: Tensor) -> torch.export.ExportedProgram:
    """By running the network or, where its Python code makes a constant of the batch's size, as len(images) does, by
    reading that code, as torch.onnx does.
    """
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    try:
        return torch.export.export(served, (example,), dynamic_shapes=shapes)
    except Exception:
        return torch.export.export(served, (example,), dynamic_shapes=shapes, strict=True)


def _save_onnx(program: torch.export.ExportedProgram, path: Path, info: Json) -> Json:
    try:
        with _quiet():
            exported = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                input_names=["images"],
                output_names=["logits", "probabilities"],
            )
            assert exported is not None  # as dynamo=True promises
            exported.save(path)
    except Exception as error:
        raise _no_export("torch.onnx", error) from error
    return _label(path, info)


def _no_export(what: str, error: Exception) -> UserError:
    first = str(error).strip().partition("\n")[0]
    return UserError(f"export: {what} cannot export this network: {type(error).__name__}: {first}")


def _label(path: Path, info: Json) -> Json:
    """Put labels and provenance into an ONNX file's metadata, in place of remarks about the code it came from; returns
    what the graph is.
    """
    import onnx

    model = onnx.load(path)
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]
    keys = ("name", "size", "channels", "fit", "temperature", "normalisation")
    onnx.helper.set_model_props(
        model,
        {
            "labels": canonical(info["labels"]),
            "provenance": canonical(info["provenance"]),
            "preprocessing": canonical({key: info[key] for key in keys}),
        },
    )
    onnx.save(model, path)
    opsets = {each.domain or "ai.onnx": each.version for each in model.opset_import}
    return {"opset": opsets["ai.onnx"], "ir_version": model.ir_version, "nodes": len(model.graph.node)}


def _save_int8(model: Path, path: Path, info: Json) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    try:
        with _quiet():
            # Unsigned: onnxruntime's integer convolution takes no signed weights.
            quantize_dynamic(model, path, weight_type=QuantType.QUInt8)
        _label(path, info)
    except Exception as error:
        raise _no_export("onnxruntime's quantisation", error) from error


def _describe(folder: Path, body: Json) -> list[Path]:
    """Write what tells programs how to use the networks, and how to make them again; returns the files."""
    preprocessor, study = folder / "preprocessor.json", folder / "study.yaml"
    write_json(preprocessor, howto.preprocessor(body["info"]))
    study.write_text(howto.study(body["info"]), encoding="utf-8")
    return [preprocessor, study]
