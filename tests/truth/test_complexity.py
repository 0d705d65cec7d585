"""Parameters and multiply-adds against the numbers that torchvision publishes with its weights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torchvision import models

from bakeoff.profile import complexity

IMAGES = (1, 3, 224, 224)
# These publish numbers for 224 pixels and no auxiliary head.
NAMES = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "resnet18",
    "resnet50",
    "shufflenet_v2_x1_0",
    "squeezenet1_0",
    "swin_t",
    "vgg16",
    "vit_b_16",
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More of them wait for each other when tests run beside others."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def published(name: str) -> tuple[int, float]:
    """Parameters, and 1e9 multiply-adds to three decimals, of the first weights."""
    meta = next(iter(models.get_model_weights(name))).meta
    return meta["num_params"], meta["_ops"]


def on_cpu(name: str) -> nn.Module:
    """The model with zeros for weights, which takes a fraction of the time of initialising them."""
    with torch.device("meta"):
        net = models.get_model(name).eval()
    net.to_empty(device="cpu")
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.data.zero_()
    return net


@pytest.mark.parametrize("name", NAMES)
def test_torch_counts_what_torchvision_publishes(name: str) -> None:
    with torch.device("meta"):
        net = models.get_model(name).eval()
        macs = sum(complexity.count_by_torch(net, torch.zeros(IMAGES)).values())
    params, giga_macs = published(name)
    assert sum(parameter.numel() for parameter in net.parameters()) == params
    assert round(macs / 1e9, 3) == giga_macs


@pytest.mark.parametrize("name", ["mobilenet_v3_large", "resnet50", "swin_t", "vit_b_16"])
def test_both_counters_agree(name: str) -> None:
    counted = complexity.count(on_cpu(name), torch.zeros(IMAGES))
    params, giga_macs = published(name)
    assert counted.params == params
    assert round(counted.macs / 1e9, 3) == giga_macs
    assert counted.macs_fvcore == counted.macs
    assert counted.macs_note is None


@pytest.mark.parametrize(("name", "file_mb"), [("mobilenet_v2", 13.555), ("resnet18", 44.661)])
def test_the_file_is_as_large_as_torchvisions(name: str, file_mb: float) -> None:
    # torchvision gives 2**20 bytes, of a pickle.
    size = complexity.count(on_cpu(name), torch.zeros(IMAGES)).size_mb * 1e6 / 2**20
    assert size == pytest.approx(file_mb, rel=0.01)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::FutureWarning")
def test_fvcore_alone_misses_the_attention_of_vit() -> None:
    net, images = on_cpu("vit_b_16"), torch.zeros(IMAGES)
    with torch.no_grad():
        alone = FlopCountAnalysis(net, images).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
    _, giga_macs = published("vit_b_16")
    assert alone / 1e9 < 0.7 * giga_macs
    ours, _ = complexity.count_by_fvcore(net, images)
    assert round(sum(ours.values()) / 1e9, 3) == giga_macs
