"""Sizes of models against numbers that others have published."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from bakeoff.models import registry


def build(builder: str, channels: int, size: int, **options: Any) -> nn.Module:
    return registry.build({"builder": builder, "options": options}, channels=channels, size=size, classes=10)


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_lenet5_has_as_many_parameters_as_published() -> None:
    # 61,706: Zhang et al., "Dive into Deep Learning" (d2l.ai), and others, for LeNet-5 on 28x28 with 10 classes and a
    # second convolution that sees all six channels. LeCun et al. (1998) leave connections out there: 60,000.
    assert parameters(build("lenet5", 1, 28)) == 61_706


@pytest.mark.parametrize("builder", ["timm/resnet18", "torchvision/resnet18"])
def test_resnet18_for_small_images_is_the_one_that_the_field_uses(builder: str) -> None:
    # github.com/kuangliu/pytorch-cifar: ResNet18() for CIFAR-10, whose first stage sees 32x32, its last 4x4.
    net = build(builder, 3, 32, stem="small")
    assert parameters(net) == 11_173_962
    shapes = []
    for stage in (net.layer1, net.layer4):
        stage.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape)))
    net(torch.zeros(2, 3, 32, 32))
    assert shapes == [(2, 64, 32, 32), (2, 512, 4, 4)]


@pytest.mark.parametrize(
    ("builder", "published"),
    [
        # github.com/kuangliu/pytorch-cifar: DenseNet121() and VGG('VGG16').
        ("timm/densenet121", 6_956_298),
        ("torchvision/densenet121", 6_956_298),
        ("timm/vgg16_bn", 14_728_266),
        ("torchvision/vgg16_bn", 14_728_266),
        # github.com/bearpaw/pytorch-classification: models/cifar/alexnet.py.
        ("torchvision/alexnet", 2_472_266),
    ],
)
def test_other_nets_for_small_images_have_as_many_parameters_as_published(builder: str, published: int) -> None:
    assert parameters(build(builder, 3, 32, stem="small")) == published
