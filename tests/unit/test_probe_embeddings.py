"""Embeddings: the vectors from which the classifier makes the logits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.probe.embeddings import classifier_of, embed

SIZE = 32
# Width of the classifier's input at 32 pixels.
WIDTHS = {
    "lenet5": 84,
    "tiny_cnn": 2048,
    "tiny_vit": 64,
    "timm/resnet18": 512,
    "timm/mobilenetv3_small_050": 1024,
    "timm/efficientnet_lite0": 1280,
    "timm/vit_tiny_patch16_224": 192,
    "timm/convnext_atto": 320,
    "timm/vgg11": 4096,
    "torchvision/resnet18": 512,
    "torchvision/mobilenet_v3_small": 1024,
    "torchvision/shufflenet_v2_x0_5": 1024,
    "torchvision/densenet121": 1024,
    "torchvision/swin_t": 768,
    "torchvision/googlenet": 1024,
}


def build(builder: str, channels: int = 3, classes: int = 10) -> nn.Module:
    torch.manual_seed(0)
    return registry.build({"builder": builder, "options": {}}, channels=channels, size=SIZE, classes=classes)


def normalise(images: Tensor) -> Tensor:
    return images.float() / 255 - 0.5


def pixels(n: int = 5, channels: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, SIZE, SIZE), dtype=torch.uint8, generator=random)


def test_every_model_of_our_own_is_here() -> None:
    assert set(registry.own_names()) <= WIDTHS.keys()


@pytest.mark.parametrize("builder", WIDTHS)
def test_the_classifier_makes_the_logits_of_the_embedding(builder: str) -> None:
    net, images = build(builder), pixels()
    features = embed(net, normalise, images, batch_size=3)
    assert features.shape == (5, WIDTHS[builder])
    assert features.dtype == torch.float32
    with torch.inference_mode():
        assert torch.allclose(classifier_of(net, normalise(images[:2]))(features), net(normalise(images)), atol=1e-5)


@pytest.mark.parametrize("builder", [builder for builder in WIDTHS if builder.startswith("timm/")])
def test_features_are_what_timm_calls_so(builder: str) -> None:
    net, images = build(builder), pixels()
    with torch.inference_mode():
        wanted = net.forward_head(net.forward_features(normalise(images)), pre_logits=True)  # type: ignore[operator]
    assert torch.allclose(embed(net, normalise, images), wanted.flatten(1), atol=1e-5)


def test_two_classes_and_grey_images_will_do() -> None:
    assert embed(build("lenet5", channels=1, classes=2), normalise, pixels(channels=1)).shape == (5, 84)


@pytest.mark.parametrize("builder", ["torchvision/squeezenet1_1", "timm/deit_tiny_distilled_patch16_224"])
def test_a_net_without_one_classifier_has_no_embedding(builder: str) -> None:
    with pytest.raises(UserError, match="no single layer from a vector to its logits"):
        embed(build(builder), normalise, pixels())


def test_the_net_is_left_as_it_was() -> None:
    net = build("timm/resnet18").train()
    net.get_submodule("layer1").eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    embed(net, normalise, pixels())
    assert net.training
    assert not net.get_submodule("layer1").training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
    with pytest.raises(ValueError, match="no images"):
        embed(net, normalise, pixels()[:0])
