"""Many families of timm and torchvision, by their smallest members: built at 32 and 224 pixels, trained for two steps,
written to a file and read again; or refused with a reason before training.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from bakeoff.errors import UserError
from bakeoff.models import registry, weights

_TORCHVISION = """
    alexnet vgg11 googlenet inception_v3 resnet18 densenet121 squeezenet1_1 mobilenet_v2 mobilenet_v3_small mnasnet0_5
    shufflenet_v2_x0_5 efficientnet_b0 efficientnet_v2_s regnet_x_400mf regnet_y_400mf convnext_tiny vit_b_32 swin_t
    swin_v2_t maxvit_t
"""
_TIMM = """
    cait_xxs24_224 coat_tiny convit_tiny convnextv2_atto crossvit_tiny_240 cs3darknet_focus_s cspnext_tiny
    deit_tiny_patch16_224 dla46x_c dpn48b edgenext_xx_small efficientformerv2_s0 efficientvit_b0 efficientvit_m0
    ese_vovnet19b_slim_dw fasternet_t0 fastvit_t8 gcvit_xxtiny ghostnet_050 gmlp_ti16_224 halonet_h1 hgnetv2_b0
    iformer_t inception_next_atto lcnet_035 legacy_seresnet18 levit_128s mixer_s32_224 mobilenetv3_small_050
    mobilenetv4_conv_small mobilevit_xxs pit_ti_224 poolformerv2_s12 pvt_v2_b0 regnetx_002 repghostnet_050 repvit_m1
    resmlp_12_224 resnest14d resnet10t resnetv2_18 rexnet_100 shvit_s1 skresnet18 starnet_s050 swiftformer_xs
    swin_tiny_patch4_window7_224 test_byobnet test_coatnet test_convnext test_efficientnet test_mambaout test_nfnet
    test_resnet test_vit test_vit_relpos tf_efficientnet_lite0 tiny_vit_5m_224 tinynet_e visformer_tiny
    vit_tiny_r_s16_p8_224 xcit_nano_12_p8_224
"""
MODELS = [f"torchvision/{name}" for name in _TORCHVISION.split()] + [f"timm/{name}" for name in _TIMM.split()]
# Its 4096 units are most of its time; the others are as published.
OPTIONS = {"torchvision/vgg11": {"stem": "small"}}
# What does not fit: pooling down to nothing, windows and patches that do not divide the image.
REFUSED = {
    ("torchvision/alexnet", 32),
    ("torchvision/inception_v3", 32),
    ("torchvision/maxvit_t", 32),
    ("timm/crossvit_tiny_240", 32),
    ("timm/crossvit_tiny_240", 224),
    ("timm/halonet_h1", 32),
    ("timm/halonet_h1", 224),
}
CLASSES = 5


def build(builder: str, size: int, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model = {"builder": builder, "options": OPTIONS.get(builder, {})}
    return registry.build(model, channels=3, size=size, classes=CLASSES)


def test_there_are_enough_of_them() -> None:
    assert len(MODELS) == len(set(MODELS)) >= 60
    assert all(registry.is_known(builder) for builder in MODELS)
    assert {builder for builder, _ in REFUSED} <= set(MODELS)


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("builder", MODELS)
def test_it_trains_predicts_and_survives_a_file(builder: str, size: int, tmp_path: Path) -> None:
    if (builder, size) in REFUSED:
        with pytest.raises(UserError, match=rf"{builder}: cannot be built for images of 3x{size}x{size}"):
            build(builder, size)
        return
    net = build(builder, size)
    images = torch.randn(4 if size == 32 else 2, 3, size, size)
    labels = torch.arange(len(images)) % CLASSES
    before = [parameter.detach().clone() for parameter in net.parameters()]
    net.train()
    for _ in range(2):
        net.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        with torch.no_grad():  # SGD by hand: torch's classes import the compiler
            for parameter in net.parameters():
                if parameter.grad is not None:
                    parameter -= 1e-3 * parameter.grad
    assert any(not torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))

    path = tmp_path / "model.safetensors"
    save_file({name: tensor.contiguous().clone() for name, tensor in net.state_dict().items()}, path)
    other = build(builder, size, seed=1)
    weights.restore(other, path)
    with torch.inference_mode():
        logits = net.eval()(images)
        assert torch.equal(logits, other.eval()(images))
    assert logits.shape == (len(images), CLASSES)
    assert logits.isfinite().all()
