"""What an ONNX file of others costs: what the file says of itself, and its times by onnxruntime on the CPU.

MACs are counted as of other networks, from convolutions and matrix products; their shapes are those of a pass over one
image, in which each of these operators shows what it takes and gives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
import torch
from onnx.inliner import inline_local_functions

from bakeoff.errors import UserError
from bakeoff.models import onnx_file
from bakeoff.models.library import onnx as networks
from bakeoff.profile.backends import BackendError, Ready
from bakeoff.profile.complexity import Complexity
from bakeoff.profile.spec import ProfileSpec

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
# Shapes and axes are whole numbers too, and no parameters.
_NO_PARAMETERS = (onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL, onnx.TensorProto.STRING)
_CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv")
_PRODUCTS = ("MatMul", "MatMulInteger", "QLinearMatMul", "Gemm")
_WEIGHTS = {"QLinearConv": 3, "QLinearMatMul": 3}
"""Where the second factor stands among the inputs, of those where it is not the second."""
# Of the other operators, those whose names tell of products: there is no rule for them.
_SUSPECT = re.compile(r"attention|conv|einsum|gemm|gru|lstm|matmul|rnn", re.IGNORECASE)
_MOST_BYTES = 2**31 - 1


def condition(job: ProfileSpec) -> ProfileSpec:
    """The condition under which such a file is measured where the study asks for that of `job`: by onnxruntime on the
    CPU. Raises BackendError, with what cannot be had, for another kind of measurement.
    """
    if job.device == "cuda":
        raise BackendError("on a GPU")
    if job.backend == "compile":
        raise BackendError("by torch.compile")
    if job.precision != "fp32":
        raise BackendError(f"in {job.precision}")
    return job.model_copy(update={"backend": "onnxruntime", "training": None})


def network(job: ProfileSpec) -> networks.Network:
    """The network of a job. Raises UserError where it does not take such images or give so many classes."""
    channels, size, _ = job.input
    path = onnx_file.path_of(job.model.builder)
    return networks.build(path, channels, size, job.classes, job.threads, **job.model.options)


def most_images(net: networks.Network, job: ProfileSpec) -> int:
    """The largest batch that is tried: one, where it is asked one image at a time."""
    return 1 if net.form.alone else job.max_batch


def ready(net: networks.Network, shape: Shape) -> Ready:
    """It, as backends.prepare makes others; images of noise are prepared once for each size of batch."""

    @cache
    def prepared(n: int) -> Any:
        return net.form.prepared(np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8))

    def run(images: Any) -> Any:
        return net.session.run([net.output], {net.form.name: images})[0]

    return Ready(lambda images: prepared(len(images)), run, torch.from_numpy, lambda: None, 0.0)


# --- what no machine changes


def complexity(job: ProfileSpec) -> Complexity:
    """Parameters, size and MACs; no MACs, and a note, where an operator is not known or the network is too large.

    Parameters are the numbers of the file's tensors, statistics of batch norms among them, whole numbers that tell
    shapes not; its size is that of the file, with its weights.
    """
    net = network(job)
    model = networks.read(net.path)
    macs, activations, note = _counted(net, model, job.input)
    return Complexity(
        params=sum(math.prod(each.dims) for each in _tensors(model)),
        trainable_params=0,
        size_mb=sum(file.stat().st_size for file in (net.path, *onnx_file.weights_beside(net.path))) / 1e6,
        macs=macs,
        macs_fvcore=None,
        macs_note=note,
        activations=activations,
        modules=(),
    )


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """The file's tensors, in the graph and in constants of nodes."""
    for part in networks.parts(model):
        if isinstance(part, onnx.TensorProto) and part.data_type not in _NO_PARAMETERS:
            yield part


def _counted(net: networks.Network, model: onnx.ModelProto, image: Shape) -> tuple[int | None, int | None, str | None]:
    try:
        nodes = _products(inline_local_functions(model))
        return *_count(nodes, _shapes(net, nodes, image)), None
    except UserError as error:
        return None, None, str(error)
    except Exception as error:  # onnx and onnxruntime have many of their own, and costs are known without MACs
        return None, None, f"MACs cannot be counted: {type(error).__name__}"


def _products(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The convolutions and matrix products. Raises UserError where there are such as cannot be counted."""
    known = (*_CONVOLUTIONS, *_PRODUCTS)
    nodes = [part for part in networks.parts(model) if isinstance(part, onnx.NodeProto)]
    if others := sorted({n.op_type for n in nodes if n.op_type not in known and _SUSPECT.search(n.op_type)}):
        raise UserError(f"MACs are not counted: there is no rule for {', '.join(others)}")
    found = [node for node in model.graph.node if node.op_type in known]
    if len(found) < sum(node.op_type in known for node in nodes):
        raise UserError("MACs are not counted: there are products within a branch or a loop")
    return found


def _shapes(net: networks.Network, nodes: Sequence[onnx.NodeProto], image: Shape) -> Shapes:
    """The shapes of all that the nodes take and give, for one image."""
    model = onnx.load(net.path)  # with the weights beside it, whose places networks.read has looked at
    if model.ByteSize() > _MOST_BYTES:
        raise UserError("MACs are not counted: of more than 2 GB")
    model = inline_local_functions(model)
    known = {each.name: tuple(each.dims) for each in model.graph.initializer}
    shown = {name for node in nodes for name in (*node.input, *node.output) if name and name not in known}
    given = {each.name for each in (*model.graph.input, *model.graph.output)}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(shown - given))
    session = networks.load(net.path, 1, model.SerializeToString())
    names = [each.name for each in session.get_outputs()]
    batch = ready(net, image).place(torch.empty(1))
    arrays = session.run(names, {net.form.name: batch})
    return known | {net.form.name: batch.shape} | {n: a.shape for n, a in zip(names, arrays, strict=True)}


def _count(nodes: Sequence[onnx.NodeProto], shapes: Shapes) -> tuple[int, int]:
    """MACs, and output elements, of these nodes."""
    macs = activations = 0
    for node in nodes:
        size = math.prod(shapes[node.output[0]])
        factor = shapes[node.input[_WEIGHTS.get(node.op_type, 1)]]
        if node.op_type in _CONVOLUTIONS:  # [out, in / groups, height, width]
            each = math.prod(factor[1:])
        elif any(a.name == "transB" and a.i for a in node.attribute):  # a Gemm's, [out, in]
            each = factor[-1]
        else:  # [..., in, out], or [in]
            each = factor[-2] if len(factor) > 1 else factor[0]
        macs, activations = macs + size * each, activations + size
    return macs, activations
