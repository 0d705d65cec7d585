"""Parameters, multiply-adds and file sizes against the numbers that torchvision publishes with its weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn
from torchvision import models

from bakeoff.profile import complexity

NAMES = sorted(models.list_models(module=models))
FAMILIES = [  # one of each kind that torchvision has
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet1_0",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "regnet_y_400mf",
    "resnet50",
    "resnext50_32x4d",
    "shufflenet_v2_x1_0",
    "squeezenet1_0",
    "swin_t",
    "swin_v2_t",
    "vgg16",
    "vit_b_16",
]


def first_weights(name: str) -> Any:
    return next(iter(models.get_model_weights(name)))


def resolution(name: str) -> int:
    """Pixels that the published numbers are for: those that the weights were trained for, 224 for most."""
    return int(first_weights(name).transforms().crop_size[0])


@contextmanager
def no_initial_values() -> Iterator[None]:
    """Memory that is never written takes no time and, on most systems, no room."""
    initialisers = [name for name in dir(nn.init) if name.endswith("_") and not name.startswith("_")]
    with mock.patch.multiple(nn.init, **{name: lambda tensor, *_, **__: tensor for name in initialisers}):
        yield


def options(name: str) -> dict[str, Any]:
    if name.startswith("vit_"):
        return {"image_size": resolution(name)}  # as many position embeddings: vit_h_14's first weights are for 518
    if name == "googlenet":
        return {"aux_logits": False, "init_weights": False}  # what it publishes is without the heads for training
    if name == "inception_v3":
        return {"init_weights": False}  # and here with them
    return {}


def on_meta(name: str, **others: Any) -> nn.Module:
    net: nn.Module
    if name.startswith("regnet"):  # they read the widths of their layers from tensors
        with no_initial_values():
            net = models.get_model(name).to("meta")
    else:
        with torch.device("meta"):
            net = models.get_model(name, **{**options(name), **others})
    return net.eval()


def on_cpu(name: str) -> nn.Module:
    """The model with zeros for weights, which takes a fraction of the time of initialising them."""
    net = on_meta(name).to_empty(device="cpu")
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.data.zero_()
    return net


def images(name: str) -> Tensor:
    return torch.zeros(1, 3, resolution(name), resolution(name))


def count_on_meta(name: str) -> complexity.Complexity:
    net = on_meta(name)
    with torch.device("meta"):
        return complexity.count(net, images(name))


def test_torchvision_has_classifiers() -> None:
    assert len(NAMES) >= 80


@pytest.mark.parametrize("name", NAMES)
def test_torch_counts_what_torchvision_publishes(name: str) -> None:
    net, meta = on_meta(name), first_weights(name).meta
    with torch.device("meta"):
        macs = complexity.count_by_torch(net, images(name)).macs[""]
    assert sum(parameter.numel() for parameter in net.parameters()) == meta["num_params"]
    assert round(macs / 1e9, 3) == meta["_ops"]


@pytest.mark.parametrize("name", FAMILIES)
def test_both_counters_agree(name: str) -> None:
    counted, meta = count_on_meta(name), first_weights(name).meta
    assert counted.params == meta["num_params"]
    assert round(counted.macs / 1e9, 3) == meta["_ops"]
    # In maxvit_t there are einsums, whose costs fvcore reads off numpy's report, which rounds them.
    assert counted.macs_fvcore == pytest.approx(counted.macs, rel=1e-6 if name == "maxvit_t" else 0)
    assert counted.macs_note is None


@pytest.mark.parametrize("name", ["mobilenet_v3_large", "regnet_y_400mf", "vit_b_16"])
def test_the_cpu_counts_what_the_meta_device_does(name: str) -> None:
    assert complexity.count(on_cpu(name), images(name)) == count_on_meta(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_as_large_as_torchvisions(name: str) -> None:
    # GoogLeNet's file holds the heads for training too. torchvision gives 2**20 bytes, of a pickle.
    others = {"aux_logits": True} if name == "googlenet" else {}
    size = complexity.file_bytes(on_meta(name, **others)) / 2**20
    halves = 2 if name.startswith("wide_resnet") else 1  # their first weights are stored as float16
    assert size / halves == pytest.approx(first_weights(name).meta["_file_size"], rel=0.01)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::FutureWarning")
def test_fvcore_alone_misses_the_attention_of_vit() -> None:
    net, giga_macs = on_cpu("vit_b_16"), first_weights("vit_b_16").meta["_ops"]
    with torch.no_grad():
        analysis = FlopCountAnalysis(net, images("vit_b_16"))
        alone = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
    assert alone / 1e9 < 0.7 * giga_macs
    ours, _ = complexity.count_by_fvcore(net, images("vit_b_16"))
    assert round(sum(ours.values()) / 1e9, 3) == giga_macs
