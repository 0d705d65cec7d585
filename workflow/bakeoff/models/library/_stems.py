"""Surgery that libraries leave to their users: other numbers of input channels, and stems for small images."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

FAMILIES = "ResNet, DenseNet, VGG, AlexNet, GoogLeNet, MobileNet, EfficientNet, ShuffleNetV2 and ConvNeXt"


def set_input_channels(net: nn.Module, channels: int) -> None:
    """Replace the first convolution by one with fresh weights, of the spread of the old, for images of `channels`.

    Raises ValueError for a net without a convolution.
    """
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            if module.in_channels != channels:
                new = _like(module, in_channels=channels)
                nn.init.normal_(new.weight, std=float(module.weight.detach().std()))
                if module.bias is not None and new.bias is not None:
                    new.bias.data.copy_(module.bias.detach())
                _replace(net, name, new)
            return
    raise ValueError("has no convolution whose input channels could be set")


def use_small_stem(net: nn.Module, name: str) -> None:
    """Make of a net the variant that the literature uses for images of 32 pixels. Raises ValueError where it has none.

    Families are told by their layers, as timm and torchvision name them; `name` tells MobileNetV2 from its kin.
    """
    changes = (_resnet, _densenet, _alexnet, _vgg, _googlenet, _shufflenet, _convnext, _mobile)
    if any(change(net) for change in changes):
        if name.replace("_", "").startswith("mobilenetv2"):
            _stride_one(next(m for m in net.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)))
        return
    raise ValueError(f"has no small-image stem in the literature; stem: small is for {FAMILIES}")


def _resnet(net: nn.Module) -> bool:
    """ResNet, ResNeXt, SE-ResNet: 3x3, stride 1, no pooling (He et al. 2016, section 4.2)."""
    conv, pool = getattr(net, "conv1", None), getattr(net, "maxpool", None)
    if not isinstance(conv, nn.Conv2d) or not isinstance(pool, nn.Module):
        return False
    _replace(net, "conv1", _like(conv, kernel_size=3, stride=1, padding=1))
    _replace(net, "maxpool", nn.Identity())
    return True


def _densenet(net: nn.Module) -> bool:
    """DenseNet: 3x3, stride 1, then at once the first block (Huang et al. 2017, section 3; kuangliu/pytorch-cifar)."""
    features = getattr(net, "features", None)
    if not isinstance(features, nn.Module) or not isinstance(getattr(features, "conv0", None), nn.Conv2d):
        return False
    _replace(net, "features.conv0", _like(features.get_submodule("conv0"), kernel_size=3, stride=1, padding=1))
    for name in ("norm0", "relu0", "pool0"):
        if hasattr(features, name):
            _replace(net, f"features.{name}", nn.Identity())
    return True


def _alexnet(net: nn.Module) -> bool:
    """AlexNet: padding 5, 2x2 pooling, one linear layer (bearpaw/pytorch-classification, models/cifar/alexnet.py)."""
    first = _first_feature(net)
    if not isinstance(first, nn.Conv2d) or first.kernel_size != (11, 11):
        return False
    first.padding = (5, 5)
    features = net.get_submodule("features")
    for pool in (module for module in features.modules() if isinstance(module, nn.MaxPool2d)):
        pool.kernel_size = 2
    return _one_linear_layer(net, features)


def _vgg(net: nn.Module) -> bool:
    """VGG: one linear layer for the three of 4096 units (kuangliu/pytorch-cifar, models/vgg.py)."""
    first, features = _first_feature(net), getattr(net, "features", None)
    if not isinstance(first, nn.Conv2d) or not isinstance(features, nn.Module) or first.stride != (1, 1):
        return False
    if not hasattr(net, "pre_logits"):
        return _one_linear_layer(net, features)
    head = net.get_submodule("head")  # timm's
    head.fc = nn.Linear(_width(features), _classes(head))
    head.in_features = net.head_hidden_size = _width(features)  # type: ignore[assignment]
    _replace(net, "pre_logits", nn.Identity())
    return True


def _googlenet(net: nn.Module) -> bool:
    """GoogLeNet: 3x3, stride 1, no pooling before the first Inception block (weiaicunzai/pytorch-cifar100)."""
    if not isinstance(getattr(net, "inception3a", None), nn.Module):
        return False
    conv = net.get_submodule("conv1.conv")
    _replace(net, "conv1.conv", _like(conv, kernel_size=3, stride=1, padding=1))
    for name in ("maxpool1", "maxpool2"):
        _replace(net, name, nn.Identity())
    return True


def _shufflenet(net: nn.Module) -> bool:
    """ShuffleNetV2: the 3x3 convolution with stride 1, no pooling (weiaicunzai/pytorch-cifar100)."""
    if not isinstance(getattr(net, "maxpool", None), nn.Module) or not hasattr(net, "stage2"):
        return False
    _stride_one(net.get_submodule("conv1.0"))
    _replace(net, "maxpool", nn.Identity())
    return True


def _convnext(net: nn.Module) -> bool:
    """ConvNeXt: patches of one pixel (filipbasara0/simple-convnext: patches of 2 and 4 score lower on CIFAR-10).

    Swin's patches look the same, but it has no depthwise 7x7 convolutions behind them.
    """
    if not any(isinstance(m, nn.Conv2d) and m.kernel_size == (7, 7) and m.groups > 1 for m in net.modules()):
        return False
    for name in ("stem.0", "features.0.0"):
        conv = _submodule(net, name)
        if isinstance(conv, nn.Conv2d) and conv.kernel_size == conv.stride == (4, 4):
            _replace(net, name, _like(conv, kernel_size=1, stride=1, padding=0))
            return True
    return False


def _mobile(net: nn.Module) -> bool:
    """MobileNet V1 to V3 and EfficientNet: stride 1 in the stem, and in MobileNetV2 in the first block that has stride
    2 as well (kuangliu/pytorch-cifar: mobilenet.py, mobilenetv2.py, efficientnet.py).
    """
    for name in ("conv_stem", "features.0.0"):
        conv = _submodule(net, name)
        if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3) and conv.stride == (2, 2):
            _stride_one(conv)
            return True
    return False


# --- tools


def _submodule(net: nn.Module, name: str) -> nn.Module | None:
    try:
        return net.get_submodule(name)
    except AttributeError:
        return None


def _first_feature(net: nn.Module) -> nn.Module | None:
    return _submodule(net, "features.0")


def _stride_one(conv: nn.Module) -> None:
    conv.stride = (1, 1)  # type: ignore[assignment]


def _one_linear_layer(net: nn.Module, features: nn.Module) -> bool:
    """Torchvision's pooling to 7x7 and its three linear layers become pooling to one pixel and one linear layer."""
    net.avgpool = nn.AdaptiveAvgPool2d(1)
    net.classifier = nn.Linear(_width(features), _classes(net))
    return True


def _width(features: nn.Module) -> int:
    """Channels that the last convolution gives."""
    return [module for module in features.modules() if isinstance(module, nn.Conv2d)][-1].out_channels


def _classes(net: nn.Module) -> int:
    return [module for module in net.modules() if isinstance(module, nn.Linear)][-1].out_features


def _like(conv: nn.Module, **changes: int) -> nn.Conv2d:
    """A convolution like this one but for `changes`, with the initial weights of ResNets (He et al. 2015): the stems
    changed here have a norm behind them, so that the spread of their weights does not matter.
    """
    if not isinstance(conv, nn.Conv2d):
        raise ValueError("has no plain convolution for a stem")
    settings: dict[str, Any] = {
        "in_channels": conv.in_channels,
        "out_channels": conv.out_channels,
        "kernel_size": conv.kernel_size,
        "stride": conv.stride,
        "padding": conv.padding,
        "bias": conv.bias is not None,
        **changes,
    }
    new = nn.Conv2d(**settings)
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    if new.bias is not None:
        torch.nn.init.zeros_(new.bias)
    return new


def _replace(net: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, new)
